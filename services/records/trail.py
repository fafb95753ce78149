"""The audit trail as administrators read it: newest first, page by page. Needs ``database.transaction(admin=True)``.

The trail holds ids, counts and words of the product, never anything about a patient but the id of a case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidCursor
from services.records.states import ActorKind, AuditAction
from services.records.tables import AuditEvent

PAGE = 100


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which events are wanted; None leaves a question open. ``since`` is included, ``until`` is not.

    ``no_portal`` asks for the events that belong to no portal: sign-ins, users, models.
    """

    tenant_id: UUID | None = None
    no_portal: bool = False
    actor_kind: ActorKind | None = None
    actor_id: str | None = None
    action: AuditAction | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One event."""

    id: UUID
    at: datetime
    tenant_id: UUID | None
    sequence: int
    actor_kind: ActorKind
    actor_id: str | None
    action: str
    subject_kind: str
    subject_id: UUID | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Events, newest first, and the cursor of the page with the older ones."""

    events: Sequence[TrailEvent]
    older: str | None


def read_trail(*, session: Session, wanted: TrailFilter, reader: Actor, cursor: str | None = None, limit: int = PAGE) -> TrailPage:
    """Return one page; the reading itself is an event of the next.

    Raises:
        InvalidCursor: the cursor was not made by this list.
    """
    query = _query(wanted).order_by(AuditEvent.created_at.desc(), AuditEvent.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(tuple_(AuditEvent.created_at, AuditEvent.id) < tuple_(*_place(cursor)))
    found = [TrailEvent(*row) for row in session.execute(query)]
    shown = found[:limit]
    details = {"count": len(shown), "page": "older" if cursor else "newest"}
    _record(session, wanted.tenant_id, reader, details)
    return TrailPage(shown, f"{shown[-1].at.isoformat()}~{shown[-1].id}" if len(found) > limit else None)


def record_check(*, session: Session, tenant_id: UUID | None, reader: Actor, events: int, intact: bool) -> None:
    """Write down that somebody recomputed a chain, and what came out."""
    _record(session, tenant_id, reader, {"checked": events, "intact": intact})


def _query(wanted: TrailFilter) -> Select[Any]:
    row = AuditEvent
    who, what = (row.actor_kind, row.actor_id), (row.action, row.subject_kind, row.subject_id, row.details)
    query: Select[Any] = select(row.id, row.created_at, row.tenant_id, row.sequence, *who, *what)
    equal = {
        row.tenant_id: wanted.tenant_id,
        row.actor_kind: wanted.actor_kind,
        row.actor_id: wanted.actor_id,
        row.action: wanted.action,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if wanted.no_portal:
        query = query.where(row.tenant_id.is_(None))
    if wanted.since is not None:
        query = query.where(row.created_at >= wanted.since)
    return query if wanted.until is None else query.where(row.created_at < wanted.until)


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, event_id = cursor.partition("~")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)
        return moment, UUID(event_id)
    except ValueError as error:
        raise InvalidCursor("cursor: follow the page's own link to older events.") from error


def _record(session: Session, tenant_id: UUID | None, reader: Actor, details: dict[str, Any]) -> None:
    subject = Subject("audit_trail")
    record_event(session=session, tenant_id=tenant_id, actor=reader, action=AuditAction.AUDIT_READ, subject=subject, details=details)
