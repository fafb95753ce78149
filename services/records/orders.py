"""Orders: what a portal asked for by its own identifier, and how far it has come.

An order has no life of its own beside its case: how far it is, is what its case says. Only a refused one, which has no case, is kept as
such, so that a portal that asks later learns why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import read_cursor, write_cursor
from services.records.reading import UNDO_SECONDS
from services.records.reads import stands
from services.records.states import AuditAction, CaseState, Decision, JobState, Management, OrderState
from services.records.tables import Case, Image, Job, Order, Review

LIST = "orders"


class OrderProgress(StrEnum):
    """How far an order is. ``failed``: a dermatologist has read it and could not judge the pictures."""

    REJECTED = "rejected"
    RECEIVED = "received"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OrderIdentifier:
    """The portal's own name of an order; ``system`` is empty where it gave none."""

    system: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order and how far it is.

    ``changed_at``: when that changed last. ``case_state``, ``patient_id``: None where the order was rejected. ``reason``: why it was
    rejected, or why a dermatologist could not judge it; ``management``: what they ask for then. ``decided``: there is a result.
    """

    id: UUID
    identifier: OrderIdentifier
    progress: OrderProgress
    case_id: UUID | None
    case_state: CaseState | None
    patient_id: UUID | None
    resource: Mapping[str, Any]
    created_at: datetime
    changed_at: datetime
    reason: str | None = None
    management: Management | None = None

    @property
    def decided(self) -> bool:
        """Whether a result of the order may be read."""
        return self.progress in (OrderProgress.COMPLETED, OrderProgress.FAILED)


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Some orders, oldest first; ``next_cursor`` is None on the last page."""

    orders: tuple[OrderView, ...]
    next_cursor: str | None


def store_order(
    *, session: Session, tenant_id: UUID, order_id: UUID, identifier: OrderIdentifier, case_id: UUID, resource: Mapping[str, Any]
) -> None:
    """Keep the order that a case was made from, in the case's transaction. One that was rejected before gives way."""
    _keep(
        session, tenant_id, order_id, identifier, {"case_id": case_id, "state": OrderState.ACCEPTED, "reason": None, "resource": resource}
    )


def reject_order(*, session: Session, tenant_id: UUID, actor: Actor, identifier: OrderIdentifier, reason: str) -> None:
    """Keep that and why an order was refused, unless one of this identifier was accepted before.

    Args:
        reason: in words, nothing about the patient.
    """
    values: dict[str, Any] = {"case_id": None, "state": OrderState.REJECTED, "reason": reason, "resource": {}}
    order_id = _keep(session, tenant_id, uuid4(), identifier, values)
    if order_id is not None:
        subject = Subject("order", order_id)
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.ORDER_REJECTED, subject=subject)


def _keep(session: Session, tenant_id: UUID, order_id: UUID, identifier: OrderIdentifier, said: dict[str, Any]) -> UUID | None:
    """Insert, or take the place of a rejected order, which keeps its id: the portal may be following it."""
    named = {"identifier_system": identifier.system, "identifier_value": identifier.value}
    statement = upsert(Order).values(id=order_id, tenant_id=tenant_id, **named, **said)
    unique = ["tenant_id", "identifier_value", "identifier_system"]
    kept = statement.on_conflict_do_update(
        index_elements=unique, set_={**said, "changed_at": func.now()}, where=Order.state == OrderState.REJECTED
    )
    return session.scalar(kept.returning(Order.id))


def find_orders(
    *,
    session: Session,
    tenant_id: UUID,
    actor: Actor,
    order_id: UUID | None = None,
    case_id: UUID | None = None,
    identifier: str | None = None,
    system: str | None = None,
    accepted: bool = False,
    cursor: str | None = None,
    limit: int = 20,
) -> OrderPage:
    """Return the tenant's orders, oldest first, in two statements; the reading is audited.

    Args:
        identifier, system: the portal's own; system None: any, empty: those without one.
        accepted: leave out those that were rejected.
        cursor: ``next_cursor`` of the page before.
        limit: most orders of a page, at least 1.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    wanted = {Order.id: order_id, Order.case_id: case_id, Order.identifier_value: identifier, Order.identifier_system: system}
    where = [column == value for column, value in wanted.items() if value is not None]
    where += [Order.state == OrderState.ACCEPTED] if accepted else []
    query = _query(tenant_id, where, cursor).limit(limit + 1)
    rows = session.execute(query).all()
    page = rows[:limit]
    decisions = _decisions(session, tenant_id, [row.Order.case_id for row in page if row.state is CaseState.REVIEWED])
    subject, details = Subject("order", order_id), {"orders": len(page)}
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.ORDERS_READ, subject=subject, details=details)
    more = write_cursor(LIST, page[-1].Order.created_at.isoformat(), page[-1].Order.id) if len(rows) > limit else None
    return OrderPage(tuple(_view(row, decisions.get(row.Order.case_id)) for row in page), more)


def _query(tenant_id: UUID, where: Sequence[ColumnElement[bool]], cursor: str | None) -> Select[*tuple[Any, ...]]:
    begun = select(Job.id).join(Image, Image.id == Job.image_id).where(Image.case_id == Case.id, Job.state != JobState.QUEUED)
    columns = (Order, Case.state, Case.patient_id, Case.received_at, begun.correlate(Case).exists().label("begun"))
    query = select(*columns).outerjoin(Case, Case.id == Order.case_id).where(Order.tenant_id == tenant_id, *where)
    if cursor:
        created_at, order_id = read_cursor(cursor, LIST, _moment, UUID)
        after = (Order.created_at > created_at) | ((Order.created_at == created_at) & (Order.id > order_id))
        query = query.where(after)
    return query.order_by(Order.created_at, Order.id)


def _decisions(session: Session, tenant_id: UUID, case_ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Of each decided case the decision that stands, once it can no longer be taken back."""
    if not case_ids:
        return {}
    settled = (Review.created_at < func.now() - timedelta(seconds=UNDO_SECONDS)).label("settled")
    columns = (Review.case_id, Review.created_at, Review.decision, Review.reason, Review.management, settled)
    mine = (Review.tenant_id == tenant_id, Review.case_id.in_(case_ids), stands())
    rows = session.execute(select(*columns).where(*mine).order_by(Review.created_at)).all()
    last = {row.case_id: row for row in rows}
    return {case_id: row for case_id, row in last.items() if row.settled}


def _view(row: Any, decision: Any) -> OrderView:
    order: Order = row.Order
    return OrderView(
        id=order.id,
        identifier=OrderIdentifier(order.identifier_system, order.identifier_value),
        progress=_progress(row, decision),
        case_id=order.case_id,
        case_state=row.state,
        patient_id=row.patient_id,
        resource=order.resource,
        created_at=order.created_at,
        changed_at=decision.created_at if decision else order.changed_at,
        reason=order.reason or (decision.reason if decision else None),
        management=decision.management if decision else None,
    )


def _progress(row: Any, decision: Any) -> OrderProgress:
    if row.Order.case_id is None:
        return OrderProgress.REJECTED
    if decision:
        return OrderProgress.FAILED if decision.decision is Decision.NOT_ASSESSABLE else OrderProgress.COMPLETED
    return OrderProgress.IN_PROGRESS if row.begun or row.state is not CaseState.QUEUED else OrderProgress.RECEIVED


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is no point in time")
    return moment
