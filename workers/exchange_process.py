"""What making results needs beside the rest of the process ``delivery``: a second login, which reads decisions, and the store."""

import logging
from datetime import timedelta
from functools import lru_cache

from services.objects import ObjectStore
from services.records.database import Database
from services.settings import load_settings
from workers.delivery_process import database
from workers.process import stopping
from workers.results_worker import ResultsWorker
from workers.turnstile import Turnstile

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def worker() -> ResultsWorker | None:
    """This process's worker; None where it has no login that may read decisions, which is logged once."""
    settings = load_settings()
    if settings.results_database_url is None:
        log.warning("no DICOM results are made: DERMATRAIL_RESULTS_DATABASE_URL is not set")
        return None
    return ResultsWorker(
        claims=database().transaction,
        records=Database.open(settings.results_database_url.get_secret_value()).transaction,
        store=ObjectStore.connect(settings),
        # A case has up to max_files pictures: more work than one image's lease is meant for.
        lease=timedelta(seconds=2 * settings.lease_seconds),
        max_attempts=settings.max_attempts,
        max_pixels=settings.max_pixels,
        captures=settings.dicom_capture,
        stopping=stopping,
    )


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """One drain at a time."""
    return Turnstile(drain)


def drain() -> None:
    """Make the results of whatever case is due."""
    if maker := worker():
        maker.drain()
