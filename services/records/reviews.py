"""The dermatologist's decision: the only thing that closes a case."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import AlreadyReviewed, CaseNotFound, InvalidRecord, NotReady
from services.records.states import AuditAction, CaseState, Decision
from services.records.tables import Case, Review


def record_review(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    case_id: UUID,
    user_id: UUID,
    decision: Decision,
    diagnosis: str | None,
    reason: str | None,
    note: str,
    shown: dict[str, Any],
) -> UUID:
    """Decide a case and return the decision's id.

    Args:
        diagnosis: the class code that is confirmed or chosen; None when the case is not assessable.
        reason: why the case is not assessable; optional otherwise.
        shown: what was on the screen (analysis ids, pipeline versions, leading answer), kept unchanged.

    Raises:
        InvalidRecord: diagnosis or reason do not go with the decision.
        CaseNotFound: none of the tenants has such a case.
        NotReady: images of the case are still being analysed.
        AlreadyReviewed: somebody was faster.
    """
    _check(decision, diagnosis, reason)
    tenant_id = _close(session, tenant_ids, case_id)
    review_id = uuid4()
    whose = {"id": review_id, "tenant_id": tenant_id, "case_id": case_id, "user_id": user_id}
    session.execute(insert(Review).values(**whose, decision=decision, diagnosis=diagnosis, reason=reason, note=note, shown=shown))
    record_event(
        session=session,
        tenant_id=tenant_id,
        actor=Actor.user(user_id),
        action=AuditAction.CASE_REVIEWED,
        subject=Subject("case", case_id),
        details={"review": str(review_id), "decision": decision},
    )
    return review_id


def _check(decision: Decision, diagnosis: str | None, reason: str | None) -> None:
    if decision is Decision.NOT_ASSESSABLE:
        if diagnosis is not None:
            raise InvalidRecord("diagnosis: leave it out when the case is not assessable.")
        if not reason:
            raise InvalidRecord("reason: say why the case is not assessable.")
    elif not diagnosis:
        raise InvalidRecord(f"diagnosis: {decision.value} needs one.")


def _close(session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> UUID:
    """Close the case by compare-and-swap and return its tenant: of two decisions at once, one wins."""
    mine = (Case.id == case_id, Case.tenant_id.in_(tenant_ids))
    swap = update(Case).where(*mine, Case.state == CaseState.AWAITING_REVIEW).values(state=CaseState.REVIEWED, reviewed_at=func.now())
    closed = session.scalar(swap.returning(Case.tenant_id).execution_options(synchronize_session=False))
    if closed is not None:
        return closed
    state = session.scalar(select(Case.state).where(*mine))
    if state is None:
        raise CaseNotFound(case_id)
    if state is CaseState.REVIEWED:
        raise AlreadyReviewed("Somebody else has decided this case: reload the page to see the decision.")
    raise NotReady("Images of this case are still being analysed: decide when it awaits review.")
