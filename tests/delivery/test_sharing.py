"""Many endpoints at once: who is slow waits alone, and two processes share the work without doing it twice."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from services.records.deliveries import SHARES, Attempted, ClaimedDelivery, Lane, claim_deliveries, fan_out, settle_delivery
from services.records.states import DeliveryState
from tests.conftest import ROOT, SettingsFor
from tests.delivery.conftest import SEAL_KEY, Clock, Heard, Hook, MakeDeliverer, Receiver, Reply, hook, receiving, tell
from tests.records.worlds import Portal, new_portal

NOW = datetime.now(UTC)
LEASE = timedelta(minutes=2)


def claim(portal: Portal, lane: Lane, *, limit: int = 100, now: datetime = NOW, owner: str = "a") -> list[ClaimedDelivery]:
    with portal.logins.worker.transaction() as session:
        while fan_out(session=session, now=now):
            pass
        return claim_deliveries(session=session, owner=owner, lane=lane, limit=limit, lease=LEASE, now=now)


def settle(portal: Portal, claimed: ClaimedDelivery, *, owner: str = "a", now: datetime = NOW, **came: object) -> DeliveryState | None:
    attempted = Attempted(at=now, **{"seconds": 0.1, "status": 200, **came})  # type: ignore[arg-type]
    with portal.logins.worker.transaction() as session:
        return settle_delivery(session=session, owner=owner, claimed=claimed, attempted=attempted, now=now, chance=random.Random(1))


def test_an_endpoint_has_its_share_of_calls_and_no_more(portal: Portal) -> None:
    hook(portal, "https://a.example/")
    tell(portal, number=20)
    share = SHARES[Lane.STEADY].endpoint
    first = claim(portal, Lane.STEADY)
    assert len(first) == share
    assert claim(portal, Lane.STEADY, owner="b") == []
    settle(portal, first[0])
    assert len(claim(portal, Lane.STEADY)) == 1


def test_portals_take_turns_however_much_one_has_to_hear(portal: Portal) -> None:
    other = new_portal(portal.logins, "small")
    for number in range(5):
        hook(portal, f"https://a{number}.example/")
    hook(other, "https://b.example/")
    tell(portal, number=50)
    tell(other, number=2)
    claimed = claim(portal, Lane.STEADY)
    assert Counter(each.tenant_id for each in claimed) == {portal.tenant_id: SHARES[Lane.STEADY].portal, other.tenant_id: 2}
    # The small one is among the first, not behind the fifty.
    assert [each.tenant_id for each in claimed[:4]].count(other.tenant_id) == 2


def test_an_endpoint_that_fails_or_is_slow_goes_to_the_other_lane_and_comes_back(portal: Portal) -> None:
    hook(portal, "https://a.example/")
    tell(portal, number=8)
    for came in ({"status": 500, "reason": "It answered 500."}, {"seconds": 9.0}):
        settle(portal, claim(portal, Lane.STEADY, limit=1)[0], **came)
        assert claim(portal, Lane.STEADY) == []
        (alone,) = claim(portal, Lane.TROUBLED)
        settle(portal, alone)
    assert len(claim(portal, Lane.STEADY)) > 1


def test_slow_endpoints_hold_nobody_up(portal: Portal, deliverer_of: MakeDeliverer) -> None:
    """Ten portals whose receivers answer after their time is over; one that answers at once, with many events."""
    quick = new_portal(portal.logins, "quick")
    slow = [new_portal(portal.logins, f"slow-{number}") for number in range(10)]
    done = threading.Event()
    with receiving() as tarpit, receiving() as receiver:

        def stall(_: Heard) -> None:
            done.wait(10)

        tarpit.behaviour = stall
        for each in slow:
            hook(each, f"http://127.0.0.1:{tarpit.port}/")
            tell(each, number=1)
        deliverer = deliverer_of()
        with ThreadPoolExecutor(1) as pool:
            # The first call of each shows how slow it is.
            pool.submit(deliverer.drain).result(timeout=30)
            for each in slow:
                tell(each, number=3)
            hook(quick, f"http://127.0.0.1:{receiver.port}/")
            tell(quick, number=40)
            draining = pool.submit(deliverer.drain)
            began = time.monotonic()
            while len(receiver.heard) < 40 and time.monotonic() - began < 20:
                time.sleep(0.02)
            took = time.monotonic() - began
            done.set()
            draining.result(timeout=60)
    assert len(receiver.heard) == 40
    # The slow ones take two seconds for each call; 40 calls of the quick one did not wait for any of them.
    assert took < 10


def test_two_processes_share_the_work_and_tell_nothing_twice(portal: Portal, receiver: Receiver, deliverer_of: MakeDeliverer) -> None:
    told = hook(portal, f"http://127.0.0.1:{receiver.port}/")
    sent = tell(portal, number=60)
    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(deliverer_of().drain) for _ in range(3)]:
            each.result(timeout=60)
    assert Counter(heard.id for heard in receiver.heard) == Counter(str(event_id) for event_id in sent)
    assert {each.state for each in told.log()} == {DeliveryState.DELIVERED}


def test_who_comes_back_from_the_dead_changes_nothing(portal: Portal) -> None:
    told = hook(portal, "https://a.example/")
    tell(portal)
    (lost,) = claim(portal, Lane.STEADY)
    later = NOW + LEASE
    (again,) = claim(portal, Lane.STEADY, now=later, owner="b")
    assert (again.id, again.attempts, again.event_id) == (lost.id, 2, lost.event_id)
    assert settle(portal, lost, owner="a", now=later, status=500, reason="It answered 500.") is None
    assert told.log()[0].state is DeliveryState.LEASED
    assert settle(portal, again, owner="b", now=later) is DeliveryState.DELIVERED


def test_stopping_makes_no_further_calls(portal: Portal, receiver: Receiver, deliverer_of: MakeDeliverer) -> None:
    told = hook(portal, f"http://127.0.0.1:{receiver.port}/")
    tell(portal, number=20)
    stopping = threading.Event()

    def behave(_: Heard) -> Reply:
        stopping.set()
        return Reply()

    receiver.behaviour = behave
    deliverer_of(stopping=stopping).drain()
    states = Counter(each.state for each in told.log())
    assert states[DeliveryState.LEASED] == 0
    assert 0 < len(receiver.heard) <= SHARES[Lane.STEADY].endpoint
    assert states[DeliveryState.DELIVERED] == len(receiver.heard)


# The process


PROCESS = """
import sys, psutil
from workers import app, delivery_process
import importlib
for task in app.TASKS:
    importlib.import_module(task)
delivery_process.prepare_process()
heavy = [name for name in ("torch", "cv2", "numpy", "highdicom") if name in sys.modules]
print("ready", psutil.Process().memory_info().rss, heavy, flush=True)
delivery_process.drain()
print("drained", flush=True)
"""


Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(settings_for: SettingsFor) -> Iterator[Start]:
    """`start()`: a process that drains once."""
    settings = settings_for("worker")
    variables = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BROKER_URL": settings.broker_url.get_secret_value(),
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "DATA_KEY": SEAL_KEY,
        "WEBHOOK_HTTP": "true",
        "WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    environment = {**os.environ, **{f"DERMATRAIL_{name}": value for name, value in variables.items()}}
    made: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        process = subprocess.Popen([sys.executable, "-c", PROCESS], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        made.append(process)
        return process

    yield run
    for process in made:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline()


def test_a_process_killed_in_the_middle_loses_nothing(
    *, portal: Portal, receiver: Receiver, start: Start, deliverer_of: MakeDeliverer, clock: Clock
) -> None:
    told = hook(portal, f"http://127.0.0.1:{receiver.port}/")
    sent = {str(event_id) for event_id in tell(portal, number=10)}
    stuck, taken = threading.Event(), Counter[str]()

    def behave(heard: Heard) -> Reply:
        if len(receiver.heard) == 6:
            stuck.set()
            time.sleep(1)  # its caller dies meanwhile
        taken[heard.id] += 1
        return Reply()

    receiver.behaviour = behave
    process = start()
    _, memory, heavy = line(process).split(maxsplit=2)
    assert (int(memory) < 150_000_000, heavy.strip()) == (True, "[]")
    assert stuck.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deliverer = deliverer_of()
    deliverer.drain()
    interrupted = [each for each in told.log() if each.state is DeliveryState.LEASED]
    assert interrupted
    clock.now = datetime.now(UTC) + LEASE
    deliverer.drain()
    assert {each.state for each in told.log()} == {DeliveryState.DELIVERED}
    # Nothing is lost; what was on its way comes twice, by the id that it had.
    assert set(taken) == sent
    assert {event_id for event_id, times in taken.items() if times > 1} <= {str(each.event_id) for each in interrupted}


def test_a_process_drains_what_is_due(portal: Portal, receiver: Receiver, start: Start) -> None:
    told: Hook = hook(portal, f"http://127.0.0.1:{receiver.port}/")
    tell(portal, number=3)
    process = start()
    assert [line(process).split()[0], line(process).strip()] == ["ready", "drained"]
    assert [each.state for each in told.log()] == [DeliveryState.DELIVERED] * 3
