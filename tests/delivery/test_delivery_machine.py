"""Any order of events, claims, answers, deaths, pauses and requests: nothing is lost, nothing is told by a wrong id, all ends."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from services.records import webhooks
from services.records.deliveries import SHARES, Attempted, ClaimedDelivery, Lane, claim_deliveries, fan_out, settle_delivery
from services.records.delivery_log import redeliver_since
from services.records.states import DeliveryState, EndpointState
from services.records.webhooks import EndpointChange
from tests.delivery.conftest import Hook, hook, tell
from tests.records.worlds import Portal

LEASE = timedelta(minutes=2)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ANSWERS = st.sampled_from([200, 200, 204, 301, 404, 410, 429, 500, None])


class Telling(RuleBasedStateMachine):
    """Two processes, one endpoint, a clock that only moves forward."""

    portal: Portal
    behind: Connection

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC)
        self.held: list[list[ClaimedDelivery]] = [[], []]
        self.told: list[UUID] = []
        self.accepted: Counter[UUID] = Counter()
        self.chance = random.Random(1)

    @initialize()
    def start_empty(self) -> None:
        self.behind.execute(text("SET session_replication_role = replica"))
        self.behind.execute(text("TRUNCATE webhook_endpoints, deliveries, delivery_attempts, portal_events CASCADE"))
        self.behind.execute(text("SET session_replication_role = origin"))
        self.hook: Hook = hook(self.portal, "https://portal.example/")

    @rule(number=st.integers(1, 3))
    def happen(self, number: int) -> None:
        self.told += tell(self.portal, number=number)

    @rule(process=st.integers(0, 1), lane=st.sampled_from(Lane))
    def claim(self, process: int, lane: Lane) -> None:
        with self.portal.logins.worker.transaction() as session:
            fan_out(session=session, now=self.now)
            claimed = claim_deliveries(session=session, owner=f"p{process}", lane=lane, limit=3, lease=LEASE, now=self.now)
        assert len(claimed) <= SHARES[lane].endpoint
        self.held[process] += claimed

    @rule(process=st.integers(0, 1), status=ANSWERS, seconds=st.sampled_from([0.1, 5.0]), patience=st.sampled_from([None, 600]))
    def answer(self, process: int, status: int | None, seconds: float, patience: int | None) -> None:
        if not self.held[process]:
            return
        claimed = self.held[process].pop(0)
        taken = status is not None and status < 300
        if taken:
            self.accepted[claimed.event_id] += 1
        reason = None if taken else "It answered otherwise."
        wait = timedelta(seconds=patience) if patience and not taken else None
        came = Attempted(at=self.now, seconds=seconds, status=status, reason=reason, retry_after=wait)
        with self.portal.logins.worker.transaction() as session:
            settle_delivery(session=session, owner=f"p{process}", claimed=claimed, attempted=came, now=self.now, chance=self.chance)

    @rule(process=st.integers(0, 1))
    def die(self, process: int) -> None:
        self.held[process] = []

    @rule(minutes=st.sampled_from([1, 3, 90, 1500]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def switch_on(self) -> None:
        self.hook.do(webhooks.change_endpoint, change=EndpointChange(active=True), now=self.now)

    @rule(delivered=st.booleans())
    def ask_again(self, delivered: bool) -> None:
        self.hook.do(redeliver_since, since=LONG_AGO, delivered=delivered, now=self.now)

    @invariant()
    def every_delivery_is_of_one_event_and_says_how_it_stands(self) -> None:
        if not hasattr(self, "hook"):
            return
        log = self.hook.log()
        assert len({each.event_id for each in log}) == len(log)
        # In the order of what happened, without a gap: nothing was passed over.
        assert [each.event_id for each in log] == self.told[: len(log)]
        for each in log:
            assert each.state is not DeliveryState.DELIVERED or self.accepted[each.event_id]
            assert each.state is not DeliveryState.DEAD or each.reason

    def teardown(self) -> None:
        """Left alone with an address that answers, everything is told."""
        if not hasattr(self, "hook"):
            return
        self.switch_on()
        self.ask_again(delivered=False)
        for _ in range(200):
            self.now += timedelta(hours=1)
            for lane in Lane:
                self.held[0] = []
                self.claim(0, lane)
                while self.held[0]:
                    self.answer(0, 200, 0.1, None)
            log = self.hook.log()
            if len(log) == len(self.told) and all(each.state is DeliveryState.DELIVERED for each in log):
                break
        assert {each.event_id for each in log} == set(self.told)
        assert all(each.state is DeliveryState.DELIVERED and self.accepted[each.event_id] for each in log)
        assert self.hook.view().state is EndpointState.ACTIVE
        super().teardown()


@pytest.mark.timeout(120)
def test_any_order_of_steps_keeps_the_promise(portal: Portal, behind: Connection) -> None:
    Telling.portal, Telling.behind = portal, behind
    limits = settings(max_examples=8, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Telling, settings=limits)
