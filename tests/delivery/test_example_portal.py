"""The example portal behind a bad line: nothing is lost on the way, and nothing is done twice."""

import random
import sqlite3
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.example_portal.app import create_app
from services.client import Client
from tests.delivery.conftest import Clock, Heard, Receiver, Reply, hook, tell
from tests.delivery.test_deliveries import until
from tests.records.worlds import Portal
from workers.delivering import Deliverer

EVENTS = 40


@pytest.fixture
def same_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal lives by the same clock as the test, which moves."""
    monkeypatch.setattr("services.client.webhooks.time", SimpleNamespace(time=lambda: clock().timestamp()))


@pytest.mark.usefixtures("same_time")
def test_an_hour_away_and_then_a_bad_line_lose_nothing_and_repeat_nothing(
    portal: Portal, receiver: Receiver, deliverer: Deliverer, clock: Clock, tmp_path: Path
) -> None:
    told = hook(portal, f"http://127.0.0.1:{receiver.port}/webhooks")
    path, chance, back = tmp_path / "portal.sqlite", random.Random(4), clock.now + timedelta(hours=1)
    with Client("http://derma.example", "dmt_key") as client:
        browser = create_app(client=client, secrets=[told.secret], path=path).test_client()

        def line(heard: Heard) -> Reply | None:
            """Away for an hour; then the message is lost, or its answer is, or all is well."""
            if clock.now < back or chance.random() < 0.3:
                return None
            answer = browser.post(heard.path, data=heard.body, headers=heard.headers)
            return chance.choice([Reply(answer.status_code), Reply(500), Reply(302, {"location": "http://127.0.0.1:9/"}), None])

        receiver.behaviour = line
        events = tell(portal, number=EVENTS)
        until(deliverer, clock, told, hours=30)
    with sqlite3.connect(path) as known:
        done = [row[0] for row in known.execute("SELECT id FROM heard")]
    assert sorted(done) == sorted(map(str, events))
    taken = [heard.id for heard in receiver.heard]
    assert len(taken) > 2 * EVENTS, "the line was not bad enough to say anything"
    assert {each.state.value for each in told.log()} <= {"delivered", "dead"}
