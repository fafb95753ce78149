"""Verifies webhooks (Standard Webhooks: an id, a time and HMAC-SHA256 signatures in three headers)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.client.errors import WebhookRefused

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message that is ours. ``id`` is the same when it is sent again: whoever has seen it does nothing a second time."""

    id: str
    timestamp: int
    data: Mapping[str, Any]


def verify_webhook(
    *,
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    now: float | None = None,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> Webhook:
    """Return the message if one of the secrets has signed it, and lately.

    Args:
        body: exactly the bytes that came.
        secrets: ``whsec_…``; two of them while one replaces the other.
        now: seconds since 1970; the clock's where it is left out.

    Raises:
        WebhookRefused: it is not signed by any of the secrets, was changed, or is too old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, stamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        timestamp = int(stamp)
    except (KeyError, ValueError) as error:
        raise WebhookRefused("The headers webhook-id, webhook-timestamp and webhook-signature are needed.") from error
    if abs((time.time() if now is None else now) - timestamp) > tolerance_seconds:
        raise WebhookRefused("The message is too old, or the clocks differ.")
    signed = f"{message_id}.{timestamp}.".encode() + body
    known = [secrets] if isinstance(secrets, str) else list(secrets)
    expected = [hmac.digest(_key(secret), signed, hashlib.sha256) for secret in known]
    # Every pair is compared: how long it takes tells nothing.
    matches = [hmac.compare_digest(_signature(word), each) for word in signatures.split() for each in expected]
    if not any(matches):
        raise WebhookRefused("No signature fits.")
    return Webhook(message_id, timestamp, _json(body))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX) + "==")
    except binascii.Error as error:
        raise WebhookRefused("A secret is not as it was shown: whsec_ and letters.") from error


def _signature(word: str) -> bytes:
    version, _, signature = word.partition(",")
    try:
        return base64.b64decode(signature, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise WebhookRefused("The message is no JSON.") from error
    if not isinstance(data, dict):
        raise WebhookRefused("The message is no JSON object.")
    return data
