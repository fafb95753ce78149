"""The JSON of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, field_validator

from services.intake.schemas import Moment, Strict, Whole
from services.intake.trail_schemas import NEXT, Query
from services.records.portal_events import PortalEventKind
from services.records.states import DeliveryState, EndpointState
from services.records.webhooks import LONGEST_DESCRIPTION, LONGEST_OVERLAP

KINDS = "The events that it is told. None: all, also kinds that come later."
SHOWN_ONCE = "`whsec_…`, as libraries for Standard Webhooks take it. Keep it: it is shown this once."
STATE = (
    "waiting: it is told, or will be. leased: it is being told. delivered: the address answered 2xx. "
    "dead: given up after 24 hours; ask for it again with `redeliver`."
)
HOURS = int(LONGEST_OVERLAP.total_seconds() // 3600)
Address = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[!-~]+$")]
Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION, pattern=r"^[^\x00-\x1f\x7f]*$")]
Kinds = Annotated[list[PortalEventKind], Field(max_length=len(PortalEventKind), description=KINDS)]


class WebhookIn(Strict):
    """Where to be told."""

    url: Address = Field(description="An `https` address with a public name, without user, password or fragment.")
    kinds: Kinds = Field(default=[])
    description: Description = Field(default="", examples=["production"])


class WebhookChange(Strict):
    """What is to be different. What is left out, or null, stays."""

    url: Address | None = None
    kinds: Kinds | None = None
    description: Description | None = None
    active: bool | None = Field(default=None, description="Off: nothing is told. On again: everything that happened meanwhile is told.")

    @field_validator("active", mode="before")
    @classmethod
    def only_a_boolean(cls, value: object) -> object:
        """A word or a number is none."""
        if value is not None and not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value


class SecretIn(Strict):
    """How long the secret before goes on signing."""

    overlap_hours: Whole = Field(default=24, ge=0, le=HOURS, description="Both secrets sign for so long.")


class RedeliverIn(Strict):
    """What to be told once more."""

    since: Moment = Field(description="Everything that happened since then.")
    delivered: bool = Field(default=False, strict=True, description="Also what the address has taken already.")


class DeliveryQuery(Query):
    """Which deliveries to list."""

    state: DeliveryState | None = Field(default=None, description=f"Only these. {STATE}")


class WebhookOut(BaseModel):
    """An address that is told what happens."""

    id: UUID
    url: str
    kinds: Sequence[str] = Field(description=KINDS)
    description: str
    state: EndpointState
    disabled_at: datetime | None
    disabled_reason: str | None = Field(description="Why nothing is told: it failed for days, it is gone, or somebody switched it off.")
    created_at: datetime
    previous_secret_until: datetime | None = Field(description="Until then the secret before signs, too.")
    failing_since: datetime | None = Field(description="Since then every attempt has failed.")
    succeeded_at: datetime | None = Field(description="When it last took something.")
    waiting: int = Field(description="Deliveries that are still to be made.")
    dead: int = Field(description="Dead letters.")
    deliveries_url: str


class WebhookList(BaseModel):
    """All webhooks of the portal, the oldest first."""

    webhooks: Sequence[WebhookOut]


class NewWebhookOut(WebhookOut):
    """A new webhook with its secret."""

    secret: str = Field(description=SHOWN_ONCE)


class SecretOut(BaseModel):
    """A new secret."""

    secret: str = Field(description=SHOWN_ONCE)
    previous_secret_until: datetime


class PingOut(BaseModel):
    """A test that is on its way."""

    event_id: UUID = Field(description="`webhook-id` of the test.")


class RedeliveredOut(BaseModel):
    """What will be told once more."""

    deliveries: int


class DeliveryOut(BaseModel):
    """One event on its way to one webhook."""

    id: UUID
    event_id: UUID = Field(description="`webhook-id`, and the id in `GET /v1/events`.")
    kind: str
    sequence: int = Field(description="Grows with what happens; deliveries need not come in its order.")
    happened_at: datetime
    state: DeliveryState = Field(description=STATE)
    attempts: int = Field(description="Since it was last asked for.")
    next_attempt_at: datetime | None
    finished_at: datetime | None
    status: int | None = Field(description="What the address answered last.")
    reason: str | None = Field(description="Why the last attempt failed.")


class AttemptOut(BaseModel):
    """One call of the address."""

    attempted_at: datetime
    seconds: float
    status: int | None
    reason: str | None
    address: str | None = Field(description="What was connected to.")


class DeliveryDetailOut(DeliveryOut):
    """A delivery with every attempt, also those before it was asked for again."""

    log: Sequence[AttemptOut]


class DeliveryPageOut(BaseModel):
    """Deliveries, the newest events first."""

    deliveries: Sequence[DeliveryOut]
    next_cursor: str | None = Field(description=NEXT)
