"""Follow-ups as lists: a portal's by cursor, and the desk's with its counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Select, func, select
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.consent import cared_for
from services.records.cursors import read_cursor, write_cursor
from services.records.follow_ups import (
    COLUMNS,
    OPEN,
    FollowUp,
    FollowUpState,
    after,
    follow_up,
    follow_ups,
    settled,
    utc_today,
)
from services.records.states import AuditAction, Decision, Laterality
from services.records.tables import Case, Lesion, Patient, Reminder, Review, Tenant

LIST = "follow-ups"


@dataclass(frozen=True, slots=True)
class FollowUpRow:
    """One line. ``image_id``, ``thumbnail_key``: the leading picture of the case that was decided so.

    ``reminded_at``: when the portal was last told.
    """

    follow_up: FollowUp
    case_reference: str | None
    lesion_reference: str | None
    tracking_uid: str
    body_site: str | None
    laterality: Laterality | None
    patient_reference: str
    portal: str
    decision: Decision
    diagnosis: str | None
    image_id: UUID | None
    thumbnail_key: str | None
    reminded_at: datetime | None


@dataclass(frozen=True, slots=True)
class FollowUpList:
    """One page; ``next_cursor`` is None on the last."""

    rows: tuple[FollowUpRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FollowUpCounts:
    """How many are open, by state."""

    upcoming: int
    due: int
    overdue: int


def list_follow_ups(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    actor: Actor,
    states: Sequence[FollowUpState] = OPEN,
    due_before: date | None = None,
    cursor: str | None = None,
    limit: int = 50,
    for_portal: bool = False,
    today: date | None = None,
) -> FollowUpList:
    """Return follow-ups of the tenants, the longest awaited first, in one statement; the reading is audited.

    Args:
        due_before: only those whose day is before this one.
        cursor: ``next_cursor`` of the page before.
        limit: most lines, at least 1.
        for_portal: leave out decisions that their reader may still take back, and patients who have withdrawn their consent to care.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    which = [settled(), cared_for()] if for_portal else []
    if due_before is not None:
        which.append(Review.follow_up_on < due_before)
    if cursor:
        which.append(after(_place(cursor)))
    query = _lines(follow_ups(tenant_ids, today=today or utc_today(), states=states, which=which))
    found = [_line(row) for row in session.execute(query.limit(limit + 1))]
    page, more = tuple(found[:limit]), len(found) > limit
    _audit(session, page, actor)
    last = page[-1].follow_up if more else None
    return FollowUpList(page, write_cursor(LIST, last.follow_up_on, last.review_id) if last else None)


def count_follow_ups(*, session: Session, tenant_ids: Sequence[UUID], today: date | None = None) -> FollowUpCounts:
    """Return how many follow-ups are upcoming, due and overdue, in one statement."""
    found = follow_ups(tenant_ids, today=today or utc_today(), states=OPEN)
    counts = [func.count().filter(found.c.state == state.value) for state in OPEN]
    counted: Any = session.execute(select(*counts).select_from(found)).one()
    return FollowUpCounts(*counted)


def _lines(found: CTE) -> Select[*tuple[Any, ...]]:
    told = select(func.max(Reminder.created_at)).where(Reminder.review_id == found.c.review_id).correlate(found).scalar_subquery()
    lesion = (Case.reference, Lesion.reference, Lesion.tracking_uid, Lesion.body_site, Lesion.laterality)
    return (
        select(found)
        .add_columns(*lesion, Patient.reference, Tenant.name)
        .add_columns(Review.decision, Review.diagnosis, Case.lead_image_id, Case.lead_thumbnail_key, told)
        .join(Review, Review.id == found.c.review_id)
        .join(Case, Case.id == found.c.case_id)
        .join(Lesion, Lesion.id == found.c.lesion_id)
        .join(Patient, Patient.id == found.c.patient_id)
        .join(Tenant, Tenant.id == found.c.tenant_id)
        .order_by(found.c.follow_up_on, found.c.review_id)
    )


def _line(row: Any) -> FollowUpRow:
    return FollowUpRow(follow_up(row), *row[COLUMNS:])


def _place(cursor: str) -> tuple[date, UUID]:
    day, review_id = read_cursor(cursor, LIST, date.fromisoformat, UUID)
    return day, review_id


def _audit(session: Session, page: Sequence[FollowUpRow], actor: Actor) -> None:
    """One event in the trail of each tenant whose patients were listed."""
    for tenant_id, number in sorted(Counter(row.follow_up.tenant_id for row in page).items()):
        subject, details = Subject("follow_up"), {"follow_ups": number}
        action = AuditAction.FOLLOW_UPS_LISTED
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
