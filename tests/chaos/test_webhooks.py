"""Portals are told although the process that tells them is killed: through the API, by the running system, to a real receiver."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from tests.chaos.system import System, wait_until
from tests.delivery.conftest import Heard, Receiver, Reply, receiving

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

CASES = 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def ask(system: System, path: str, **body: Any) -> dict[str, Any]:
    """POST JSON to the API as the portal does."""
    request = urllib.request.Request(f"{system.stack.address('intake')}{path}", data=json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {system.access.api_key}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def end_leases(system: System) -> None:
    """Let the time of the dead process be over."""
    with system.engine.begin() as connection:
        connection.execute(text("UPDATE deliveries SET lease_expires_at = now() WHERE state = 'leased'"))


def test_a_killed_process_loses_no_event_and_every_signature_holds(system: System, receiver: Receiver) -> None:
    made = ask(system, "/v1/webhooks", url=f"http://127.0.0.1:{receiver.port}/hooks", kinds=["case.analysed", "case.failed"])
    system.stack.start_processes(("delivery",))
    taken: list[str] = []

    def behave(heard: Heard) -> Reply:
        if len(receiver.heard) == 1:
            system.stack.kill("delivery")  # while it waits for this answer
            time.sleep(0.2)
        taken.append(heard.id)
        return Reply()

    receiver.behaviour = behave
    try:
        cases = {str(case_id) for case_id in system.submit(system.submissions(CASES))}
        wait_until(lambda: len(set(taken)) >= CASES - 1, what="every case but the interrupted one is told", timeout=60)
        end_leases(system)
        wait_until(lambda: len(set(taken)) == CASES, what="every case is told", timeout=60)
        said = [Webhook(made["secret"]).verify(heard.body, heard.headers) for heard in receiver.heard]
        assert {each["data"]["case_id"] for each in said} == cases
        event = ask(system, f"/v1/webhooks/{made['id']}/ping")["event_id"]
        system.stack.wait_ready("delivery", timeout=60)
        wait_until(lambda: event in taken, what="the test arrives", timeout=30)
    finally:
        system.stack.stop("delivery")
