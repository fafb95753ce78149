"""What a worker process builds once and keeps: networks, connections, the pipeline."""

import os
import socket
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from prometheus_client import start_http_server

from models.analyzer import Analyzer
from models.backends import choose_device, model_threads
from services.objects import ObjectStore
from services.records import jobs
from services.records.database import Database
from services.settings import Settings, load_settings
from workers.pipeline import Pipeline
from workers.turnstile import Turnstile

stopping = threading.Event()


class RecordsLedger:
    """The pipeline's ledger on Postgres; the worker's login sees every tenant."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.max_attempts = settings.max_attempts

    def claim(self, *, owner: str, limit: int) -> Sequence[jobs.ClaimedJob]:
        """Up to ``limit`` due jobs, leased to ``owner``."""
        with self.database.transaction() as session:
            return jobs.claim_jobs(session=session, owner=owner, limit=limit, lease=self.lease)

    def renew(self, *, owner: str, job_ids: Sequence[UUID]) -> None:
        """Extends the leases that ``owner`` still has."""
        with self.database.transaction() as session:
            jobs.renew_leases(session=session, owner=owner, job_ids=job_ids, lease=self.lease)

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[jobs.AnalysisResult],
        failures: Sequence[jobs.JobFailure],
        released: Sequence[UUID],
        delay: timedelta,
    ) -> None:
        """Completes, fails and gives back jobs of ``owner`` in one transaction."""
        with self.database.transaction() as session:
            jobs.settle_jobs(
                session=session,
                owner=owner,
                results=results,
                failures=failures,
                released=released,
                delay=delay,
                max_attempts=self.max_attempts,
            )


@lru_cache(maxsize=1)
def database() -> Database:
    """This process's connection pool."""
    return Database.connect(load_settings())


@lru_cache(maxsize=1)
def pipeline() -> Pipeline:
    """This process's pipeline, with the networks loaded."""
    settings = load_settings()
    return Pipeline(
        analyzer=Analyzer.load(bundles=settings.bundles_dir, device=settings.device, backend=settings.backend),
        store=ObjectStore.connect(settings),
        ledger=RecordsLedger(database(), settings),
        batch_size=settings.batch_size,
        renew_seconds=settings.lease_seconds / 4,
        model_threads=model_threads(device=choose_device(settings.device), backend=settings.backend),
        name=f"{socket.gethostname()}:{os.getpid()}",
        stopping=stopping,
    )


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """Lets one drain at a time through: the networks belong to one thread."""
    return Turnstile(pipeline().drain)


def prepare_process() -> None:
    """Loads the networks and opens ``/metrics``: a worker that says it is ready is."""
    settings = load_settings()
    pipeline()
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
