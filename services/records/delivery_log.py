"""What was told to an endpoint, what was not, and asking for it again. Kinds, numbers and times; nothing about a patient."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Update, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import bounded, read_cursor, write_cursor
from services.records.errors import DeliveryNotFound
from services.records.states import AuditAction, DeliveryState
from services.records.tables import Delivery, DeliveryAttempt
from services.records.webhooks import GIVE_UP, get_endpoint

LIST = "deliveries"
# What is on its way is not asked for again: it will be told.
SETTLED = (DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.DEAD)
UNTOLD = (DeliveryState.WAITING, DeliveryState.DEAD)


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery. ``due_at``: the next attempt, where one is to come. ``status`` and ``reason`` are those of the last attempt."""

    id: UUID
    event_id: UUID
    kind: str
    sequence: int
    happened_at: datetime
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None
    status: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One call. ``address``: what was connected to, where anything was."""

    attempted_at: datetime
    seconds: float
    status: int | None
    reason: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, the newest events first; no cursor on the last page."""

    deliveries: tuple[DeliveryView, ...]
    next_cursor: str | None


def list_deliveries(
    *,
    session: Session,
    tenant_id: UUID,
    endpoint_id: UUID,
    state: DeliveryState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> DeliveryPage:
    """Return an endpoint's deliveries, the newest events first.

    Raises:
        EndpointNotFound: the tenant has none of this id.
        InvalidCursor: the cursor is not one of this list.
    """
    get_endpoint(session=session, tenant_id=tenant_id, endpoint_id=endpoint_id)
    where = [*_of(tenant_id, endpoint_id)]
    if state is not None:
        # Who waits is not interested in who is called at this very moment.
        where.append(Delivery.state.in_((state, DeliveryState.LEASED) if state is DeliveryState.WAITING else (state,)))
    if cursor:
        (before,) = read_cursor(cursor, LIST, bounded)
        where.append(Delivery.sequence < before)
    rows = session.scalars(select(Delivery).where(*where).order_by(Delivery.sequence.desc()).limit(limit + 1)).all()
    shown = tuple(_view(row) for row in rows[:limit])
    return DeliveryPage(shown, write_cursor(LIST, shown[-1].sequence) if len(rows) > limit else None)


def get_delivery(
    *, session: Session, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID
) -> tuple[DeliveryView, tuple[AttemptView, ...]]:
    """Return a delivery and its attempts, the first one first.

    Raises:
        EndpointNotFound: the tenant has no endpoint of this id.
        DeliveryNotFound: the endpoint has no delivery of this id.
    """
    get_endpoint(session=session, tenant_id=tenant_id, endpoint_id=endpoint_id)
    row = session.scalars(select(Delivery).where(*_of(tenant_id, endpoint_id), Delivery.id == delivery_id)).one_or_none()
    if row is None:
        raise DeliveryNotFound(delivery_id)
    made = DeliveryAttempt
    columns = select(made.attempted_at, made.seconds, made.status, made.reason, made.address)
    calls = columns.where(made.delivery_id == delivery_id, made.tenant_id == tenant_id).order_by(made.attempted_at, made.id)
    return _view(row), tuple(AttemptView(*call) for call in session.execute(calls))


def redeliver(*, session: Session, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID, actor: Actor, now: datetime) -> None:
    """Tell an event once more, at once and with its whole time again; nothing happens where it is on its way at this moment.

    Raises:
        EndpointNotFound: the tenant has no endpoint of this id.
        DeliveryNotFound: the endpoint has no delivery of this id.
    """
    get_delivery(session=session, tenant_id=tenant_id, endpoint_id=endpoint_id, delivery_id=delivery_id)
    again = _again(now).where(*_of(tenant_id, endpoint_id), Delivery.id == delivery_id, Delivery.state.in_(SETTLED))
    session.execute(again)
    _record(session, tenant_id, endpoint_id, actor, {"delivery": str(delivery_id)})


def redeliver_since(
    *, session: Session, tenant_id: UUID, endpoint_id: UUID, since: datetime, delivered: bool, actor: Actor, now: datetime
) -> int:
    """Tell everything once more that happened since then and was not taken; ``delivered``: also what was. Returns how many there are.

    Raises:
        EndpointNotFound: the tenant has no endpoint of this id.
    """
    get_endpoint(session=session, tenant_id=tenant_id, endpoint_id=endpoint_id)
    states = SETTLED if delivered else UNTOLD
    again = _again(now).where(*_of(tenant_id, endpoint_id), Delivery.happened_at >= since, Delivery.state.in_(states))
    number = len(session.scalars(again.returning(Delivery.id)).all())
    details = {"since": since.isoformat(timespec="seconds"), "delivered": delivered, "deliveries": number}
    _record(session, tenant_id, endpoint_id, actor, details)
    return number


def _again(now: datetime) -> Update:
    fresh = {"state": DeliveryState.WAITING, "attempts": 0, "due_at": now, "give_up_at": now + GIVE_UP}
    return update(Delivery).values(**fresh, finished_at=None).execution_options(synchronize_session=False)


def _of(tenant_id: UUID, endpoint_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (Delivery.tenant_id == tenant_id, Delivery.endpoint_id == endpoint_id)


def _view(row: Delivery) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        event_id=row.event_id,
        kind=row.kind,
        sequence=row.sequence,
        happened_at=row.happened_at,
        state=row.state,
        attempts=row.attempts,
        due_at=None if row.state.terminal else row.due_at,
        finished_at=row.finished_at,
        status=row.status,
        reason=row.reason,
    )


def _record(session: Session, tenant_id: UUID, endpoint_id: UUID, actor: Actor, details: dict[str, Any]) -> None:
    subject, action = Subject("webhook", endpoint_id), AuditAction.WEBHOOK_REDELIVERED
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
