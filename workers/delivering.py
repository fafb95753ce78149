"""Telling portals: what is due is claimed, called in parallel, and settled, until nothing is due any more.

Calls are made by threads of two lanes; the thread that drains alone talks to Postgres. A process that dies in the middle leaves leases
that run out: its calls are made again, with the same ids.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

from sqlalchemy.orm import Session

from services.exchange.payloads import Told, webhook_body
from services.exchange.signatures import signed_headers
from services.logs import log_context
from services.records.deliveries import (
    Attempted,
    ClaimedDelivery,
    Lane,
    claim_deliveries,
    fan_out,
    settle_delivery,
)
from services.records.errors import DatabaseUnavailable
from services.records.seal import Seal, SealBroken
from services.records.states import DeliveryState
from workers.metrics import DELIVERIES, DELIVERY_SECONDS
from workers.webhook_calls import Called

log = logging.getLogger(__name__)

# Calls at once in each lane. A call lasts 15 s at most, so a lane of 16 that is all timeouts still makes one call a second.
PLACES = {Lane.STEADY: 16, Lane.TROUBLED: 16}
# Above what a call may take, with something for the resolver. One that lasts longer is made twice, by the same id.
SHORTEST_LEASE = timedelta(seconds=20)
LEASE = timedelta(seconds=60)
LOOK_AGAIN_SECONDS = 0.5
SEALED = "The secret of this webhook cannot be read here: DERMATRAIL_DATA_KEY is not the one that it was stored with."

Transaction: TypeAlias = Callable[[], AbstractContextManager[Session]]


class Calls(Protocol):
    """Whoever makes a call: `workers.webhook_calls.Caller`."""

    def call(self, *, url: str, headers: Mapping[str, str], body: bytes) -> Called:
        """POST, and say what came of it."""
        ...


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Deliverer:
    """Drains what is due. One thread drains at a time; several processes may."""

    transaction: Transaction
    calls: Calls
    seal: Seal
    owner: str
    stopping: threading.Event
    clock: Callable[[], datetime] = utc_now
    chance: random.Random = field(default_factory=random.SystemRandom)
    places: Mapping[Lane, int] = field(default_factory=lambda: PLACES)
    lease: timedelta = LEASE
    _pools: dict[Lane, ThreadPoolExecutor] = field(default_factory=dict)

    def drain(self) -> int:
        """Tell everything that is due, and what becomes due meanwhile. Returns how many calls were made."""
        running: dict[Future[Attempted], ClaimedDelivery] = {}
        made, lanes = 0, dict.fromkeys(Lane, 0)
        lane_of: dict[Future[Attempted], Lane] = {}
        while True:
            if not self.stopping.is_set():
                for lane, claimed in self._claim(lanes):
                    future = self._pool(lane).submit(self._call, claimed)
                    running[future], lane_of[future] = claimed, lane
                    lanes[lane] += 1
            if not running:
                return made
            done, _ = wait(running, timeout=LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                lanes[lane_of.pop(future)] -= 1
                self._settle(running.pop(future), future.result())
                made += 1

    def close(self) -> None:
        """Let the threads go."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()

    def _claim(self, lanes: Mapping[Lane, int]) -> list[tuple[Lane, ClaimedDelivery]]:
        """What can be called now. Without Postgres nothing is; what runs goes on."""
        try:
            self._fan_out()
            return [(lane, claimed) for lane in Lane for claimed in self._claim_lane(lane, self.places[lane] - lanes[lane])]
        except DatabaseUnavailable:
            log.warning("nothing can be claimed: the database is away")
            return []

    def _fan_out(self) -> None:
        while True:
            with self.transaction() as session:
                if not fan_out(session=session, now=self.clock()):
                    return

    def _claim_lane(self, lane: Lane, free: int) -> list[ClaimedDelivery]:
        if free <= 0:
            return []
        with self.transaction() as session:
            return claim_deliveries(session=session, owner=self.owner, lane=lane, limit=free, lease=self.lease, now=self.clock())

    def _pool(self, lane: Lane) -> ThreadPoolExecutor:
        if lane not in self._pools:
            self._pools[lane] = ThreadPoolExecutor(self.places[lane], thread_name_prefix=f"calls-{lane.value}")
        return self._pools[lane]

    def _call(self, claimed: ClaimedDelivery) -> Attempted:
        """Make a call, in a thread of a lane. Never raises."""
        at = self.clock()
        try:
            keys = [self.seal.open(secret) for secret in claimed.secrets]
        except SealBroken:
            return Attempted(at=at, seconds=0.0, reason=SEALED)
        body = webhook_body(_told(claimed))
        headers = signed_headers(keys=keys, event_id=claimed.event_id, at=at, body=body)
        came = self.calls.call(url=claimed.url, headers=headers, body=body)
        return Attempted(
            at=at, seconds=came.seconds, status=came.status, reason=came.reason, address=came.address, retry_after=came.retry_after
        )

    def _settle(self, claimed: ClaimedDelivery, attempted: Attempted) -> None:
        """Write down what came of a call. Where Postgres is away, the lease runs out and the call is made again."""
        now = self.clock()
        try:
            with self.transaction() as session:
                state = settle_delivery(
                    session=session, owner=self.owner, claimed=claimed, attempted=attempted, now=now, chance=self.chance
                )
        except DatabaseUnavailable:
            log.warning("a call could not be written down: it will be made again", extra={"delivery": str(claimed.id)})
            return
        outcome = "lost" if state is None else state.value if state.terminal else "failed"
        DELIVERIES.labels(outcome).inc()
        DELIVERY_SECONDS.observe(attempted.seconds)
        if state is DeliveryState.DEAD:
            with log_context(tenant_id=claimed.tenant_id):
                log.warning("an event was given up: it is a dead letter now")


def _told(claimed: ClaimedDelivery) -> Told:
    return Told(
        id=claimed.event_id,
        sequence=claimed.sequence,
        kind=claimed.kind,
        subject_kind=claimed.subject_kind,
        subject_id=claimed.subject_id,
        payload=claimed.payload,
        created_at=claimed.happened_at,
    )
