"""The conformance checks find what is wrong: each is shown a service that does it wrongly."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.client import Client, DermatrailError, WebhookRefused
from services.client.check import CHECKS, Check, CheckFailed, answers, documents
from services.client.check.bench import Bench
from services.client.check.receiver import Receiver

Answer = Callable[[httpx.Request], httpx.Response]
CASE = str(uuid4())
LINE = {
    "id": CASE,
    "status": "reviewed",
    "reference": None,
    "patient_reference": "P-1",
    "received_at": "2026-01-01T00:00:00Z",
    "reviewed_at": None,
    "image_count": 1,
}
DECIDED = {
    "decision": "confirm",
    "diagnosis": "NV",
    "reason": None,
    "management": "discharge",
    "follow_up_on": None,
    "note": "",
    "reviewer": "x",
    "decided_at": "2026-01-01T00:00:00Z",
}
IMAGE = {"id": CASE, "filename": "a.jpg", "state": "done", "reason": None, "analysis": {"prediction": "NV"}}
FULL = {
    **LINE,
    "patient": {"reference": "P-1"},
    "patient_id": CASE,
    "due_at": "2026-01-02T00:00:00Z",
    "images": [IMAGE],
    "decision": DECIDED,
}
ACCEPTED = {"id": CASE, "received_at": "2026-01-01T00:00:00Z", "due_at": "2026-01-02T00:00:00Z", "status_url": f"/v1/cases/{CASE}"}


def bench(folder: Path, answer: Answer, *, receiver: Receiver | None = None) -> Bench:
    """A bench whose service answers so."""
    transport = httpx.MockTransport(answer)
    client = Client("http://derma.example", "dmt_key", sleep=lambda _: None)
    for part in (client._api, client._plain):
        part._transport, part._mounts = transport, {}
    return Bench(client, httpx.Client(base_url="http://derma.example", transport=transport), folder, receiver, patience=0)


UPLOAD = {"id": CASE, "status": "pending", "state": "pending", "expires_at": "2026-01-01T00:00:00Z"}
PUT = {"put_url": "http://derma.example/put", "put_headers": {}, "complete_url": "/x/complete"}
# A service that takes everything, knows one decided case, and has never heard of problems or scripts: what it is asked, and what it says.
WRONG: tuple[tuple[str, int, Callable[[], object]], ...] = (
    ("GET /readyz", 500, dict),
    ("GET /v1/portal", 200, lambda: {"name": "Clinic", "slug": "clinic", "sandbox": False}),
    ("POST /v1/cases", 202, lambda: {**ACCEPTED, "id": str(uuid4())}),
    ("GET /v1/cases", 200, lambda: {"cases": [LINE], "next_cursor": None}),
    ("POST (/v1/uploads|/x/complete)", 201, lambda: UPLOAD | PUT),
    ("GET /v1/cases/[^/]+/report", 200, lambda: b"%PDF-" + uuid4().bytes),
    ("GET /v1/cases/.+", 200, lambda: FULL),
    ("GET /v1/events", 200, lambda: {"events": [], "next_cursor": "c", "more": False}),
    ("POST /v1/webhooks", 201, lambda: {"id": CASE, "secret": "whsec_AAAA"}),
    ("POST .*/ping", 202, lambda: {"event_id": CASE}),
    ("DELETE .*", 204, lambda: b""),
    (".* /fhir.*", 200, lambda: {"status": "preliminary", "fhirVersion": "3.0.2"}),
    (".*", 200, list),
)


def wrong(request: httpx.Request) -> httpx.Response:
    """The service of ``WRONG``."""
    asked = f"{request.method} {request.url.path}"
    status, said = next((status, say()) for pattern, status, say in WRONG if re.fullmatch(pattern, asked))
    return httpx.Response(status, content=said) if isinstance(said, bytes) else httpx.Response(status, json=said)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_check_fails_where_the_service_does_it_wrongly(check: Check, tmp_path: Path) -> None:
    with Receiver() as receiver:
        used = bench(tmp_path, wrong, receiver=receiver)
        used.cases["naevus"] = uuid4()
        with pytest.raises((CheckFailed, DermatrailError)):
            check.run(used)


def test_a_signature_by_another_secret_is_not_accepted(tmp_path: Path) -> None:
    with Receiver() as receiver:
        headers = {"Webhook-Id": CASE, "Webhook-Timestamp": "1", "Webhook-Signature": "v1,AAAA"}
        receiver.came.append((headers, b"{}"))
        with pytest.raises(WebhookRefused, match="too old"):
            answers.webhooks_come_signed(bench(tmp_path, wrong, receiver=receiver))


def test_a_report_that_changes_is_noticed(tmp_path: Path) -> None:
    used = bench(tmp_path, wrong)
    used.cases["melanoma"] = uuid4()
    with pytest.raises(CheckFailed, match="differs"):
        documents.the_report_is_the_same_every_time(used)


def test_the_receiver_keeps_what_comes() -> None:
    with Receiver() as receiver:
        assert httpx.post(receiver.url, content=b"{}", headers={"webhook-id": "m"}, trust_env=False).status_code == 204
        assert [(dict(headers)["webhook-id"], body) for headers, body in receiver.came] == [("m", b"{}")]
