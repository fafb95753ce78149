"""The helper accepts what the published package signs, and nothing else."""

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks

from services.client import WebhookRefused, verify_webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BODY = b'{"type": "case.reviewed", "note": "\xc3\xa4"}'


def headers(secret: str = SECRET) -> dict[str, str]:
    signature = standardwebhooks.Webhook(secret).sign("msg_1", NOW, BODY.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(NOW.timestamp())), "Webhook-Signature": signature}


def test_a_signed_message_is_accepted_also_while_secrets_are_changed() -> None:
    found = verify_webhook(body=BODY, headers=headers(), secrets=[OTHER, SECRET], now=NOW.timestamp() + 200)
    assert (found.id, found.data["type"]) == ("msg_1", "case.reviewed")
    both = headers() | {"Webhook-Signature": f"v1a,xyz {headers(OTHER)['Webhook-Signature']} {headers()['Webhook-Signature']}"}
    assert verify_webhook(body=BODY, headers=both, secrets=SECRET, now=NOW.timestamp()).id == "msg_1"


@pytest.mark.parametrize(
    ("changes", "body", "later", "why"),
    [
        ({}, BODY + b" ", 0, "No signature fits"),
        ({}, BODY, 301, "too old"),
        ({}, BODY, -301, "too old"),
        ({"Webhook-Id": "msg_2"}, BODY, 0, "No signature fits"),
        ({"Webhook-Signature": "v1,AAAA v2,%%% nonsense"}, BODY, 0, "No signature fits"),
        ({"Webhook-Signature": ""}, BODY, 0, "No signature fits"),
        ({"Webhook-Timestamp": "now"}, BODY, 0, "headers"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, str], body: bytes, later: int, why: str) -> None:
    with pytest.raises(WebhookRefused, match=why):
        verify_webhook(body=body, headers=headers() | changes, secrets=SECRET, now=NOW.timestamp() + later)


def test_a_message_without_headers_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="needed"):
        verify_webhook(body=BODY, headers={}, secrets=SECRET)
