"""A step in a model's life before it is taken, and the steps that were: what leads and administrators see on the models page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.records.registry import ModelEventView
from services.records.states import ActorKind, ModelAction, ModelState
from services.review.models_view import KINDS, Figure, ModelCard
from services.review.times import Moment

BUTTONS = {
    ModelAction.PROMOTED: "Promote",
    ModelAction.SHADOWED: "Shadow",
    ModelAction.RETIRED: "Retire",
    ModelAction.ROLLED_BACK: "Roll back",
}
EFFECTS = {
    ModelAction.PROMOTED: "It answers for every picture from now on, and the version in use retires. What was answered stays.",
    ModelAction.SHADOWED: "It scores every new picture, and nobody sees its answers: a lead compares them later.",
    ModelAction.RETIRED: "It is taken out of use. It can come back.",
    ModelAction.ROLLED_BACK: "The version before answers again from now on, and the one in use retires. What was answered stays.",
}
PAST = {
    ModelAction.REGISTERED: "registered",
    ModelAction.PROMOTED: "promoted",
    ModelAction.SHADOWED: "put in shadow",
    ModelAction.RETIRED: "retired",
    ModelAction.ROLLED_BACK: "brought back",
}
IN_USE = {ModelState.CHAMPION: "in use", ModelState.SHADOW: "in shadow", ModelState.CANDIDATE: "candidate", ModelState.RETIRED: "retired"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both versions, where they state it."""

    label: str
    present: Figure | None
    wanted: Figure | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is to be confirmed: from the version in use to the wanted one."""

    action: ModelAction
    title: str
    effect: str
    button: str
    wanted: ModelCard
    present: ModelCard | None
    figures: tuple[tuple[str, tuple[Compared, ...]], ...]
    warning: str


@dataclass(frozen=True, slots=True)
class PastStep:
    """A step that was taken."""

    at: Moment
    day: str
    what: str
    model: str
    digest: str
    change: str
    who: str
    reason: str


def step_view(action: ModelAction, wanted: ModelCard, present: ModelCard | None) -> Step:
    """What a page says before the step is taken."""
    return Step(
        action=action,
        title=f"{BUTTONS[action]}: {wanted.name} {wanted.version}",
        effect=EFFECTS[action],
        button=BUTTONS[action],
        wanted=wanted,
        present=present,
        figures=_compare(present, wanted),
        warning=_warning(action, wanted, present),
    )


def past_steps(events: Sequence[ModelEventView], people: Mapping[UUID, str]) -> list[PastStep]:
    """What happened, the newest first."""
    return [_past(event, people) for event in reversed(events)]


def _warning(action: ModelAction, wanted: ModelCard, present: ModelCard | None) -> str:
    serves = action in (ModelAction.PROMOTED, ModelAction.ROLLED_BACK)
    if serves and wanted.non_commercial and (present is None or not present.non_commercial):
        return "For non-commercial use only; the version in use is not so bound."
    return ""


def _compare(present: ModelCard | None, wanted: ModelCard) -> tuple[tuple[str, tuple[Compared, ...]], ...]:
    """The groups of figures that either version states, in the order of the wanted one's."""
    before, after = _figures(present), _figures(wanted)
    groups = dict.fromkeys((*after, *before))
    return tuple((group, _pairs(before.get(group, {}), after.get(group, {}))) for group in groups)


def _pairs(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> tuple[Compared, ...]:
    labels = dict.fromkeys((*after, *before))
    return tuple(Compared(label, before.get(label), after.get(label)) for label in labels)


def _figures(card: ModelCard | None) -> dict[str, dict[str, Figure]]:
    if card is None:
        return {}
    groups = {group.title: group.figures for group in card.groups if group.leading}
    shown = {"Operating point": card.operating_point, **groups} if card.operating_point else groups
    return {title: {figure.label: figure for figure in figures} for title, figures in shown.items()}


def _past(event: ModelEventView, people: Mapping[UUID, str]) -> PastStep:
    moment = Moment.of(event.at)
    before = IN_USE[event.from_state] if event.from_state else "new"
    return PastStep(
        at=moment,
        day=moment.exact[:16],
        what=f"{PAST[event.action]} · {KINDS[event.kind].lower()}",
        model=f"{event.name} {event.version}",
        digest=event.digest,
        change=f"{before} → {IN_USE[event.to_state]}",
        who=_who(event, people),
        reason=event.reason,
    )


def _who(event: ModelEventView, people: Mapping[UUID, str]) -> str:
    if event.actor_kind is ActorKind.USER and event.actor_id:
        return people.get(UUID(event.actor_id), "somebody")
    return event.actor_id or event.actor_kind.value
