"""What beat asks for: take back the jobs of dead workers, ring for jobs that wait."""

import logging

from services.objects import ObjectStore
from services.records import changes, jobs, outlines, tiling, trials
from services.settings import load_settings
from workers.analysis import drain
from workers.app import TRIALS_SECONDS, app
from workers.change import ring_for_trails
from workers.metrics import SWEPT
from workers.outlines import ring_for_outlines

log = logging.getLogger(__name__)


@app.task(name="workers.upkeep.sweep", soft_time_limit=30, time_limit=60)
def sweep() -> int:
    """Ends expired leases and rings the doorbell when jobs wait. Returns how many wait."""
    from workers.runtime import database, tile_maker

    settings = load_settings()
    with database().transaction() as session:
        swept = jobs.sweep(session=session, max_attempts=settings.max_attempts)
        untiled = tiling.any_untiled(session=session)
        drawn = outlines.count_unmeasured(session=session)
        trails = changes.count_waiting(session=session)
    SWEPT.labels("requeued").inc(swept.requeued)
    SWEPT.labels("failed").inc(swept.failed)
    if swept.requeued or swept.failed:
        log.warning("leases ran out", extra={"requeued": swept.requeued, "failed": swept.failed})
    if swept.waiting:
        drain.apply_async(queue="analysis", expires=settings.sweep_seconds * 2)
    ring_for_outlines(waiting=drawn, expires=settings.sweep_seconds * 2)
    ring_for_trails(waiting=trails, expires=settings.sweep_seconds * 2)
    if untiled:
        tile_maker().ring()
    return swept.waiting


@app.task(name="workers.upkeep.tend_trials", soft_time_limit=60, time_limit=90)
def tend_trials() -> int:
    """Deletes the visitors' pictures whose hour is over and rings for those that wait. Returns how many were deleted."""
    from workers.runtime import database
    from workers.trials import forget_expired

    settings = load_settings()
    with database().transaction() as session:
        waiting = trials.tend_trials(session=session)
    if waiting:
        drain.apply_async(queue="analysis", expires=TRIALS_SECONDS)
    return forget_expired(database=database(), store=ObjectStore.connect(settings))


@app.task(name="workers.upkeep.expire_uploads", soft_time_limit=60, time_limit=90)
def expire_uploads() -> int:
    """Deletes the files that portals have sent and no case has used in time. Returns how many."""
    from workers.runtime import database
    from workers.uploads import forget_uploads

    return forget_uploads(database=database(), store=ObjectStore.connect(load_settings()))


@app.task(name="workers.upkeep.finish_erasures", soft_time_limit=300, time_limit=330)
def finish_erasures() -> int:
    """Deletes the objects of erased patients until none is left. Returns how many it deleted."""
    from workers.erasing import delete_leftovers
    from workers.runtime import database

    return delete_leftovers(database=database(), store=ObjectStore.connect(load_settings()))


@app.task(name="workers.upkeep.end_retention", soft_time_limit=600, time_limit=660)
def end_retention() -> int:
    """Erases the trails that portals do not want to be kept any longer. Returns how many."""
    from workers.erasing import erase_expired
    from workers.runtime import database

    return erase_expired(database=database())
