"""Who has a case on their desk, until when.

A claim is a lease: it ends by itself, and a row whose time is over means nothing. One statement takes or renews it, so that of two
readers who open a case at the same moment one has it, and the other learns who.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import CaseClaimed
from services.records.reads import stands
from services.records.states import AuditAction, CaseState, ReviewKind
from services.records.tables import Case, CaseClaim, Review, User

CLAIMABLE = (CaseState.AWAITING_REVIEW, CaseState.AWAITING_SECOND_READ, CaseState.AWAITING_ADJUDICATION)


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A running lease."""

    case_id: UUID
    user_id: UUID
    holder: str
    expires_at: datetime


def claim_case(
    *, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID, lease: timedelta, take_over: bool = False
) -> ClaimView | None:
    """Take a case, or renew what one has; return who has it now.

    Args:
        take_over: take it even while somebody else's lease runs. The audit trail says from whom.

    Returns:
        None when there is nothing to claim: no such case, or nobody's decision is awaited.
    """
    before = claims_of(session=session, case_ids=[case_id]).get(case_id)
    tenant_id = session.scalar(_take(tenant_ids, case_id, user_id, lease, take_over=take_over))
    if tenant_id is not None and (before is None or before.user_id != user_id):
        _record(session, tenant_id, user_id, case_id, AuditAction.CASE_CLAIMED, taken_from=before.user_id if before else None)
    return claims_of(session=session, case_ids=[case_id]).get(case_id)


def release_claim(*, session: Session, case_id: UUID, user_id: UUID, expires_at: datetime | None = None) -> bool:
    """Give one's own lease back; whether there was one.

    Args:
        expires_at: only the lease that ends then. A page that is left says which one it knew: a page that was opened since has
            renewed it and keeps it.
    """
    mine = [CaseClaim.case_id == case_id, CaseClaim.user_id == user_id, _runs()]
    if expires_at is not None:
        mine.append(CaseClaim.expires_at == expires_at)
    given = update(CaseClaim).where(*mine).values(expires_at=func.now()).returning(CaseClaim.tenant_id)
    tenant_id = session.scalar(given.execution_options(synchronize_session=False))
    if tenant_id is None:
        return False
    _record(session, tenant_id, user_id, case_id, AuditAction.CASE_RELEASED)
    return True


def claims_of(*, session: Session, case_ids: Collection[UUID]) -> dict[UUID, ClaimView]:
    """Return the running leases of these cases, in one statement."""
    query = _views().where(CaseClaim.case_id.in_(case_ids), _runs())
    return {row.case_id: ClaimView(*row) for row in session.execute(query)}


def require_claim(*, session: Session, case_id: UUID, user_id: UUID) -> None:
    """Make sure that nobody else has the case, until this transaction ends. A lease of one's own is not needed.

    Raises:
        CaseClaimed: somebody else's lease runs.
    """
    # The lock keeps a lease from being taken over between this look and the decision's commit.
    locked = _views().where(CaseClaim.case_id == case_id).with_for_update(read=True, of=CaseClaim).add_columns(_runs().label("runs"))
    row = session.execute(locked).one_or_none()
    if row is not None and row.runs and row.user_id != user_id:
        raise CaseClaimed(row.holder, row.expires_at)


def held_by(user_id: UUID) -> ColumnElement[bool]:
    """The condition that this reader's lease on a case of the query runs."""
    return select(CaseClaim.id).where(CaseClaim.case_id == Case.id, CaseClaim.user_id == user_id, _runs()).correlate(Case).exists()


def second_read_of_own(user_id: UUID) -> ColumnElement[bool]:
    """The condition that a case of the query awaits a second reading, and this reader may not be the one: it was theirs, or they learn."""
    # A count, not EXISTS: for that the planner would rather read every review once than those of the few cases at hand.
    first = (Review.case_id == Case.id, Review.user_id == user_id, Review.kind == ReviewKind.FIRST, stands())
    own = select(func.count()).select_from(Review).where(*first).correlate(Case).scalar_subquery()
    learns = select(User.trainee).where(User.id == user_id).scalar_subquery()
    return and_(Case.state == CaseState.AWAITING_SECOND_READ, or_(learns, own > 0))


def _views() -> Any:
    columns = (CaseClaim.case_id, CaseClaim.user_id, User.name.label("holder"), CaseClaim.expires_at)
    return select(*columns).join(User, User.id == CaseClaim.user_id)


def _runs() -> ColumnElement[bool]:
    return CaseClaim.expires_at > func.now()


def _take(tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID, lease: timedelta, *, take_over: bool) -> Any:
    open_case = select(literal(uuid4()), Case.tenant_id, Case.id, literal(user_id), func.now() + lease).where(
        Case.id == case_id, Case.tenant_id.in_(tenant_ids), Case.state.in_(CLAIMABLE), ~second_read_of_own(user_id)
    )
    insert = upsert(CaseClaim).from_select(["id", "tenant_id", "case_id", "user_id", "expires_at"], open_case)
    new = {"user_id": user_id, "claimed_at": func.now(), "expires_at": insert.excluded.expires_at}
    free = or_(literal(take_over), CaseClaim.user_id == user_id, CaseClaim.expires_at <= func.now())
    return insert.on_conflict_do_update(index_elements=["case_id"], set_=new, where=free).returning(CaseClaim.tenant_id)


def _record(
    session: Session, tenant_id: UUID, user_id: UUID, case_id: UUID, action: AuditAction, *, taken_from: UUID | None = None
) -> None:
    details = {"from": str(taken_from)} if taken_from else None
    subject = Subject("case", case_id)
    record_event(session=session, tenant_id=tenant_id, actor=Actor.user(user_id), action=action, subject=subject, details=details)
