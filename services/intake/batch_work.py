"""Makes cases of the lines of batches, in a thread of the intake: only the intake may decode pictures, and it has all that is needed.

One line at a time, so that memory stays as it is and requests come first. Nothing is kept here: what waits is in the records, so a
process that is killed leaves nothing but a line whose lease runs out, and a line that is submitted twice is one case by its key.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from flask import current_app

from services.intake.context import Backends
from services.intake.incoming import Wanted, submit_uploaded
from services.intake.metrics import BATCH_ITEMS, UPLOADS
from services.intake.problems import Problem, reason_of
from services.intake.schemas import CaseIn
from services.objects import StoreUnavailable
from services.records.access import Portal
from services.records.batches import ClaimedItem, claim_item, refuse_item, return_item, settle_item, waiting_tenants
from services.records.errors import DatabaseUnavailable, RecordError

log = logging.getLogger(__name__)
ATTENDANT = "dermatrail.batches"
LEASE = timedelta(seconds=30)
LATER = timedelta(seconds=10)
# A line over which the process dies each time must not be tried for ever.
MOST_ATTEMPTS = 5
POLL_SECONDS = 5.0
# So many lines of one portal, then the next portal's.
TURN = 8
GIVEN_UP = "It could not be processed, several times over. Send this case again by itself."


def work_off(backends: Backends, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Accept or refuse every line that waits, portals in turn. Returns how many came to an end.

    Raises:
        DatabaseUnavailable: the rest waits.
    """
    ended = 0
    while True:
        with backends.database.transaction() as session:
            tenants = waiting_tenants(session=session)
        done = [_turn(backends, tenant_id, stop) for tenant_id in tenants]
        ended += sum(done)
        if not any(done) or stop():
            return ended


def _turn(backends: Backends, tenant_id: UUID, stop: Callable[[], bool]) -> int:
    ended = 0
    for _ in range(TURN):
        if stop():
            break
        with backends.database.transaction(tenants=[tenant_id]) as session:
            item = claim_item(session=session, tenant_id=tenant_id, lease=LEASE)
        if item is None:
            break
        ended += work_on(backends, item)
    return ended


def work_on(backends: Backends, item: ClaimedItem) -> bool:
    """Make a case of one claimed line. Returns whether it came to an end; False: it was given back."""
    try:
        if item.attempts > MOST_ATTEMPTS:
            _refuse(backends, item, "given_up", GIVEN_UP)
            return True
        return _accept(backends, item)
    except (StoreUnavailable, DatabaseUnavailable) as error:
        log.warning("a batch waits: %s", type(error).__name__)
        _give_back(backends, item)
        return False


def _accept(backends: Backends, item: ClaimedItem) -> bool:
    portal = Portal(tenant_id=item.tenant_id, key_id=item.key_id, name="batch")
    try:
        wanted = Wanted(CaseIn.model_validate(item.submission), item.upload_ids, item.idempotency_key, reserved=True)
        submission = submit_uploaded(backends=backends, portal=portal, wanted=wanted)
    except (StoreUnavailable, DatabaseUnavailable):
        raise
    except Problem as problem:
        fault = next(iter(problem.errors), None)
        _refuse(backends, item, *((fault.reason, fault.detail) if fault else (problem.reason, problem.detail)))
        return True
    except RecordError as error:
        _refuse(backends, item, reason_of(error), str(error))
        return True
    except Exception:
        log.exception("a line of a batch could not be processed")  # it is tried again when its lease is over
        return False
    with backends.database.transaction(tenants=[item.tenant_id]) as session:
        settle_item(session=session, item=item, case_id=submission.case.id)
    BATCH_ITEMS.labels("accepted").inc()
    if not submission.case.replayed:
        UPLOADS.inc(len(submission.images))
    return True


def _refuse(backends: Backends, item: ClaimedItem, reason: str, detail: str) -> None:
    with backends.database.transaction(tenants=[item.tenant_id]) as session:
        refuse_item(session=session, item=item, reason=reason, detail=detail)
    BATCH_ITEMS.labels("refused").inc()


def _give_back(backends: Backends, item: ClaimedItem) -> None:
    """Best effort: with the database away the lease runs out by itself."""
    try:
        with backends.database.transaction(tenants=[item.tenant_id]) as session:
            return_item(session=session, item=item, delay=LATER)
    except DatabaseUnavailable:
        log.warning("a line of a batch waits until its lease is over")


class Attendant:
    """The thread. It looks whenever it is woken, and every few seconds for what other processes left."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._woken = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; call it in the process that serves, not before a fork."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is a new batch."""
        self._woken.set()

    def close(self) -> None:
        """Finish the line in hand and stop."""
        self._closed.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(LEASE.total_seconds())

    def _run(self) -> None:
        while not self._closed.is_set():
            self._woken.clear()
            try:
                work_off(self._backends, stop=self._closed.is_set)
            except DatabaseUnavailable:
                log.warning("batches wait for the database")
            except Exception:
                log.exception("batches stand still")
            self._woken.wait(POLL_SECONDS)


def attendant() -> Attendant:
    """The attendant of the application that serves this request; it does nothing until it is started."""
    found: Attendant = current_app.extensions[ATTENDANT]
    return found
