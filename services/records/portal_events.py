"""What a portal is told: an append-only outbox, written in the transaction of the change and read by a cursor that misses nothing.

Numbers are given before a commit, so of two transactions the one with the higher number may be seen first, and a reader who went on
from it would never see the other. Here the events of a transaction are written just before its commit, behind a lock of their tenant
that is held until the commit is visible: within one tenant, numbers are seen in their order. A reader who has seen number 7 can ask
for "after 7" and has missed nothing, also after a restore from a dump, whose transactions begin to count anew.

The price: two transactions that tell the same portal something commit one after the other. The lock is the last thing that a
transaction waits for, but for its link in the audit trail (:mod:`services.records.audit`), and is held for the commit alone.

A decision can be taken back for some seconds. Its event is written with it and held back (``not_before``): nobody is told of it or of
what comes after it (:func:`may_be_told`), so that a cursor passes nothing. An event whose decision was taken back is never told
(:func:`stands`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, event, func, insert, or_, select, text
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import bounded, read_cursor, write_cursor
from services.records.states import AuditAction, ReviewKind
from services.records.tables import Case, PortalEvent, Review

PENDING = "dermatrail.portal_events"
# The first number is this outbox's own, so that no other lock of ours is taken by accident.
LOCK = text("SELECT pg_advisory_xact_lock(1163, hashtext(:tenant))")
LIST = "events"
# Taking back locks the case, looks at the clock and commits. No transaction of ours takes nearly as long as this.
LONGEST_STEP = timedelta(minutes=5)


class PortalEventKind(StrEnum):
    """What has happened. ``webhook.ping`` is the test of one endpoint, which alone is called with it."""

    CASE_ANALYSED = "case.analysed"
    CASE_FAILED = "case.failed"
    CASE_REVIEWED = "case.reviewed"
    IMAGE_RETAKE_REQUESTED = "image.retake_requested"
    FOLLOW_UP_UPCOMING = "followup.upcoming"
    FOLLOW_UP_DUE = "followup.due"
    FOLLOW_UP_OVERDUE = "followup.overdue"
    LESION_ALERT = "lesion.alert"
    LESION_ALERT_WITHDRAWN = "lesion.alert_withdrawn"
    LESION_LINKED = "lesion.linked"
    LESION_MERGED = "lesion.merged"
    LESION_SPLIT = "lesion.split"
    WEBHOOK_PING = "webhook.ping"


@dataclass(frozen=True, slots=True)
class PortalEventView:
    """One event. ``sequence`` grows within a tenant, with gaps."""

    id: UUID
    sequence: int
    kind: str
    subject_kind: str
    subject_id: UUID
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, oldest first. ``cursor``: where to go on, now or later. ``more``: there are further ones already."""

    events: tuple[PortalEventView, ...]
    cursor: str
    more: bool


def add_event(
    *,
    session: Session,
    tenant_id: UUID,
    kind: PortalEventKind,
    subject_kind: str,
    subject_id: UUID,
    payload: dict[str, Any] | None = None,
    review_id: UUID | None = None,
    not_before: datetime | None = None,
) -> UUID:
    """Tell a tenant's portal something, as part of this transaction; a rollback takes it back. Returns the event's id.

    Args:
        subject_kind: "case" or "lesion", as in the portal API's addresses; "webhook" for a test.
        payload: ids as text, dates, and the portal's own references of case, lesion and patient. Never findings or other words about
            a patient: the portal asks for these with its key.
        review_id: the decision that it tells of; where that is taken back, the event is not told.
        not_before: nobody is told earlier.
    """
    event_id = uuid4()
    session.info.setdefault(PENDING, []).append(
        {
            "id": event_id,
            "tenant_id": tenant_id,
            "kind": kind.value,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "payload": payload or {},
            "review_id": review_id,
            "not_before": not_before,
        }
    )
    return event_id


def list_events(
    *, session: Session, tenant_id: UUID, actor: Actor, cursor: str | None = None, kinds: Sequence[PortalEventKind] = (), limit: int = 100
) -> EventPage:
    """Return what has happened since ``cursor`` (None: from the beginning), oldest first.

    An answer with events is audited; an empty one tells nothing about a patient, and portals ask often.

    Args:
        kinds: only these kinds; none: all.
        limit: most events of an answer, at least 1.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    (after,) = read_cursor(cursor, LIST, bounded) if cursor else (0,)
    row = PortalEvent
    columns = select(row.id, row.sequence, row.kind, row.subject_kind, row.subject_id, row.payload, row.created_at)
    # Whatever is not after the newest one can be seen by now: the cursor may go there, also past kinds that were not asked for.
    newest = may_be_told(session=session, tenant_id=tenant_id, after=after)
    span = (row.sequence > after, row.sequence <= newest, stands())
    query = columns.where(row.tenant_id == tenant_id, *span).order_by(row.sequence).limit(limit + 1)
    if kinds:
        query = query.where(row.kind.in_([kind.value for kind in kinds]))
    found = [PortalEventView(*values) for values in session.execute(query)]
    page = tuple(found[:limit])
    if page:
        subject, details = Subject("portal_event"), {"events": len(page)}
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.EVENTS_READ, subject=subject, details=details)
    more = len(found) > limit
    return EventPage(page, write_cursor(LIST, page[-1].sequence if more else max(newest, after)), more)


def may_be_told(*, session: Session, tenant_id: UUID, after: int) -> int:
    """Return the number of the last event that may be told now, all before it included; ``after`` or less: there is nothing new.

    Waits for whoever is taking a decision back at this moment. Ask :func:`stands` in a later statement, which sees what they did.
    """
    mine = (PortalEvent.tenant_id == tenant_id, PortalEvent.sequence > after)
    held = select(func.min(PortalEvent.sequence)).where(*mine, PortalEvent.not_before >= func.clock_timestamp()).scalar_subquery()
    free = or_(held.is_(None), PortalEvent.sequence < held)
    newest: int = session.scalar(select(func.max(PortalEvent.sequence)).where(*mine, free)) or 0
    recent = (PortalEvent.sequence <= newest, PortalEvent.not_before > func.clock_timestamp() - LONGEST_STEP)
    cases = select(PortalEvent.subject_id).where(*mine, *recent, PortalEvent.review_id.is_not(None))
    locked = select(Case.id).where(Case.id.in_(cases), Case.tenant_id == tenant_id).order_by(Case.id)
    if newest > after:
        session.execute(locked.with_for_update(read=True))
    return newest


def stands() -> ColumnElement[bool]:
    """Condition on an event: it tells of no decision that was taken back."""
    undone = select(Review.id).where(Review.supersedes == PortalEvent.review_id, Review.kind == ReviewKind.UNDO).exists()
    return or_(PortalEvent.review_id.is_(None), ~undone)


@event.listens_for(Session, "before_commit")
def write_pending(session: Session) -> None:
    """Write the events that were added, tenants in a fixed order: two transactions can then not wait for each other."""
    if session.in_nested_transaction():
        return
    if rows := session.info.pop(PENDING, None):
        session.flush()
        for tenant in sorted({str(row["tenant_id"]) for row in rows}):
            session.execute(LOCK, {"tenant": tenant})
        session.execute(insert(PortalEvent.__table__), rows)  # type: ignore[arg-type]


@event.listens_for(Session, "after_rollback")
def forget_pending(session: Session) -> None:
    """Drop the events of a transaction that did not happen."""
    session.info.pop(PENDING, None)
