"""Endpoints: where a portal wants to be told what has happened, with the secrets that sign it.

A secret is shown once, when it is made, and kept encrypted. After a rotation both secrets sign for a while, so that the portal can
change over without missing anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import Conflict, EndpointNotFound, InvalidRecord
from services.records.portal_events import PortalEventKind, add_event
from services.records.seal import Seal
from services.records.states import AuditAction, DeliveryState, EndpointState
from services.records.tables import Delivery, PortalEvent, WebhookEndpoint

MOST_ENDPOINTS = 10
LONGEST_DESCRIPTION = 200
LONGEST_OVERLAP = timedelta(days=7)
GIVE_UP = timedelta(hours=24)
SWITCHED_OFF = "Switched off by hand."
REMOVED = "The endpoint was removed."
# A test is asked for, not chosen.
CHOICE = tuple(kind for kind in PortalEventKind if kind is not PortalEventKind.WEBHOOK_PING)


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint. ``kinds``: what it wants, none: everything. ``failing_since``: since then no attempt has succeeded."""

    id: UUID
    url: str
    description: str
    kinds: tuple[PortalEventKind, ...]
    state: EndpointState
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime
    previous_until: datetime | None
    failing_since: datetime | None
    succeeded_at: datetime | None
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What is to be different; None: as it is. The address is checked by who takes it (:mod:`services.addresses`)."""

    url: str | None = None
    description: str | None = None
    kinds: Sequence[PortalEventKind] | None = None
    active: bool | None = None


def create_endpoint(
    *,
    session: Session,
    tenant_id: UUID,
    url: str,
    kinds: Sequence[PortalEventKind] = (),
    description: str = "",
    secret: str,
    seal: Seal,
    actor: Actor,
) -> UUID:
    """Tell a portal at this address from now on; what happened before is not told. Returns the endpoint's id.

    Raises:
        Conflict: the portal has `MOST_ENDPOINTS` already.
        InvalidRecord: the description is too long, or a kind cannot be chosen.
    """
    mine = select(func.count()).where(WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.state != EndpointState.REMOVED)
    if (session.scalar(mine) or 0) >= MOST_ENDPOINTS:
        raise Conflict(f"A portal has at most {MOST_ENDPOINTS} webhooks: remove one first.")
    newest = session.scalar(select(func.max(PortalEvent.sequence)).where(PortalEvent.tenant_id == tenant_id)) or 0
    said = _said(EndpointChange(url=url, description=description, kinds=kinds))
    endpoint_id = uuid4()
    session.add(WebhookEndpoint(id=endpoint_id, tenant_id=tenant_id, secret=seal.close(secret), told=newest, **said))
    _record(session, tenant_id, endpoint_id, actor, AuditAction.WEBHOOK_CREATED)
    return endpoint_id


def list_endpoints(*, session: Session, tenant_id: UUID) -> list[EndpointView]:
    """Return a portal's endpoints, the oldest first."""
    query = _views(tenant_id).order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    return [_view(row) for row in session.execute(query)]


def get_endpoint(*, session: Session, tenant_id: UUID, endpoint_id: UUID) -> EndpointView:
    """Return an endpoint.

    Raises:
        EndpointNotFound: the tenant has none of this id.
    """
    row = session.execute(_views(tenant_id).where(WebhookEndpoint.id == endpoint_id)).one_or_none()
    if row is None:
        raise EndpointNotFound(endpoint_id)
    return _view(row)


def change_endpoint(*, session: Session, tenant_id: UUID, endpoint_id: UUID, change: EndpointChange, actor: Actor, now: datetime) -> None:
    """Change an endpoint. One that is switched on again is told everything that happened meanwhile.

    Raises:
        EndpointNotFound: the tenant has none of this id.
        InvalidRecord: the description is too long, or a kind cannot be chosen.
    """
    locked = _lock(session, tenant_id, endpoint_id)
    values = _said(change)
    if change.active is not None:
        values |= _switched(locked.state, active=change.active, now=now)
    if values:
        session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(values))
    if change.active and locked.state is EndpointState.DISABLED:
        _start_again(session, tenant_id, endpoint_id, now)
    _record(session, tenant_id, endpoint_id, actor, AuditAction.WEBHOOK_CHANGED, changed=sorted(values), active=change.active)


def remove_endpoint(*, session: Session, tenant_id: UUID, endpoint_id: UUID, actor: Actor, now: datetime) -> None:
    """Tell nothing more at this address. Its log stays; its secrets are forgotten.

    Raises:
        EndpointNotFound: the tenant has none of this id.
    """
    _lock(session, tenant_id, endpoint_id)
    gone = {"state": EndpointState.REMOVED, "secret": "", "previous_secret": None, "previous_until": None}
    why = {"disabled_at": None, "disabled_reason": None}
    session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(**gone, **why))
    dead = {"state": DeliveryState.DEAD, "finished_at": now, "reason": REMOVED}
    session.execute(_waiting(tenant_id, endpoint_id).values(dead))
    _record(session, tenant_id, endpoint_id, actor, AuditAction.WEBHOOK_REMOVED)


def rotate_secret(
    *, session: Session, tenant_id: UUID, endpoint_id: UUID, secret: str, overlap: timedelta, seal: Seal, actor: Actor, now: datetime
) -> datetime:
    """Sign with a new secret from now on, and with the one before, too, until the time that is returned.

    Raises:
        EndpointNotFound: the tenant has none of this id.
        InvalidRecord: the overlap is longer than `LONGEST_OVERLAP`.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidRecord(f"overlap: 0 to {LONGEST_OVERLAP.days} days.")
    locked, until = _lock(session, tenant_id, endpoint_id), now + overlap
    values = {"secret": seal.close(secret), "previous_secret": locked.secret, "previous_until": until}
    session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(values))
    _record(session, tenant_id, endpoint_id, actor, AuditAction.WEBHOOK_SECRET_ROTATED, previous_until=until.isoformat())
    return until


def ping_endpoint(*, session: Session, tenant_id: UUID, endpoint_id: UUID, actor: Actor) -> UUID:
    """Send a test to one endpoint, in turn with what happens; returns the event's id.

    Raises:
        EndpointNotFound: the tenant has none of this id.
        Conflict: the endpoint is disabled.
    """
    found = get_endpoint(session=session, tenant_id=tenant_id, endpoint_id=endpoint_id)
    if found.state is not EndpointState.ACTIVE:
        raise Conflict("This webhook is disabled: enable it before you test it.")
    _record(session, tenant_id, endpoint_id, actor, AuditAction.WEBHOOK_TESTED)
    ping, payload = PortalEventKind.WEBHOOK_PING, {"webhook_id": str(endpoint_id)}
    return add_event(session=session, tenant_id=tenant_id, kind=ping, subject_kind="webhook", subject_id=endpoint_id, payload=payload)


def _lock(session: Session, tenant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    row = WebhookEndpoint
    mine = select(row).where(row.id == endpoint_id, row.tenant_id == tenant_id, row.state != EndpointState.REMOVED)
    found: WebhookEndpoint | None = session.scalars(mine.with_for_update(key_share=True)).one_or_none()
    if found is None:
        raise EndpointNotFound(endpoint_id)
    return found


def _said(change: EndpointChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if change.url is not None:
        values["url"] = change.url
    if change.description is not None:
        text = change.description.strip()
        if len(text) > LONGEST_DESCRIPTION or (text and not text.isprintable()):
            raise InvalidRecord(f"description: at most {LONGEST_DESCRIPTION} printable characters.")
        values["description"] = text
    if change.kinds is not None:
        if not set(change.kinds) <= set(CHOICE):
            raise InvalidRecord("kinds: a test is sent to every endpoint that is tested; leave webhook.ping out.")
        values["kinds"] = sorted(set(change.kinds))
    return values


def _switched(state: EndpointState, *, active: bool, now: datetime) -> dict[str, Any]:
    if active == (state is EndpointState.ACTIVE):
        return {}
    if not active:
        return {"state": EndpointState.DISABLED, "disabled_at": now, "disabled_reason": SWITCHED_OFF}
    fresh = {"failures": 0, "failing_since": None, "rest_until": None, "slow": False}
    return {"state": EndpointState.ACTIVE, "disabled_at": None, "disabled_reason": None, **fresh}


def _start_again(session: Session, tenant_id: UUID, endpoint_id: UUID, now: datetime) -> None:
    """What waited for the endpoint has its whole time again."""
    again = {"attempts": 0, "due_at": now, "give_up_at": now + GIVE_UP}
    session.execute(_waiting(tenant_id, endpoint_id).values(again))


def _waiting(tenant_id: UUID, endpoint_id: UUID) -> Any:
    mine = (Delivery.tenant_id == tenant_id, Delivery.endpoint_id == endpoint_id, Delivery.state == DeliveryState.WAITING)
    return update(Delivery).where(*mine).execution_options(synchronize_session=False)


def _views(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    row = WebhookEndpoint
    columns = (row.id, row.url, row.description, row.kinds, row.state, row.disabled_at, row.disabled_reason, row.created_at)
    since = (row.previous_until, row.failing_since, row.succeeded_at)
    waiting = _count(DeliveryState.WAITING, DeliveryState.LEASED)
    return select(*columns, *since, waiting, _count(DeliveryState.DEAD)).where(
        row.tenant_id == tenant_id, row.state != EndpointState.REMOVED
    )


def _count(*states: DeliveryState) -> Any:
    query = select(func.count()).where(Delivery.endpoint_id == WebhookEndpoint.id, Delivery.state.in_(states))
    return query.correlate(WebhookEndpoint).scalar_subquery()


def _view(row: Sequence[Any]) -> EndpointView:
    endpoint_id, url, description, kinds, *rest = row
    return EndpointView(endpoint_id, url, description, tuple(PortalEventKind(kind) for kind in kinds), *rest)


def _record(session: Session, tenant_id: UUID, endpoint_id: UUID, actor: Actor, action: AuditAction, **details: Any) -> None:
    subject = Subject("webhook", endpoint_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
