"""Webhooks as a portal makes and watches them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from services.records.webhooks import MOST_ENDPOINTS
from tests.intake.conftest import Backstage, Portal, Sender

URL = "https://portal.example/hooks"


@pytest.fixture
def ask(sender: Sender) -> Callable[..., TestResponse]:
    """`ask("post", "/v1/webhooks", url=…)`."""

    def call(method: str, path: str, **body: Any) -> TestResponse:
        given = {"json": body} if method in ("post", "patch") else {}
        return getattr(sender.client, method)(path, headers=sender.portal.headers, **given)  # type: ignore[no-any-return]

    return call


Ask = Callable[..., TestResponse]


@pytest.fixture
def made(ask: Ask) -> dict[str, Any]:
    answer = ask("post", "/v1/webhooks", url=URL, kinds=["case.reviewed"], description="production")
    assert answer.status_code == 201
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_webhook_shows_its_secret_when_it_is_made_and_never_again(ask: Ask, made: dict[str, Any]) -> None:
    assert made["secret"].startswith("whsec_")
    (listed,) = ask("get", "/v1/webhooks").get_json()["webhooks"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert (listed["url"], listed["kinds"], listed["state"]) == (URL, ["case.reviewed"], "active")
    assert ask("get", f"/v1/webhooks/{made['id']}").get_json() == listed


@pytest.mark.parametrize(
    "url", ["https://10.0.0.7/", "https://user@portal.example/", "ftp://portal.example/", "https://portal.example:25/", "portal.example"]
)
def test_an_address_that_is_no_portals_is_refused(ask: Ask, url: str) -> None:
    answer = ask("post", "/v1/webhooks", url=url)
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "invalid_fields")


@pytest.mark.parametrize("kinds", [["webhook.ping"], ["case.unheard"], "case.reviewed"])
def test_only_what_happens_can_be_chosen(ask: Ask, kinds: Any) -> None:
    assert ask("post", "/v1/webhooks", url=URL, kinds=kinds).status_code == 422


def test_a_portal_has_not_more_than_it_can_look_after(ask: Ask) -> None:
    for _ in range(MOST_ENDPOINTS):
        assert ask("post", "/v1/webhooks", url=URL).status_code == 201
    answer = ask("post", "/v1/webhooks", url=URL)
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "conflict")


def test_it_is_changed_switched_off_and_on_and_removed(ask: Ask, made: dict[str, Any]) -> None:
    path = f"/v1/webhooks/{made['id']}"
    changed = ask("patch", path, url="https://portal.example/new", kinds=[], active=False).get_json()
    assert (changed["url"], changed["kinds"], changed["state"]) == ("https://portal.example/new", [], "disabled")
    assert changed["disabled_reason"] == "Switched off by hand."
    assert ask("post", f"{path}/ping").status_code == 409
    assert ask("patch", path, active=True).get_json()["state"] == "active"
    assert ask("post", f"{path}/ping").status_code == 202
    assert ask("patch", path, url="https://127.0.0.1:99999/").status_code == 422
    assert ask("delete", path).status_code == 204
    assert ask("get", path).status_code == 404
    assert ask("get", "/v1/webhooks").get_json() == {"webhooks": []}


def test_a_secret_is_rotated_with_an_overlap(ask: Ask, made: dict[str, Any]) -> None:
    path = f"/v1/webhooks/{made['id']}"
    rotated = ask("post", f"{path}/secret", overlap_hours=2).get_json()
    assert rotated["secret"] not in ("", made["secret"])
    until = datetime.fromisoformat(rotated["previous_secret_until"])
    assert timedelta(minutes=119) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert ask("post", f"{path}/secret", overlap_hours=200).status_code == 422


def test_another_portals_webhook_looks_like_none(app: APIFlask, made: dict[str, Any], new_portal: Callable[[], Portal]) -> None:
    theirs = new_portal()
    client = app.test_client()
    for method, tail in [("get", ""), ("patch", ""), ("delete", ""), ("get", "/deliveries"), ("post", "/ping"), ("post", "/secret")]:
        answer = getattr(client, method)(f"/v1/webhooks/{made['id']}{tail}", headers=theirs.headers, json={} if method != "get" else None)
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "webhook_not_found")


def test_the_log_is_read_and_asked_for_again(
    *, ask: Ask, sender: Sender, made: dict[str, Any], picture: bytes, backstage: Backstage, superuser_engine: Engine
) -> None:
    """The case is decided; what the process would write about telling it is written here."""
    case = sender.post(("mole.jpg", picture), case={"patient": {"reference": "P-1"}, "reference": "C-1"}).get_json()
    backstage.analyse()
    backstage.confirm(sender.portal, uuid.UUID(case["id"]))
    tell = """INSERT INTO deliveries (id, tenant_id, endpoint_id, event_id, kind, sequence, happened_at, due_at, give_up_at, state,
        attempts, finished_at, status, reason)
        SELECT gen_random_uuid(), e.tenant_id, w.id, e.id, e.kind, e.sequence, e.created_at, now(), now(), 'dead', 29, now(), 500, 'why'
        FROM portal_events e, webhook_endpoints w WHERE e.kind = 'case.reviewed'"""
    with superuser_engine.begin() as connection:
        connection.execute(text(tell))
    path = f"/v1/webhooks/{made['id']}"
    assert ask("get", path).get_json()["dead"] == 1
    (found,) = ask("get", f"{path}/deliveries?state=dead").get_json()["deliveries"]
    assert (found["kind"], found["state"], found["status"], found["reason"]) == ("case.reviewed", "dead", 500, "why")
    one = f"{path}/deliveries/{found['id']}"
    assert ask("get", one).get_json() == {**found, "log": []}
    assert ask("post", f"{one}/redeliver").status_code == 202
    assert ask("get", one).get_json()["state"] == "waiting"
    again = ask("post", f"{path}/redeliver", since="2026-01-01T00:00:00Z").get_json()
    assert again == {"deliveries": 1}
    assert ask("post", f"{path}/redeliver", since="2100-01-01T00:00:00Z", delivered=True).get_json() == {"deliveries": 0}
    assert ask("get", f"{path}/deliveries?cursor=nonsense").status_code == 422
    assert ask("get", f"{path}/deliveries/{uuid.uuid4()}").get_json()["reason"] == "delivery_not_found"
