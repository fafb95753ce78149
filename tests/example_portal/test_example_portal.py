"""The example portal: what it sends, and that it does nothing twice."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from flask import Flask
from standardwebhooks.webhooks import Webhook

from infra.example_portal.app import create_app
from services.client import Client

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
CASE = str(uuid4())
ACCEPTED = {
    "id": CASE,
    "received_at": "2026-01-01T00:00:00Z",
    "due_at": "2026-01-02T00:00:00Z",
    "status_url": f"/v1/cases/{CASE}",
}


def answer(request: httpx.Request) -> httpx.Response:
    """Dermatrail as seen from the portal's edge of the network."""
    if request.url.path.endswith("/report"):
        return httpx.Response(200, content=b"%PDF-1.7 report")
    refused = b"broken.jpg" in request.read()
    problem = {"status": 422, "reason": "invalid_picture", "title": "no", "detail": "The picture is cut off.", "errors": []}
    return httpx.Response(422, json=problem) if refused else httpx.Response(202, json=ACCEPTED)


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Flask]:
    with Client("http://derma.example", "dmt_key") as client:
        client._api._transport = httpx.MockTransport(answer)
        client._api._mounts = {}
        yield create_app(client=client, secrets=[SECRET], path=tmp_path / "portal.sqlite")


def send(portal: Flask, filename: str = "mole.jpg") -> str:
    form = {"patient": "P-1", "lesion": "", "site": "forearm", "reference": "", "picture": (BytesIO(b"picture"), filename)}
    return portal.test_client().post("/cases", data=form, content_type="multipart/form-data", follow_redirects=True).text


def tell(portal: Flask, kind: str, *, message: str = "msg_1", secret: str = SECRET) -> int:
    body = json.dumps({"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": {"subject_kind": "case", "subject_id": CASE}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, now, body),
    }
    return portal.test_client().post("/webhooks", data=body, headers=headers, content_type="application/json").status_code


def heard(path: Path) -> list[str]:
    with sqlite3.connect(path) as known:
        return [row[0] for row in known.execute("SELECT type FROM heard")]


def test_a_picture_is_sent_and_followed_to_its_report(portal: Flask) -> None:
    assert "sent" in send(portal)
    assert tell(portal, "case.reviewed") == 204
    browser = portal.test_client()
    assert "decided" in browser.get("/").text
    report = browser.get(f"/cases/{CASE}/report")
    assert (report.mimetype, report.data[:5]) == ("application/pdf", b"%PDF-")


def test_a_refused_picture_says_why(portal: Flask) -> None:
    assert "The picture is cut off." in send(portal, "broken.jpg")


def test_what_nobody_has_signed_changes_nothing(portal: Flask, tmp_path: Path) -> None:
    send(portal)
    stranger = "whsec_" + base64.b64encode(bytes(24)).decode()
    assert tell(portal, "case.reviewed", secret=stranger) == 401
    assert "decided" not in portal.test_client().get("/").text


def test_a_message_that_comes_again_changes_nothing(portal: Flask, tmp_path: Path) -> None:
    send(portal)
    assert tell(portal, "case.reviewed", message="msg_1") == 204
    assert tell(portal, "image.retake_requested", message="msg_2") == 204
    assert tell(portal, "case.reviewed", message="msg_1") == 204, "what was taken must be answered as taken"
    assert "a new picture is asked for" in portal.test_client().get("/").text
    assert len(heard(tmp_path / "portal.sqlite")) == 2


def test_a_message_that_comes_twice_at_once_is_taken_once(portal: Flask, tmp_path: Path) -> None:
    send(portal)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tell(portal, "case.analysed", message="msg_9"), range(16)))
    assert answers == [204] * 16
    assert heard(tmp_path / "portal.sqlite") == ["case.analysed"]
