"""What a webhook says: which event, and the ids and references by which the portal asks for the rest. Never a finding."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Told:
    """An event as portals see it, the same as in ``GET /v1/events``."""

    id: UUID
    sequence: int
    kind: str
    subject_kind: str
    subject_id: UUID
    payload: Mapping[str, Any]
    created_at: datetime


def webhook_body(told: Told) -> bytes:
    """Return the body of the request, the same bytes for every attempt: type, timestamp and data, as Standard Webhooks has them."""
    subject = {"subject_kind": told.subject_kind, "subject_id": str(told.subject_id)}
    body = {
        "type": told.kind,
        "timestamp": told.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {**told.payload, "id": str(told.id), "sequence": told.sequence, **subject},
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
