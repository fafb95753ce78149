"""What beat asks for: take back the jobs of dead workers, ring for jobs that wait."""

import logging

from services.records import jobs
from services.settings import load_settings
from workers.analysis import drain
from workers.app import app
from workers.metrics import SWEPT

log = logging.getLogger(__name__)


@app.task(name="workers.upkeep.sweep", soft_time_limit=30, time_limit=60)
def sweep() -> int:
    """Ends expired leases and rings the doorbell when jobs wait. Returns how many wait."""
    from workers.runtime import database

    settings = load_settings()
    with database().transaction() as session:
        swept = jobs.sweep(session=session, max_attempts=settings.max_attempts)
    SWEPT.labels("requeued").inc(swept.requeued)
    SWEPT.labels("failed").inc(swept.failed)
    if swept.requeued or swept.failed:
        log.warning("leases ran out", extra={"requeued": swept.requeued, "failed": swept.failed})
    if swept.waiting:
        drain.apply_async(queue="analysis", expires=settings.sweep_seconds * 2)
    return swept.waiting
