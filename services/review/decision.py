"""The decision: the form that a page offers, what comes back from it, and the record of what was shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.records.states import Decision, Outcome
from services.records.views import CaseView, ImageView
from services.review.findings import taxonomy

NOTE_LIMIT = 4000
# The parts of a finding that the page shows, and the record of the decision therefore keeps.
SHOWN = ("probabilities", "coverage", "suspicious", "operating_point", "ood", "quality", "measures", "reason", "next_step")
OTHER = "OTHER"
REASONS = {
    "out_of_focus": "Out of focus",
    "too_dark_or_bright": "Too dark or too bright",
    "obscured": "Obscured by hair, gel, ink or glare",
    "incomplete": "The lesion is cut off or too small",
    "no_lesion": "No lesion, or not skin",
    "other": "Another reason: say it in the note",
}


class InvalidDecision(Exception):
    """The form cannot be recorded as it is; the text tells the reader what to do."""


class StaleDecision(Exception):
    """The page showed analyses or pictures that are no longer the latest ones."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One diagnosis that can be picked, with its number key."""

    code: str
    name: str
    number: int
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Choices under one heading."""

    title: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class DecisionForm:
    """What the form offers for one case, and what the reader had entered when it was refused."""

    action: str
    seen: tuple[str, ...]
    confirm: Choice | None
    groups: tuple[Group, ...]
    reasons: tuple[Choice, ...]
    note_limit: int = NOTE_LIMIT
    note: str = ""
    problem: str = ""
    open: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """A decision as entered, checked against what the case offers."""

    decision: Decision
    diagnosis: str | None
    reason: str | None
    note: str


def seen_tokens(case: CaseView) -> tuple[str, ...]:
    """Which analysis of which picture a page shows; it changes when either does."""
    return tuple(f"{image.id}:{image.analysis.id if image.analysis else 'none'}" for image in case.images)


def leading_class(case: CaseView) -> str | None:
    """The class that Confirm confirms; None where the model abstained or named a set, or nothing was analysed."""
    analysis = case.leading_image.analysis
    return analysis.top_class if analysis and analysis.outcome is Outcome.PREDICTION else None


def set_classes(case: CaseView) -> tuple[str, ...]:
    """The classes between which the model does not decide; none where it named one or abstained."""
    analysis = case.leading_image.analysis
    return analysis.classes if analysis and analysis.outcome is Outcome.SET else ()


def form_for(case: CaseView, *, action: str) -> DecisionForm:
    """The form for a case that awaits its decision."""
    leading = leading_class(case)
    classes = _classes(case)
    choices = [Choice(code, name, number) for number, (code, name, _) in enumerate(classes, 1)]
    malignant = {code for code, _, is_malignant in classes if is_malignant}
    in_set = set_classes(case)
    picked = [choice for choice in choices if choice.code != leading and choice.code not in in_set]
    groups = (
        Group("The model's set", tuple(choice for choice in choices if choice.code in in_set)),
        Group("Malignant or precursor", tuple(choice for choice in picked if choice.code in malignant)),
        Group("Benign", tuple(choice for choice in picked if choice.code not in malignant)),
        Group("Other", (Choice(OTHER, "Another diagnosis: name it in the note", len(choices) + 1),)),
    )
    return DecisionForm(
        action=action,
        seen=seen_tokens(case),
        confirm=next((choice for choice in choices if choice.code == leading), None),
        groups=tuple(group for group in groups if group.choices),
        reasons=tuple(Choice(code, text, number) for number, (code, text) in enumerate(REASONS.items(), 1)),
    )


def refused(form: DecisionForm, fields: Mapping[str, str], problem: str) -> DecisionForm:
    """The same form again with everything the reader had entered, and what to mend."""
    decision = fields.get("decision", "")
    diagnosis, reason = fields.get("diagnosis"), fields.get("reason")
    return replace(
        form,
        problem=problem,
        note=fields.get("note", "")[:NOTE_LIMIT],
        open=decision,
        groups=tuple(replace(group, choices=_checked(group.choices, diagnosis)) for group in form.groups),
        reasons=_checked(form.reasons, reason),
    )


def read_decision(case: CaseView, fields: Mapping[str, str], *, seen: Sequence[str]) -> Entered:
    """The decision in the posted `fields`.

    Raises:
        StaleDecision: the page had been made from other analyses or pictures than the latest.
        InvalidDecision: something is missing or not offered.
    """
    if sorted(seen) != sorted(seen_tokens(case)):
        raise StaleDecision
    note = fields.get("note", "").replace("\r\n", "\n").strip()
    if len(note) > NOTE_LIMIT:
        raise InvalidDecision(f"The note is longer than {NOTE_LIMIT} characters: shorten it.")
    match fields.get("decision"):
        case Decision.CONFIRM:
            return _confirm(case, note)
        case Decision.CORRECT:
            return _correct(case, fields.get("diagnosis", ""), note)
        case Decision.NOT_ASSESSABLE:
            return _not_assessable(fields.get("reason", ""), note)
    raise InvalidDecision("Choose Confirm, Correct or Not assessable.")


def decision_words(decision: Decision, diagnosis: str | None) -> str:
    """`Confirmed MEL`, `Corrected to NV`, `Not assessable`."""
    if decision is Decision.CONFIRM:
        return f"Confirmed {diagnosis}"
    return f"Corrected to {diagnosis}" if decision is Decision.CORRECT else "Not assessable"


def shown_json(case: CaseView) -> dict[str, Any]:
    """What the page showed, for the record: made here from append-only analyses, never taken from the browser."""
    return {
        "leading_image": str(case.leading_image.id),
        "leading_class": leading_class(case),
        "images": [_shown_image(image) for image in case.images],
    }


def _shown_image(image: ImageView) -> dict[str, Any]:
    if image.analysis is None:
        return {"image_id": str(image.id), "analysis_id": None, "not_analysed": image.reason}
    analysis, finding = image.analysis, image.analysis.finding
    copied = {name: finding.get(name) for name in SHOWN}
    return {
        "image_id": str(image.id),
        "analysis_id": str(analysis.id),
        "pipeline_version": analysis.pipeline_version,
        "outcome": analysis.outcome,
        "classes": list(analysis.classes),
        "leading_class": analysis.top_class,
        "leading_probability": analysis.top_probability,
        "malignant_probability": analysis.malignant_probability,
        **copied,
    }


def _classes(case: CaseView) -> tuple[tuple[str, str, bool], ...]:
    analysis = case.leading_image.analysis
    return taxonomy(analysis.finding if analysis else None)


def _checked(choices: tuple[Choice, ...], code: str | None) -> tuple[Choice, ...]:
    return tuple(replace(choice, checked=choice.code == code) for choice in choices)


def _confirm(case: CaseView, note: str) -> Entered:
    leading = leading_class(case)
    if leading is None:
        raise InvalidDecision("The model named no single class, so there is nothing to confirm: choose the diagnosis.")
    return Entered(Decision.CONFIRM, leading, None, note)


def _correct(case: CaseView, diagnosis: str, note: str) -> Entered:
    if diagnosis == leading_class(case):
        raise InvalidDecision("This is the leading class already: press Confirm, or choose another class.")
    if diagnosis not in {code for code, _, _ in _classes(case)} | {OTHER}:
        raise InvalidDecision("Choose the diagnosis.")
    if diagnosis == OTHER and not note:
        raise InvalidDecision("Name the other diagnosis in the note.")
    return Entered(Decision.CORRECT, diagnosis, None, note)


def _not_assessable(reason: str, note: str) -> Entered:
    if reason not in REASONS:
        raise InvalidDecision("Choose why the pictures cannot be judged.")
    if reason == "other" and not note:
        raise InvalidDecision("Say the reason in the note.")
    return Entered(Decision.NOT_ASSESSABLE, None, reason, note)
