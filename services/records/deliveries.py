"""Deliveries, for the process that tells portals: what is due, under a lease, and what came of it.

Of one event and one endpoint there is one delivery: waiting → leased → delivered, or waiting again, later each time, or dead after
`GIVE_UP`. A claim is a lease, and counts as an attempt; a lease that has run out is claimed by whoever comes next, so an endpoint may be
told twice, by the same id, and is never told less than once. The order of events is not kept on the way; every event carries its number.

Endpoints that fail or are slow have a lane of their own: they wait for each other and never hold the others up. Within a lane no endpoint
and no portal has more than its share of calls at once.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Subquery, and_, exists, func, insert, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.portal_events import PortalEventKind, may_be_told, stands
from services.records.states import AuditAction, DeliveryState, EndpointState
from services.records.tables import Delivery, DeliveryAttempt, PortalEvent, WebhookEndpoint
from services.records.webhooks import GIVE_UP, REMOVED

ACTOR = Actor.system("delivery")
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(hours=1)
FACTOR = 3
JITTER = 0.25
DISABLE_AFTER = timedelta(days=5)
SLOW_SECONDS = 3.0
GONE = 410
# Events that one step of the fan-out looks at: a long absence is worked off in short transactions.
STEP = 1000


class Lane(StrEnum):
    """Which endpoints share their places: those that answer quickly, and the others."""

    STEADY = "steady"
    TROUBLED = "troubled"


@dataclass(frozen=True, slots=True)
class Share:
    """Most calls at once to one endpoint, and of one portal."""

    endpoint: int
    portal: int


SHARES = {Lane.STEADY: Share(endpoint=4, portal=8), Lane.TROUBLED: Share(endpoint=1, portal=2)}


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One call to make. ``attempts`` counts this one; ``secrets``: encrypted, the newest first."""

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    attempts: int
    give_up_at: datetime
    url: str
    secrets: tuple[str, ...]
    event_id: UUID
    sequence: int
    kind: str
    subject_kind: str
    subject_id: UUID
    payload: dict[str, Any]
    happened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """What came of a call. ``reason``: why it failed; None: the endpoint has taken it. ``retry_after``: how long it asked us to wait."""

    at: datetime
    seconds: float
    status: int | None = None
    reason: str | None = None
    address: str | None = None
    retry_after: timedelta | None = None


def retry_delay(attempts: int, chance: random.Random) -> timedelta:
    """Return how long to wait after so many attempts: 5 s, three times as long each time, an hour at most, ± 25 % by chance."""
    steps = min(attempts - 1, 20)
    pause: timedelta = min(FIRST_RETRY * FACTOR**steps, LONGEST_RETRY)
    return pause * chance.uniform(1 - JITTER, 1 + JITTER)


def fan_out(*, session: Session, now: datetime) -> int:
    """Give every endpoint its deliveries of what has happened, one tenant at a time; return how many endpoints went on.

    Ask again until it returns 0. Needs the worker's login. Endpoints that another process is looking at are left to it.
    """
    endpoint = WebhookEndpoint
    behind = exists().where(PortalEvent.tenant_id == endpoint.tenant_id, PortalEvent.sequence > endpoint.told)
    query = select(endpoint.id, endpoint.tenant_id, endpoint.told).where(endpoint.state == EndpointState.ACTIVE, behind)
    by_tenant: dict[UUID, list[tuple[UUID, int]]] = {}
    for endpoint_id, tenant_id, told in session.execute(query.order_by(endpoint.id).with_for_update(key_share=True, skip_locked=True)):
        by_tenant.setdefault(tenant_id, []).append((endpoint_id, told))
    return sum(_fan_out(session, tenant_id, found, now) for tenant_id, found in sorted(by_tenant.items()))


def _fan_out(session: Session, tenant_id: UUID, endpoints: Sequence[tuple[UUID, int]], now: datetime) -> int:
    first = min(told for _, told in endpoints)
    newest = may_be_told(session=session, tenant_id=tenant_id, after=first)
    step = select(PortalEvent.sequence).where(PortalEvent.tenant_id == tenant_id, PortalEvent.sequence > first)
    last = session.scalar(select(func.max(step.order_by(PortalEvent.sequence).limit(STEP).subquery().c.sequence))) or 0
    reach, ids = min(newest, last), [endpoint_id for endpoint_id, _ in endpoints]
    if reach <= first:
        return 0
    session.execute(_deliveries(tenant_id, ids, reach, now))
    forward = update(WebhookEndpoint).where(WebhookEndpoint.id.in_(ids), WebhookEndpoint.told < reach).values(told=reach)
    moved = session.scalars(forward.returning(WebhookEndpoint.id).execution_options(synchronize_session=False)).all()
    return len(moved)


def _deliveries(tenant_id: UUID, endpoint_ids: Sequence[UUID], reach: int, now: datetime) -> Any:
    event, endpoint = PortalEvent, WebhookEndpoint
    ping = event.kind == PortalEventKind.WEBHOOK_PING.value
    chosen = or_(func.cardinality(endpoint.kinds) == 0, event.kind == func.any(endpoint.kinds))
    wanted = or_(and_(ping, event.subject_id == endpoint.id), and_(~ping, chosen))
    new = and_(event.tenant_id == endpoint.tenant_id, event.sequence > endpoint.told, event.sequence <= reach, stands(), wanted)
    columns = (endpoint.tenant_id, endpoint.id, event.id, event.kind, event.sequence, event.created_at)
    times = (literal(now, Delivery.due_at.type), literal(now + GIVE_UP, Delivery.give_up_at.type))
    rows = (
        select(func.gen_random_uuid(), *columns, *times)
        .join(event, new)
        .where(endpoint.id.in_(endpoint_ids), endpoint.tenant_id == tenant_id)
    )
    names = ["id", "tenant_id", "endpoint_id", "event_id", "kind", "sequence", "happened_at", "due_at", "give_up_at"]
    return upsert(Delivery).from_select(names, rows).on_conflict_do_nothing(index_elements=["endpoint_id", "event_id"])


def claim_deliveries(*, session: Session, owner: str, lane: Lane, limit: int, lease: timedelta, now: datetime) -> list[ClaimedDelivery]:
    """Lease up to ``limit`` due deliveries of a lane, portals in turn, then the longest due first."""
    turns = _turns(lane, now)
    endpoint, event = WebhookEndpoint, PortalEvent
    secrets = (endpoint.secret, endpoint.previous_secret, endpoint.previous_until)
    told = (event.id, event.sequence, event.kind, event.subject_kind, event.subject_id, event.payload, event.created_at)
    query = (
        select(Delivery.id, Delivery.tenant_id, Delivery.endpoint_id, Delivery.attempts, Delivery.give_up_at, endpoint.url, *secrets, *told)
        .join(turns, turns.c.id == Delivery.id)
        .join(endpoint, endpoint.id == Delivery.endpoint_id)
        .join(event, event.id == Delivery.event_id)
        .where(_due(now))
        .order_by(turns.c.turn, turns.c.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    rows = session.execute(query).all()
    leased = {"state": DeliveryState.LEASED, "lease_owner": owner, "lease_expires_at": now + lease, "attempts": Delivery.attempts + 1}
    if rows:
        change = update(Delivery).where(Delivery.id.in_([row[0] for row in rows])).values(leased)
        session.execute(change.execution_options(synchronize_session=False))
    return [_claimed(tuple(row), now) for row in rows]


def _due(now: datetime) -> ColumnElement[bool]:
    waiting = and_(Delivery.state == DeliveryState.WAITING, Delivery.due_at <= now)
    return or_(waiting, and_(Delivery.state == DeliveryState.LEASED, Delivery.lease_expires_at <= now))


def _turns(lane: Lane, now: datetime) -> Subquery:
    """Number the due deliveries of each endpoint, then of each portal, and leave out what is beyond their shares."""
    endpoint, share = WebhookEndpoint, SHARES[lane]
    flying = and_(Delivery.state == DeliveryState.LEASED, Delivery.lease_expires_at > now)
    calls = select(func.count()).where(flying, Delivery.endpoint_id == endpoint.id).correlate(endpoint).scalar_subquery()
    all_calls = select(func.count()).where(flying, Delivery.tenant_id == endpoint.tenant_id).correlate(endpoint).scalar_subquery()
    troubled = or_(endpoint.failures > 0, endpoint.slow)
    rested = or_(endpoint.rest_until.is_(None), endpoint.rest_until <= now)
    told = (endpoint.state == EndpointState.ACTIVE, rested, troubled if lane is Lane.TROUBLED else ~troubled)
    columns = (endpoint.id, endpoint.tenant_id, calls.label("calls"), all_calls.label("all_calls"))
    ready = select(*columns).where(*told).subquery("ready")
    head = select(Delivery.id, Delivery.due_at).where(Delivery.endpoint_id == ready.c.id, _due(now))
    first = head.order_by(Delivery.due_at, Delivery.sequence).limit(share.endpoint).lateral("first")
    place = func.row_number().over(partition_by=ready.c.id, order_by=(first.c.due_at, first.c.id)).label("place")
    numbered = select(first, ready.c.tenant_id, ready.c.calls, ready.c.all_calls, place).select_from(ready).join(first, true()).subquery()
    within = select(numbered).where(numbered.c.place + numbered.c.calls <= share.endpoint).subquery()
    turn = func.row_number().over(partition_by=within.c.tenant_id, order_by=(within.c.place, within.c.due_at, within.c.id))
    ranked = select(within.c.id, within.c.due_at, within.c.all_calls, turn.label("turn")).subquery()
    return select(ranked).where(ranked.c.turn + ranked.c.all_calls <= share.portal).subquery("turns")


def _claimed(row: tuple[Any, ...], now: datetime) -> ClaimedDelivery:
    delivery_id, tenant_id, endpoint_id, attempts, give_up_at, url, secret, previous, until, *event = row
    secrets = (secret, previous) if previous and until > now else (secret,)
    return ClaimedDelivery(delivery_id, tenant_id, endpoint_id, attempts + 1, give_up_at, url, secrets, *event)


def settle_delivery(
    *, session: Session, owner: str, claimed: ClaimedDelivery, attempted: Attempted, now: datetime, chance: random.Random
) -> DeliveryState | None:
    """Write down what came of a call, and what follows from it. Returns the delivery's state; None: it is no longer the owner's.

    An attempt is written down in either case: it was made.
    """
    state = _move(session, owner, claimed, _follows(claimed, attempted, now, chance))
    row = {"id": uuid4(), "tenant_id": claimed.tenant_id, "delivery_id": claimed.id, "attempted_at": attempted.at}
    came = {"seconds": attempted.seconds, "status": attempted.status, "reason": attempted.reason, "address": attempted.address}
    session.execute(insert(DeliveryAttempt).values(**row, **came))
    if _judge(session, claimed, attempted, now) is EndpointState.REMOVED and state is DeliveryState.WAITING:
        _bury(session, claimed, now)
        return DeliveryState.DEAD
    if state is DeliveryState.DELIVERED:
        details = {"webhook": str(claimed.endpoint_id), "attempts": claimed.attempts}
        _record(session, claimed.tenant_id, AuditAction.EVENT_DELIVERED, Subject("portal_event", claimed.event_id), details)
    return state


def _move(session: Session, owner: str, claimed: ClaimedDelivery, values: dict[str, Any]) -> DeliveryState | None:
    mine = (Delivery.id == claimed.id, Delivery.state == DeliveryState.LEASED, Delivery.lease_owner == owner)
    change = update(Delivery).where(*mine, Delivery.attempts == claimed.attempts).values(values).returning(Delivery.state)
    moved: DeliveryState | None = session.scalar(change.execution_options(synchronize_session=False))
    return moved


def _follows(claimed: ClaimedDelivery, attempted: Attempted, now: datetime, chance: random.Random) -> dict[str, Any]:
    """What becomes of a delivery after a call."""
    values: dict[str, Any] = {"status": attempted.status, "reason": attempted.reason, "lease_owner": None, "lease_expires_at": None}
    if attempted.reason is None:
        values |= {"state": DeliveryState.DELIVERED, "finished_at": now}
    elif now >= claimed.give_up_at and attempted.status != GONE:
        values |= {"state": DeliveryState.DEAD, "finished_at": now}
    else:
        wait = max(retry_delay(claimed.attempts, chance), attempted.retry_after or timedelta(0))
        # The last attempt is made when the time is over, not some hours before.
        values |= {"state": DeliveryState.WAITING, "due_at": max(now, min(now + wait, claimed.give_up_at))}
    return values


def _bury(session: Session, claimed: ClaimedDelivery, now: datetime) -> None:
    """The endpoint was removed while it was called: nobody waits for another attempt."""
    dead = {"state": DeliveryState.DEAD, "finished_at": now, "reason": REMOVED}
    mine = update(Delivery).where(Delivery.id == claimed.id, Delivery.state == DeliveryState.WAITING)
    session.execute(mine.values(dead).execution_options(synchronize_session=False))


def _judge(session: Session, claimed: ClaimedDelivery, attempted: Attempted, now: datetime) -> EndpointState:
    """Keep in mind how the endpoint does; disable one that is gone, or has failed for days. Returns the state that it was found in."""
    endpoint = WebhookEndpoint
    slow = attempted.seconds > SLOW_SECONDS
    if attempted.reason is None:
        values: dict[str, Any] = {"failures": 0, "failing_since": None, "succeeded_at": now, "slow": slow}
    else:
        since = func.coalesce(endpoint.failing_since, literal(attempted.at, endpoint.failing_since.type))
        values = {"failures": endpoint.failures + 1, "failing_since": since, "slow": slow}
    if attempted.retry_after:
        values["rest_until"] = now + min(attempted.retry_after, GIVE_UP)
    mine = update(endpoint).where(endpoint.id == claimed.endpoint_id).values(values).returning(endpoint.state, endpoint.failing_since)
    state, failing_since = session.execute(mine.execution_options(synchronize_session=False)).one()
    if state is EndpointState.ACTIVE and (why := _why_disabled(attempted, failing_since, now)):
        off = {"state": EndpointState.DISABLED, "disabled_at": now, "disabled_reason": why}
        session.execute(update(endpoint).where(endpoint.id == claimed.endpoint_id).values(off).execution_options(synchronize_session=False))
        details = {"status": attempted.status}
        _record(session, claimed.tenant_id, AuditAction.WEBHOOK_DISABLED, Subject("webhook", claimed.endpoint_id), details)
    found: EndpointState = state
    return found


def _why_disabled(attempted: Attempted, failing_since: datetime | None, now: datetime) -> str | None:
    if attempted.status == GONE:
        return "It answered 410: this address is gone for good."
    if attempted.reason and failing_since and now - failing_since >= DISABLE_AFTER:
        return f"Every attempt has failed for {DISABLE_AFTER.days} days. The last one: {attempted.reason}"
    return None


def _record(session: Session, tenant_id: UUID, action: AuditAction, subject: Subject, details: dict[str, Any]) -> None:
    record_event(session=session, tenant_id=tenant_id, actor=ACTOR, action=action, subject=subject, details=details)
