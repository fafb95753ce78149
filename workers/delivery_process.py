"""What the process of the queues ``delivery`` and ``exchange`` builds once and keeps. It never loads a network, and stays small."""

import logging
import os
import socket
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from services.logs import configure_logging
from services.records.database import Database
from services.settings import load_settings
from workers.process import stopping
from workers.turnstile import Turnstile

if TYPE_CHECKING:
    from workers.delivering import Deliverer

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def database() -> Database:
    """This process's connection pool."""
    return Database.connect(load_settings())


@lru_cache(maxsize=1)
def deliverer() -> "Deliverer | None":
    """What tells portals; None where there is no key to read the secrets of their webhooks with."""
    from services.addresses import AddressPolicy
    from services.records.seal import Seal
    from workers.delivering import SHORTEST_LEASE, Deliverer
    from workers.webhook_calls import Caller

    settings = load_settings()
    if settings.data_key is None:
        log.error("no webhook is called: DERMATRAIL_DATA_KEY is missing")
        return None
    return Deliverer(
        transaction=database().transaction,
        calls=Caller(AddressPolicy.of(settings)),
        seal=Seal.of(settings.data_key.get_secret_value()),
        owner=f"delivery:{socket.gethostname()}:{os.getpid()}",
        stopping=stopping,
        lease=max(timedelta(seconds=settings.lease_seconds), SHORTEST_LEASE),
    )


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """One drain at a time."""
    return Turnstile(drain)


def drain() -> None:
    """Tell portals whatever is due."""
    if teller := deliverer():
        teller.drain()


def prepare_process() -> None:
    """Opens ``/metrics``, and says at once where a setting is missing or no good."""
    configure_logging()
    settings = load_settings()
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
    deliverer()
