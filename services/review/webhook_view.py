"""What the pages about webhooks show: addresses and the log. Kinds, numbers and times; nothing about a patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.records.delivery_log import AttemptView, DeliveryView
from services.records.portal_events import PortalEventKind
from services.records.states import DeliveryState, EndpointState
from services.records.webhooks import CHOICE, EndpointView
from services.review import words
from services.review.admin_view import Choice, When, when

STATES = {
    DeliveryState.WAITING: ("attention", "waits"),
    DeliveryState.LEASED: ("attention", "is being told"),
    DeliveryState.DELIVERED: ("done", "delivered"),
    DeliveryState.DEAD: ("urgent", "dead letter"),
}
# The filters of the log: the value in the address, and its words.
SHOWN = {"": "All", "waiting": "Waiting", "dead": "Dead letters", "delivered": "Delivered"}
# Hours back from now, by the value of the form's choice.
BACK = {"1": "the last hour", "24": "the last 24 hours", "168": "the last 7 days", "720": "the last 30 days"}
OVERLAPS = {"0": "none: the old one ends now", "1": "1 hour", "24": "24 hours", "168": "7 days"}
SECONDS_IN_MS = 1000


@dataclass(frozen=True, slots=True)
class HookRow:
    """An endpoint: `mark` and `state` say how it does, `why` what is wrong."""

    id: UUID
    url: str
    description: str
    kinds: str
    mark: str
    state: str
    why: str
    active: bool
    created: When
    succeeded: When | None
    overlap_ends: When | None
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery."""

    id: UUID
    event_id: UUID
    kind: str
    sequence: int
    happened: When
    mark: str
    state: str
    attempts: int
    next_attempt: When | None
    answer: str
    settled: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One call."""

    at: When
    took: str
    answer: str
    address: str


def hook_row(found: EndpointView, *, now: datetime) -> HookRow:
    """An endpoint as a row, and as the head of its page."""
    mark, state, why = _health(found, now)
    return HookRow(
        id=found.id,
        url=found.url,
        description=found.description,
        kinds=", ".join(kind.value for kind in found.kinds) or "everything",
        mark=mark,
        state=state,
        why=why,
        active=found.state is EndpointState.ACTIVE,
        created=when(found.created_at, now),
        succeeded=when(found.succeeded_at, now) if found.succeeded_at else None,
        overlap_ends=when(found.previous_until, now) if found.previous_until and found.previous_until > now else None,
        waiting=found.waiting,
        dead=found.dead,
    )


def delivery_row(found: DeliveryView, *, now: datetime) -> DeliveryRow:
    """A delivery as a row."""
    mark, state = STATES[found.state]
    return DeliveryRow(
        id=found.id,
        event_id=found.event_id,
        kind=found.kind,
        sequence=found.sequence,
        happened=when(found.happened_at, now),
        mark=mark,
        state=state,
        attempts=found.attempts,
        next_attempt=when(found.due_at, now) if found.due_at and found.due_at > now else None,
        answer=_answer(found.status, found.reason),
        settled=found.state is not DeliveryState.LEASED,
    )


def attempt_rows(calls: Sequence[AttemptView], *, now: datetime) -> list[AttemptRow]:
    """Calls as rows, the last one first."""
    return [
        AttemptRow(when(call.attempted_at, now), took(call.seconds), _answer(call.status, call.reason), call.address or "")
        for call in reversed(calls)
    ]


def took(seconds: float) -> str:
    """`12 ms`, `3.4 s`."""
    return f"{seconds * SECONDS_IN_MS:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def kind_choices(chosen: Sequence[str] = ()) -> list[Choice]:
    """The events as boxes to tick."""
    return [Choice(kind.value, kind_words(kind), kind.value in chosen) for kind in CHOICE]


def kind_words(kind: PortalEventKind) -> str:
    """`image.retake_requested` as `image: retake requested`."""
    return kind.value.replace(".", ": ").replace("_", " ")


def _health(found: EndpointView, now: datetime) -> tuple[str, str, str]:
    if found.state is EndpointState.DISABLED:
        return "urgent", "disabled", found.disabled_reason or ""
    if found.failing_since:
        return "attention", f"failing for {words.span(now - found.failing_since)}", ""
    return ("done", "works", "") if found.succeeded_at else ("information", "not told yet", "")


def _answer(status: int | None, reason: str | None) -> str:
    return reason or (f"answered {status}" if status else "")
