"""A portal that puts files into the store itself."""

import hashlib
from typing import Any

import httpx
from werkzeug.test import TestResponse

from tests.intake.conftest import Sender


def announce(sender: Sender, data: bytes, *, name: str = "mole.jpg", **changes: Any) -> TestResponse:
    """Announce a file."""
    said = {"filename": name, "byte_size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes}
    return sender.client.post("/v1/uploads", json=said, headers=sender.portal.headers)


def put(announced: dict[str, Any], data: bytes) -> int:
    """Put the bytes where the announcement says; the store's answer."""
    headers = {name: value for name, value in announced["put_headers"].items() if name != "content-length"}
    return httpx.put(announced["put_url"], content=data, headers=headers).status_code


def complete(sender: Sender, announced: dict[str, Any]) -> TestResponse:
    return sender.client.post(announced["complete_url"], headers=sender.portal.headers)


def uploaded(sender: Sender, data: bytes, *, name: str = "mole.jpg") -> str:
    """A file that is ready: its id."""
    announced = announce(sender, data, name=name).get_json()
    assert put(announced, data) == 200
    assert complete(sender, announced).get_json()["state"] == "ready"
    return str(announced["id"])


def submit(sender: Sender, *uploads: str, key: str | None = None, **said: Any) -> TestResponse:
    """A case that names uploads."""
    headers = sender.portal.headers | ({"Idempotency-Key": key} if key else {})
    body = {"patient": {"reference": "P-1042"}, "uploads": list(uploads), **said}
    return sender.client.post("/v1/cases", json=body, headers=headers)


def batch(sender: Sender, *items: dict[str, Any], key: str | None = None) -> TestResponse:
    headers = sender.portal.headers | ({"Idempotency-Key": key} if key else {})
    return sender.client.post("/v1/batches", json={"items": list(items)}, headers=headers)


def item(upload: str, **said: Any) -> dict[str, Any]:
    return {"patient": {"reference": "P-1042"}, "uploads": [upload], **said}
