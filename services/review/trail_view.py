"""The audit trail in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.records.administration import TrailNames
from services.records.audit import PartReport
from services.records.states import ActorKind, AuditAction
from services.records.trail import TrailEvent
from services.review.admin_view import Choice
from services.review.times import Moment

NO_PORTAL = "No portal: sign-ins, people, models"
SHORT = 8


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One event. Names stand for ids where there is a name; the id is in the hover."""

    at: Moment
    day: str
    clock: str
    portal: str
    actor: str
    actor_id: str
    action: str
    subject: str
    subject_id: str
    details: str
    sequence: int


@dataclass(frozen=True, slots=True)
class ChainView:
    """Whether a chain is whole, so far as it was looked at. `after` goes into the form for the rest of it."""

    mark: str
    title: str
    detail: str
    head: str
    after: int | None


def trail_rows(events: Sequence[TrailEvent], names: TrailNames) -> list[TrailRow]:
    """The events as rows, in the order given."""
    return [_row(event, names) for event in events]


def action_choices(chosen: str) -> list[Choice]:
    """Every word that the trail may hold."""
    return [Choice(action.value, action_words(action.value), action == chosen) for action in AuditAction]


def action_words(action: str) -> str:
    """`case.reviewed` as `case reviewed`."""
    return action.replace(".", " ").replace("_", " ")


def chain_view(chain: str, report: PartReport, *, names: TrailNames) -> ChainView:
    """The outcome of a check, plainly."""
    name = names.portals.get(chain, NO_PORTAL)
    if report.problem is not None:
        detail = f"{report.checked:,} of {report.events:,} events fit. Whoever may write to the database can have done this."
        return ChainView("urgent", f"{name}: the chain is broken", f"{report.problem} {detail}", report.head_hash, None)
    if not report.finished:
        detail = f"The first {report.checked:,} of {report.events:,} events fit."
        return ChainView("information", f"{name}: whole so far", detail, "", report.checked)
    detail = f"All {report.events:,} events fit, to the last. Keep the last link's hash somewhere else: it pins everything before it."
    return ChainView("done", f"{name}: the chain is whole", detail, report.head_hash, None)


def _row(event: TrailEvent, names: TrailNames) -> TrailRow:
    moment = Moment.of(event.at)
    day, clock, _ = moment.exact.split(" ")
    subject_id = str(event.subject_id or "")
    return TrailRow(
        at=moment,
        day=day,
        clock=f"{clock}:{event.at.second:02d}",
        portal=names.portals.get(str(event.tenant_id), "") if event.tenant_id else "",
        actor=_actor(event, names),
        actor_id=event.actor_id or "",
        action=action_words(event.action),
        subject=names.people.get(subject_id) or f"{event.subject_kind.replace('_', ' ')} {subject_id[:SHORT]}".strip(),
        subject_id=subject_id,
        details=" · ".join(f"{name.replace('_', ' ')} {_value(value, names)}" for name, value in event.details.items()),
        sequence=event.sequence,
    )


def _actor(event: TrailEvent, names: TrailNames) -> str:
    known = names.people.get(event.actor_id or "") or names.keys.get(event.actor_id or "")
    if known:
        return known
    return event.actor_id or ("nobody signed in" if event.actor_kind is ActorKind.USER else event.actor_kind.value)


def _value(value: Any, names: TrailNames) -> str:
    if isinstance(value, list):
        return ", ".join(_value(part, names) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    text = str(value)
    return names.portals.get(text) or (text[:SHORT] if _is_uuid(text) else text.replace("_", " "))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
