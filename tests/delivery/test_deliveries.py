"""What portals are told, how often, and when it is given up: a real receiver, a clock that the test moves."""

import json
import random
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from standardwebhooks import Webhook, WebhookVerificationError

from services.exchange.signatures import new_secret
from services.records import webhooks
from services.records.deliveries import DISABLE_AFTER, retry_delay
from services.records.delivery_log import get_delivery, redeliver, redeliver_since
from services.records.errors import Conflict
from services.records.portal_events import PortalEventKind
from services.records.states import DeliveryState, EndpointState
from services.records.webhooks import EndpointChange
from tests.delivery.conftest import SEAL, Clock, Heard, Hook, Receiver, Reply, hook, tell
from tests.records.worlds import Portal
from workers.delivering import Deliverer

ALERT, MERGED = PortalEventKind.LESION_ALERT, PortalEventKind.LESION_MERGED


@pytest.fixture
def told(portal: Portal, receiver: Receiver) -> Hook:
    return hook(portal, f"http://127.0.0.1:{receiver.port}/hooks")


def states(told: Hook) -> list[str]:
    return [each.state.value for each in told.log()]


def until(deliverer: Deliverer, clock: Clock, told: Hook, **length: float) -> int:
    """Let time pass, from one due attempt to the next; return how many calls were made."""
    end, made = clock.now + timedelta(**length), deliverer.drain()
    while due := [each.due_at for each in told.log() if each.due_at and each.due_at <= end]:
        clock.now = max(clock.now, min(due))
        if not (more := deliverer.drain()):
            break
        made += more
    clock.now = max(clock.now, end)
    return made


def test_an_event_is_posted_signed_and_verified_by_the_published_package(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer
) -> None:
    (event_id,) = tell(portal)
    assert deliverer.drain() == 1
    (heard,) = receiver.heard
    said = Webhook(told.secret).verify(heard.body, heard.headers)
    assert (heard.path, heard.headers["content-type"], said["type"]) == ("/hooks", "application/json", "lesion.alert")
    assert heard.id == said["data"]["id"] == str(event_id)
    assert states(told) == ["delivered"]
    with pytest.raises(WebhookVerificationError):
        Webhook(told.secret).verify(heard.body + b" ", heard.headers)


def test_both_secrets_sign_while_a_rotation_lasts(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    fresh = new_secret()
    told.do(webhooks.rotate_secret, secret=fresh, overlap=timedelta(hours=1), seal=SEAL, now=clock.now)
    tell(portal)
    deliverer.drain()
    for secret in (told.secret, fresh):
        Webhook(secret).verify(receiver.heard[0].body, receiver.heard[0].headers)
    clock.pass_by(hours=1)
    tell(portal)
    deliverer.drain()
    assert len(receiver.heard[1].headers["webhook-signature"].split()) == 1


def test_a_secret_is_kept_encrypted(portal: Portal, told: Hook, behind: Connection) -> None:
    kept = behind.execute(text("SELECT secret FROM webhook_endpoints")).scalar_one()
    assert told.secret not in kept
    assert SEAL.open(kept) == told.secret


def test_only_chosen_kinds_are_told_and_only_what_happens_from_then_on(portal: Portal, receiver: Receiver, deliverer: Deliverer) -> None:
    tell(portal, kind=MERGED)
    chosen = hook(portal, f"http://127.0.0.1:{receiver.port}/", MERGED)
    everything = hook(portal, f"http://127.0.0.1:{receiver.port}/all")
    tell(portal, kind=MERGED)
    tell(portal, kind=ALERT)
    deliverer.drain()
    assert (len(chosen.log()), len(everything.log())) == (1, 2)


def test_another_portal_hears_nothing(portal: Portal, other: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer) -> None:
    tell(other)
    deliverer.drain()
    assert receiver.heard == []


def test_a_receiver_that_is_down_for_an_hour_misses_nothing_and_hears_each_event_once(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    back = clock.now + timedelta(hours=1)
    taken: list[str] = []

    def behave(heard: Heard) -> Reply | None:
        if clock.now < back:
            return None
        taken.append(heard.id)
        return Reply()

    receiver.behaviour = behave
    sent = tell(portal, number=3)
    until(deliverer, clock, told, minutes=30)
    sent += tell(portal, number=2)
    until(deliverer, clock, told, minutes=30)
    assert states(told) == ["waiting"] * 5
    assert told.view().failing_since is not None
    calls = until(deliverer, clock, told, hours=2)
    assert sorted(taken) == sorted(str(event_id) for event_id in sent)
    assert (states(told), calls) == (["delivered"] * 5, 5)
    assert told.view().failing_since is None
    # Every attempt said the same, byte by byte.
    assert len({heard.body for heard in receiver.heard}) == 5


def test_a_flapping_receiver_hears_everything_and_nothing_twice_that_it_took(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    chance, taken = random.Random(3), Counter[str]()

    def behave(heard: Heard) -> Reply | None:
        status = chance.choice([200, 500, 503, 429, None])
        if status == 200:
            taken[heard.id] += 1
        return None if status is None else Reply(status)

    receiver.behaviour = behave
    sent = {str(event_id) for event_id in tell(portal, number=12)}
    until(deliverer, clock, told, hours=23)
    assert taken == Counter(dict.fromkeys(sent, 1))


def test_after_a_day_it_is_a_dead_letter_and_can_be_sent_again(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    receiver.behaviour = lambda _: Reply(500)
    began = clock.now
    tell(portal)
    calls = until(deliverer, clock, told, hours=30)
    (dead,) = told.log()
    assert (dead.state, dead.status, dead.reason, dead.attempts) == (DeliveryState.DEAD, 500, "It answered 500.", calls)
    assert dead.finished_at == began + timedelta(hours=24)
    assert 20 < calls < 40
    assert (told.view().dead, told.view().state) == (1, EndpointState.ACTIVE)
    receiver.behaviour = lambda _: Reply()
    told.do(redeliver, delivery_id=dead.id, now=clock.now)
    deliverer.drain()
    assert states(told) == ["delivered"]
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        _, attempts = get_delivery(session=session, tenant_id=portal.tenant_id, endpoint_id=told.id, delivery_id=dead.id)
    assert len(attempts) == calls + 1
    assert [attempt.status for attempt in attempts][-2:] == [500, 200]


def test_the_pauses_grow_to_an_hour_and_are_never_the_same() -> None:
    chance = random.Random(5)
    pauses = [retry_delay(attempts, chance).total_seconds() for attempts in range(1, 40)]
    for attempts, pause in enumerate(pauses, 1):
        middle = min(5 * 3 ** min(attempts - 1, 20), 3600)
        assert 0.75 * middle <= pause <= 1.25 * middle
    assert len(set(pauses)) == len(pauses)


@pytest.mark.parametrize(("status", "header"), [(429, "600"), (503, "600")])
def test_retry_after_is_kept_by_the_whole_endpoint(
    *, portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock, status: int, header: str
) -> None:
    receiver.behaviour = lambda _: Reply(status, {"Retry-After": header})
    tell(portal)
    deliverer.drain()
    tell(portal)
    clock.pass_by(seconds=599)
    assert deliverer.drain() == 0
    receiver.behaviour = lambda _: Reply()
    clock.pass_by(seconds=1)
    assert deliverer.drain() == 2


def test_gone_disables_the_endpoint_at_once_and_what_waits_is_told_when_it_is_back(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    receiver.behaviour = lambda _: Reply(410)
    tell(portal)
    deliverer.drain()
    found = told.view()
    assert (found.state, found.disabled_reason) == (EndpointState.DISABLED, "It answered 410: this address is gone for good.")
    receiver.behaviour = lambda _: Reply()
    tell(portal)
    clock.pass_by(days=3)
    assert deliverer.drain() == 0
    told.do(webhooks.change_endpoint, change=EndpointChange(active=True), now=clock.now)
    assert deliverer.drain() == 2
    assert states(told) == ["delivered", "delivered"]


def test_an_endpoint_that_fails_for_days_is_disabled_with_its_reason(
    *, portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock, behind: Connection
) -> None:
    receiver.behaviour = lambda _: Reply(404)
    tell(portal)
    deliverer.drain()
    clock.pass_by(seconds=DISABLE_AFTER.total_seconds() - 60)
    tell(portal)
    deliverer.drain()
    assert told.view().state is EndpointState.ACTIVE
    clock.pass_by(seconds=70)
    deliverer.drain()
    assert told.view().disabled_reason == "Every attempt has failed for 5 days. The last one: It answered 404."
    actions = behind.execute(text("SELECT action FROM audit_events WHERE subject_kind = 'webhook'")).scalars().all()
    assert actions == ["webhook.created", "webhook.disabled"]


def test_one_success_ends_the_count_of_days(portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock) -> None:
    for status in (500, 200, 500):
        receiver.behaviour = lambda _, status=status: Reply(status)  # type: ignore[misc]
        tell(portal)
        deliverer.drain()
        clock.pass_by(days=4)
    assert told.view().state is EndpointState.ACTIVE


def test_a_ping_goes_to_the_one_endpoint_whatever_it_wants_to_hear(portal: Portal, receiver: Receiver, deliverer: Deliverer) -> None:
    tested = hook(portal, f"http://127.0.0.1:{receiver.port}/a", MERGED)
    hook(portal, f"http://127.0.0.1:{receiver.port}/b")
    tested.do(webhooks.ping_endpoint)
    deliverer.drain()
    assert [(heard.path, json.loads(heard.body)["type"]) for heard in receiver.heard] == [("/a", "webhook.ping")]


def test_a_disabled_endpoint_is_not_tested(told: Hook, clock: Clock) -> None:
    told.do(webhooks.change_endpoint, change=EndpointChange(active=False), now=clock.now)
    with pytest.raises(Conflict, match="enable it"):
        told.do(webhooks.ping_endpoint)


def test_everything_since_a_time_is_told_again_by_the_same_ids(
    *, portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock, behind: Connection
) -> None:
    first = tell(portal, number=2)
    since = behind.execute(text("SELECT clock_timestamp()")).scalar_one()
    later = tell(portal, number=3)
    deliverer.drain()
    assert told.do(redeliver_since, since=since, delivered=False, now=clock.now) == 0
    assert told.do(redeliver_since, since=since, delivered=True, now=clock.now) == 3
    deliverer.drain()
    assert Counter(heard.id for heard in receiver.heard) == Counter([str(event_id) for event_id in first + later + later])


def test_a_removed_endpoint_is_told_nothing_more(
    *, portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock, behind: Connection
) -> None:
    receiver.behaviour = lambda _: Reply(500)
    tell(portal)
    deliverer.drain()
    told.do(webhooks.remove_endpoint, now=clock.now)
    tell(portal)
    clock.pass_by(hours=2)
    assert deliverer.drain() == 0
    assert behind.execute(text("SELECT state, reason FROM deliveries")).one() == ("dead", "The endpoint was removed.")
    assert behind.execute(text("SELECT secret FROM webhook_endpoints")).scalar_one() == ""


def test_an_endpoint_that_is_removed_while_it_is_called_leaves_nothing_waiting(
    portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, clock: Clock
) -> None:
    def behave(_: Heard) -> Reply:
        told.do(webhooks.remove_endpoint, now=clock.now)
        return Reply(500)

    receiver.behaviour = behave
    tell(portal)
    deliverer.drain()
    with portal.logins.worker.transaction() as session:
        assert session.execute(text("SELECT state, reason FROM deliveries")).one() == ("dead", "The endpoint was removed.")


@pytest.mark.parametrize("table", ["webhook_endpoints", "deliveries", "delivery_attempts"])
def test_a_web_process_sees_the_rows_of_the_tenants_at_hand_and_an_administrator_the_log_without_events(
    *, portal: Portal, other: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, table: str
) -> None:
    tell(portal)
    deliverer.drain()
    query = text(f"SELECT count(*) FROM {table}")
    for login in (portal.logins.intake, portal.logins.review):
        seen = []
        for tenants in ([portal.tenant_id], [other.tenant_id], None):
            with login.transaction(tenants=tenants) as session:
                seen.append(session.scalar(query))
        assert seen == [1, 0, 0]
    with portal.logins.review.transaction(admin=True) as session:
        assert session.scalar(query) == 1
        assert session.scalar(text("SELECT count(*) FROM portal_events")) == 0


def test_delivering_is_audited(portal: Portal, receiver: Receiver, told: Hook, deliverer: Deliverer, behind: Connection) -> None:
    (event_id,) = tell(portal)
    deliverer.drain()
    found = behind.execute(text("SELECT subject_id, details FROM audit_events WHERE action = 'portal_event.delivered'")).one()
    assert found == (event_id, {"webhook": str(told.id), "attempts": 1})
