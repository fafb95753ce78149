"""The decision: what comes back from the form, checked against the case, and the record of what was shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.records.reading import OTHER
from services.records.states import Decision, Management, Outcome, ReviewKind
from services.records.views import CaseView, ImageView, ReviewView
from services.review.findings import taxonomy
from services.review.plans import LONGEST, OFFERED, UNREADABLE, Plan, plan_words

NOTE_LIMIT = 4000
RATIONALE_LIMIT = 2000
DAY_SECONDS = 86_400
# The parts of a finding that the page shows, and the record of the decision therefore keeps.
SHOWN = ("probabilities", "coverage", "suspicious", "operating_point", "ood", "quality", "measures", "reason", "next_step")
REASONS = {
    "out_of_focus": "Out of focus",
    "too_dark_or_bright": "Too dark or too bright",
    "obscured": "Obscured by hair, gel, ink or glare",
    "incomplete": "The lesion is cut off or too small",
    "no_lesion": "No lesion, or not skin",
    "other": "Another reason: say it in the note",
}
EXPLAINED = {
    ReviewKind.ADJUDICATION: "Say why you resolve it so: a rationale is part of the record.",
    ReviewKind.AMENDMENT: "Say why the decision changes: the reason is part of the record.",
}


NO_PLAN = Plan(None)


class InvalidDecision(Exception):
    """The form cannot be recorded as it is; the text tells the reader what to do."""


class StaleDecision(Exception):
    """The page showed analyses or pictures that are no longer the latest ones."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A decision as entered, checked against what the case offers."""

    decision: Decision
    diagnosis: str | None
    reason: str | None
    note: str
    plan: Plan = NO_PLAN
    rationale: str | None = None
    reading_seconds: int | None = None


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


def case_classes(case: CaseView) -> tuple[tuple[str, str, bool], ...]:
    """(code, name, malignant) of every diagnosis that can be chosen by its code."""
    analysis = case.leading_image.analysis
    return taxonomy(analysis.finding if analysis else None)


def read_decision(case: CaseView, fields: Mapping[str, str], *, seen: Sequence[str], kind: ReviewKind = ReviewKind.FIRST) -> Entered:
    """The decision in the posted `fields`.

    Raises:
        StaleDecision: the page had been made from other analyses or pictures than the latest.
        InvalidDecision: something is missing or not offered.
    """
    if sorted(seen) != sorted(seen_tokens(case)):
        raise StaleDecision
    entered = _entered(case, fields, read_note(fields), kind)
    return Entered(
        decision=entered.decision,
        diagnosis=entered.diagnosis,
        reason=entered.reason,
        note=entered.note,
        plan=entered.plan,
        rationale=_rationale(fields, kind),
        reading_seconds=_seconds(fields.get("reading_seconds", "")),
    )


def read_note(fields: Mapping[str, str]) -> str:
    """The note as typed, with the line ends of the records.

    Raises:
        InvalidDecision: it is too long.
    """
    note = fields.get("note", "").replace("\r\n", "\n").strip()
    if len(note) > NOTE_LIMIT:
        raise InvalidDecision(f"The note is longer than {NOTE_LIMIT} characters: shorten it.")
    return note


def decision_words(decision: Decision, diagnosis: str | None, plan: str = "") -> str:
    """`Confirmed MEL, urgent referral`, `Corrected to NV`, `Not assessable`, `Second opinion asked for`."""
    said = {
        Decision.CONFIRM: f"Confirmed {diagnosis}",
        Decision.CORRECT: f"Corrected to {diagnosis}",
        Decision.NOT_ASSESSABLE: "Not assessable",
        Decision.SECOND_OPINION: "Second opinion asked for",
        Decision.WITHDRAWN: "Taken back",
    }[decision]
    return f"{said}, {plan}" if plan else said


def review_words(review: ReviewView) -> str:
    """A review with its plan, in one line."""
    return decision_words(review.decision, review.diagnosis, plan_words(review.management, review.follow_up_months))


def shown_json(case: CaseView) -> dict[str, Any]:
    """What the page showed, for the record: made here from append-only analyses, never taken from the browser."""
    return {
        "leading_image": str(case.leading_image.id),
        "leading_class": leading_class(case),
        "images": [_shown_image(image) for image in case.images],
    }


def _shown_image(image: ImageView) -> dict[str, Any]:
    if image.analysis is None:
        return {"image_id": str(image.id), "analysis_id": None, "not_analysed": image.reason, **_shown_outline(image)}
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
        **_shown_outline(image),
    }


def _shown_outline(image: ImageView) -> dict[str, Any]:
    """The outline that a reader had drawn by then, whose measures were on the page instead of the model's."""
    return {"outline_id": str(image.outline.id), "measures": image.outline.measures} if image.outline else {}


def _entered(case: CaseView, fields: Mapping[str, str], note: str, kind: ReviewKind) -> Entered:
    if kind is ReviewKind.ADJUDICATION and fields.get("resolve"):
        return _as_read(case, fields["resolve"], note)
    match fields.get("decision"):
        case Decision.CONFIRM:
            return _confirm(case, fields, note)
        case Decision.CORRECT:
            return _correct(case, fields, note, kind)
        case Decision.NOT_ASSESSABLE:
            return _not_assessable(fields, note)
        case Decision.SECOND_OPINION if kind not in EXPLAINED:
            return Entered(Decision.SECOND_OPINION, None, None, note)
    raise InvalidDecision("Choose Confirm, Correct or Not assessable.")


def _as_read(case: CaseView, review_id: str, note: str) -> Entered:
    """A lead resolves a disagreement as one of the two reads has it."""
    read = next((review for review in case.standing if str(review.id) == review_id), None)
    if read is None or read.decision is Decision.SECOND_OPINION:
        raise InvalidDecision("This read decides nothing: choose another one, or the diagnosis.")
    plan = Plan(read.management, read.follow_up_months)
    if read.decision is Decision.NOT_ASSESSABLE:
        return Entered(Decision.NOT_ASSESSABLE, None, read.reason, note, plan)
    return _diagnosed(case, read.diagnosis or "", note, plan)


def _confirm(case: CaseView, fields: Mapping[str, str], note: str) -> Entered:
    leading = leading_class(case)
    if leading is None:
        raise InvalidDecision("The model named no single class, so there is nothing to confirm: choose the diagnosis.")
    return Entered(Decision.CONFIRM, leading, None, note, _plan(fields))


def _correct(case: CaseView, fields: Mapping[str, str], note: str, kind: ReviewKind) -> Entered:
    diagnosis = fields.get("diagnosis", "")
    if diagnosis == leading_class(case) and kind not in EXPLAINED:
        raise InvalidDecision("This is the leading class already: press Confirm, or choose another class.")
    if diagnosis not in {code for code, _, _ in case_classes(case)} | {OTHER}:
        raise InvalidDecision("Choose the diagnosis.")
    if diagnosis == OTHER and not note:
        raise InvalidDecision("Name the other diagnosis in the note.")
    return _diagnosed(case, diagnosis, note, _plan(fields))


def _diagnosed(case: CaseView, diagnosis: str, note: str, plan: Plan) -> Entered:
    decision = Decision.CONFIRM if diagnosis == leading_class(case) else Decision.CORRECT
    return Entered(decision, diagnosis, None, note, plan)


def _not_assessable(fields: Mapping[str, str], note: str) -> Entered:
    reason, then = fields.get("reason", ""), fields.get("then", "")
    if reason not in REASONS:
        raise InvalidDecision("Choose why the pictures cannot be judged.")
    if reason == "other" and not note:
        raise InvalidDecision("Say the reason in the note.")
    if then not in UNREADABLE:
        raise InvalidDecision("Choose what happens next: a new picture, a visit or a referral.")
    return Entered(Decision.NOT_ASSESSABLE, None, reason, note, Plan(Management(then)))


def _plan(fields: Mapping[str, str]) -> Plan:
    chosen = fields.get("management", "")
    if chosen not in OFFERED:
        raise InvalidDecision("Choose the plan: what happens to the patient next.")
    if chosen != Management.FOLLOW_UP:
        return Plan(Management(chosen))
    months = fields.get("months", "")
    if not months.isdecimal() or not 1 <= int(months) <= LONGEST:
        raise InvalidDecision(f"Say after how many months the follow-up is due: 1 to {LONGEST}.")
    return Plan(Management.FOLLOW_UP, int(months))


def _rationale(fields: Mapping[str, str], kind: ReviewKind) -> str | None:
    if kind not in EXPLAINED:
        return None
    rationale = fields.get("rationale", "").replace("\r\n", "\n").strip()
    if not rationale:
        raise InvalidDecision(EXPLAINED[kind])
    if len(rationale) > RATIONALE_LIMIT:
        raise InvalidDecision(f"The reason is longer than {RATIONALE_LIMIT} characters: shorten it.")
    return rationale


def _seconds(text: str) -> int | None:
    """How long the page says that it was looked at; nonsense is nothing."""
    return min(int(text), DAY_SECONDS) if text.isdecimal() and len(text) < 10 else None
