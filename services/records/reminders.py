"""Reminders of follow-ups: told to the portal once for each kind, however many workers remind at once and however late they are."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import CTE, Select, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.follow_ups import (
    COLUMNS,
    NOTICE_DAYS,
    FollowUp,
    FollowUpState,
    follow_up,
    follow_ups,
    settled,
    utc_today,
)
from services.records.portal_events import PortalEventKind, add_event
from services.records.states import AuditAction, ReminderKind
from services.records.tables import Case, Lesion, Reminder, Review

UPKEEP = Actor.system("upkeep")
# How a follow-up stands says which reminder is the newest; the ones that a stopped worker has missed are never sent afterwards.
KINDS = {
    ReminderKind.UPCOMING: (FollowUpState.UPCOMING, PortalEventKind.FOLLOW_UP_UPCOMING),
    ReminderKind.DUE: (FollowUpState.DUE, PortalEventKind.FOLLOW_UP_DUE),
    ReminderKind.OVERDUE: (FollowUpState.OVERDUE, PortalEventKind.FOLLOW_UP_OVERDUE),
}


def remind(*, session: Session, kind: ReminderKind, limit: int, today: date | None = None) -> int:
    """Tell portals of the follow-ups that a reminder of this kind is due for, and return how many there were, at most ``limit``.

    Needs the worker's login, which sees all tenants. A second worker at the same time waits for the first one's transaction and
    then finds every reminder given.
    """
    waiting = _waiting(kind, limit, today or utc_today()).cte("waiting")
    given = _given(kind, waiting)
    rows = session.execute(select(waiting).join(given, given.c.review_id == waiting.c.review_id)).all()
    for row in rows:
        _tell(session, kind, follow_up(row), row[COLUMNS:])
    _audit(session, kind, [row.tenant_id for row in rows])
    return len(rows)


def _waiting(kind: ReminderKind, limit: int, today: date) -> Select[*tuple[object, ...]]:
    state, _ = KINDS[kind]
    given = select(Reminder.id).where(Reminder.review_id == Review.id, Reminder.kind == kind).exists()
    near = Review.follow_up_on <= today + timedelta(days=NOTICE_DAYS)
    found = follow_ups(None, today=today, states=[state], which=[near, settled(), ~given])
    query = (
        select(found)
        .add_columns(Case.reference, Lesion.reference.label("lesion_reference"), Lesion.tracking_uid)
        .join(Case, Case.id == found.c.case_id)
        .join(Lesion, Lesion.id == found.c.lesion_id)
    )
    # In one order for all workers, so that two of them cannot wait for each other.
    return query.order_by(found.c.follow_up_on, found.c.review_id).limit(limit)


def _given(kind: ReminderKind, waiting: CTE) -> CTE:
    rows = select(func.gen_random_uuid(), waiting.c.tenant_id, waiting.c.review_id, literal(kind.value))
    given = insert(Reminder).from_select(["id", "tenant_id", "review_id", "kind"], rows)
    return given.on_conflict_do_nothing(index_elements=["review_id", "kind"]).returning(Reminder.review_id).cte("given")


def _tell(session: Session, kind: ReminderKind, found: FollowUp, references: Sequence[str | None]) -> None:
    _, event_kind = KINDS[kind]
    whose = {"case_id": str(found.case_id), "lesion_id": str(found.lesion_id), "patient_id": str(found.patient_id)}
    named = dict(zip(("case_reference", "lesion_reference", "tracking_uid"), references, strict=True))
    payload = {"follow_up_on": found.follow_up_on.isoformat(), **whose, **named}
    add_event(
        session=session, tenant_id=found.tenant_id, kind=event_kind, subject_kind="lesion", subject_id=found.lesion_id, payload=payload
    )


def _audit(session: Session, kind: ReminderKind, tenants: Sequence[UUID]) -> None:
    for tenant_id, number in sorted(Counter(tenants).items()):
        details, action = {"kind": kind.value, "reminders": number}, AuditAction.FOLLOW_UPS_REMINDED
        record_event(session=session, tenant_id=tenant_id, actor=UPKEEP, action=action, subject=Subject("follow_up"), details=details)
