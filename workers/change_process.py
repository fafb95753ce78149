"""What the process of the queue ``change`` builds once and keeps. The networks are loaded when the first trail is due, and not before."""

import logging
import os
import socket
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from services.logs import configure_logging
from services.objects import ObjectStore
from services.records.changes import any_work
from services.records.database import Database
from services.settings import load_settings
from workers.process import stopping
from workers.turnstile import Turnstile

if TYPE_CHECKING:
    from workers.comparing import TrailWorker

log = logging.getLogger(__name__)

# The analysis, the pages and the database come first. At 10 the kernel still leaves about a tenth of a busy processor: a queue that
# never empties slows comparisons down and does not stop them.
NICENESS = 10


@lru_cache(maxsize=1)
def database() -> Database:
    """This process's connection pool."""
    return Database.connect(load_settings())


@lru_cache(maxsize=1)
def worker() -> "TrailWorker":
    """This process's worker; loads torch, though no network yet."""
    from workers.comparing import TrailWorker
    from workers.networks import Networks

    settings = load_settings()
    return TrailWorker(
        transaction=database().transaction,
        store=ObjectStore.connect(settings),
        tools=Networks(database=database(), settings=settings, name=f"change:{socket.gethostname()}:{os.getpid()}"),
        lease=timedelta(seconds=settings.lease_seconds),
        max_attempts=settings.max_attempts,
        stopping=stopping,
    )


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """One drain at a time."""
    return Turnstile(drain)


def drain() -> None:
    """Bring up to date whatever is due. A process that never has anything to compare stays small."""
    with database().transaction() as session:
        if not any_work(session=session, max_attempts=load_settings().max_attempts):
            return
    worker().drain()


def prepare_process() -> None:
    """Steps behind every other process and opens ``/metrics``."""
    configure_logging()
    os.nice(NICENESS)
    settings = load_settings()
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
