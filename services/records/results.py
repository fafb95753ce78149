"""Which decided cases wait for their DICOM results: flag them, claim one, finish it, give it back.

The flag is ``cases.results_due_at``: from that moment on the results of the standing decision are to be made. A claim is a lease: it moves
the flag into the future and counts an attempt. Finishing takes away only the flag that was claimed, so that one that an amendment set
anew in between is not lost. What is to be made follows from the records each time, and an instance once made is never changed: a case
may be looked at once too often at no harm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.reading import UNDO_SECONDS
from services.records.states import AuditAction, CaseState
from services.records.tables import Case

# A decision is final once it is older than UNDO_SECONDS by the database's clock: a moment later nobody has to look twice.
SETTLED = timedelta(seconds=UNDO_SECONDS, milliseconds=200)
FIRST_RETRY = timedelta(seconds=5)
MOST_COUNTED = 1_000
DIED = "Making the DICOM results was tried several times and stopped each time."
WORKER = "exchange"


@dataclass(frozen=True, slots=True)
class ResultsClaim:
    """A case whose results are to be made. ``until``: the flag's value, and so the end of the lease; ``attempts`` counts this one."""

    tenant_id: UUID
    case_id: UUID
    until: datetime
    attempts: int


def mark_results_due(*, session: Session, tenant_id: UUID, case_id: UUID) -> bool:
    """Let the results of a decided case be made, once its decision can no longer be taken back. False: there is no decision to tell.

    Ring ``EXCHANGE_BELL`` after that time, or the sweep does so within seconds.
    """
    decided = and_(Case.id == case_id, Case.tenant_id == tenant_id, Case.state == CaseState.REVIEWED)
    return _change(session, decided, {"results_due_at": func.now() + SETTLED, "results_attempts": 0, "results_failed": None})


def claim_results(*, session: Session, lease: timedelta, max_attempts: int) -> ResultsClaim | None:
    """Lease the case that has waited longest; None when none waits that somebody else does not have (the worker's login)."""
    due = select(Case.id, Case.tenant_id, Case.results_attempts).where(Case.results_due_at <= func.now())
    due = due.order_by(Case.results_due_at, Case.id).limit(1).with_for_update(skip_locked=True, key_share=True)
    while row := session.execute(due).one_or_none():
        if row.results_attempts < max_attempts:
            leased = {"results_due_at": func.now() + lease, "results_attempts": row.results_attempts + 1}
            changed = update(Case).where(Case.id == row.id).values(leased).returning(Case.results_due_at)
            until: Any = session.execute(changed.execution_options(synchronize_session=False)).scalar_one()
            return ResultsClaim(row.tenant_id, row.id, until, row.results_attempts + 1)
        # It has stopped its worker too often: one case must not hold up the others.
        _change(session, Case.id == row.id, {"results_due_at": None, "results_attempts": 0, "results_failed": DIED})
        _record_failure(session, row.tenant_id, row.id)
    return None


def finish_results(*, session: Session, claim: ResultsClaim, problem: str | None = None) -> bool:
    """Take the claimed flag away; False: it was set anew, and stays. ``problem``: what could not be made, in words for an administrator."""
    finished = _change(session, _mine(claim), {"results_due_at": None, "results_attempts": 0, "results_failed": problem})
    if problem and finished:
        _record_failure(session, claim.tenant_id, claim.case_id)
    return finished


def fail_results(*, session: Session, claim: ResultsClaim, problem: str, max_attempts: int) -> None:
    """Try again, later each time, or give up with ``problem``."""
    if claim.attempts >= max_attempts:
        finish_results(session=session, claim=claim, problem=problem)
        return
    _change(session, _mine(claim), {"results_due_at": func.now() + FIRST_RETRY * 4 ** (claim.attempts - 1)})


def release_results(*, session: Session, claim: ResultsClaim, delay: timedelta = timedelta()) -> None:
    """Give a case back without costing it an attempt (a shutdown, an outage that is not its own, something it waits for)."""
    _change(session, _mine(claim), {"results_due_at": func.now() + delay, "results_attempts": claim.attempts - 1})


def count_results_waiting(*, session: Session) -> int:
    """How many cases' results are due now; never counted beyond ``MOST_COUNTED``."""
    due = select(Case.id).where(Case.results_due_at <= func.now()).limit(MOST_COUNTED)
    return session.scalar(select(func.count()).select_from(due.subquery())) or 0


def _mine(claim: ResultsClaim) -> ColumnElement[bool]:
    return and_(Case.id == claim.case_id, Case.tenant_id == claim.tenant_id, Case.results_due_at == claim.until)


def _change(session: Session, which: ColumnElement[bool], values: dict[str, Any]) -> bool:
    changed = update(Case).where(which).values(values).returning(Case.id).execution_options(synchronize_session=False)
    return bool(session.execute(changed).all())


def _record_failure(session: Session, tenant_id: UUID, case_id: UUID) -> None:
    subject = Subject("case", case_id)
    record_event(session=session, tenant_id=tenant_id, actor=Actor.system(WORKER), action=AuditAction.RESULTS_FAILED, subject=subject)
