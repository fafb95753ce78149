"""A portal's list of its cases, page by page."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidCursor
from services.records.states import AuditAction, CaseState, Urgency
from services.records.tables import Case, Image, Patient


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One line of the list."""

    id: UUID
    reference: str | None
    patient_reference: str
    urgency: Urgency
    state: CaseState
    received_at: datetime
    due_at: datetime
    reviewed_at: datetime | None
    image_count: int


@dataclass(frozen=True, slots=True)
class CaseList:
    """One page; ``next_cursor`` is None on the last."""

    cases: tuple[CaseSummary, ...]
    next_cursor: str | None


def list_cases(
    *,
    session: Session,
    tenant_id: UUID,
    actor: Actor,
    status: CaseState | None = None,
    since: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> CaseList:
    """Return the tenant's cases in the order of their receipt, oldest first, in one statement.

    Args:
        since: received at or after this time (timezone-aware).
        cursor: ``next_cursor`` of the page before.
        limit: most cases of a page, at least 1.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    query = _summaries(tenant_id)
    if status is not None:
        query = query.where(Case.state == status)
    if since is not None:
        query = query.where(Case.received_at >= since)
    if cursor is not None:
        query = query.where(tuple_(Case.received_at, Case.id) > tuple_(*_position(cursor)))
    found = [CaseSummary(*row) for row in session.execute(query.limit(limit + 1))]
    page, more = tuple(found[:limit]), len(found) > limit
    details = {"cases": len(page)}
    record_event(
        session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.CASES_LISTED, subject=Subject("case"), details=details
    )
    return CaseList(page, _cursor(page[-1]) if more else None)


def _summaries(tenant_id: UUID) -> Select[UUID, str | None, str, Urgency, CaseState, datetime, datetime, datetime | None, int]:
    count = select(func.count()).where(Image.case_id == Case.id).correlate(Case).scalar_subquery()
    dates = (Case.received_at, Case.due_at, Case.reviewed_at)
    columns = select(Case.id, Case.reference, Patient.reference, Case.urgency, Case.state, *dates, count)
    joined = columns.join(Patient, Patient.id == Case.patient_id).where(Case.tenant_id == tenant_id)
    return joined.order_by(Case.received_at, Case.id)


def _cursor(last: CaseSummary) -> str:
    return base64.urlsafe_b64encode(f"{last.received_at.isoformat()}|{last.id}".encode()).decode()


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        received_at, case_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split("|")
        position = datetime.fromisoformat(received_at), UUID(case_id)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("cursor: use the next_cursor of the page before, unchanged.") from error
    if position[0].tzinfo is None:
        raise InvalidCursor("cursor: use the next_cursor of the page before, unchanged.")
    return position
