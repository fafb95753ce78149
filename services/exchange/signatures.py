"""Signatures of webhooks, as Standard Webhooks 1.0 has them: HMAC-SHA256 over id, time and body, one for each secret in use.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret: ``whsec_`` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(*, keys: Sequence[str], event_id: UUID, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of a request.

    Args:
        keys: the secrets in use, the newest first; a receiver that knows any one of them accepts the request.
        event_id: the same for every attempt and every endpoint: a receiver drops what it has seen.
        at: when this attempt is made; a receiver refuses old ones.
    """
    stamp = str(int(at.timestamp()))
    signed = b".".join((str(event_id).encode(), stamp.encode(), body))
    signatures = " ".join(_signature(key, signed) for key in keys)
    return {"webhook-id": str(event_id), "webhook-timestamp": stamp, "webhook-signature": signatures}


def _signature(key: str, signed: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(raw, signed, hashlib.sha256)).decode()
