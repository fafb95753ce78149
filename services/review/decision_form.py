"""The form that a page offers for one step of reading, and what the reader had entered when it was refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.records.reading import OTHER
from services.records.states import Decision, Management, ReviewKind
from services.records.templates import TemplateView
from services.records.views import CaseView, ReviewView
from services.review.decision import (
    NOTE_LIMIT,
    RATIONALE_LIMIT,
    REASONS,
    case_classes,
    leading_class,
    seen_tokens,
    set_classes,
)
from services.review.plans import LONGEST, MONTHS, OFFERED, SHORT, UNREADABLE, plan_words, preset

LETTERS = "abc"
LABELS = {ReviewKind.ADJUDICATION: "Rationale (required)", ReviewKind.AMENDMENT: "Why it changes (required)"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One diagnosis, reason or plan that can be picked, with its key. `plan`: what is preset for a diagnosis, or a plan's short name."""

    code: str
    name: str
    key: str
    checked: bool = False
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Choices under one heading."""

    title: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class DecisionForm:
    """What the form offers for one case. `explain` labels the rationale, where there must be one."""

    action: str
    kind: str
    seen: tuple[str, ...]
    confirm: Choice | None
    groups: tuple[Group, ...]
    reasons: tuple[Choice, ...]
    then: tuple[Choice, ...]
    plans: tuple[Choice, ...]
    resolutions: tuple[Choice, ...]
    templates: tuple[Choice, ...]
    asks: bool
    explain: str
    amends: str
    months: str = str(MONTHS)
    longest: int = LONGEST
    note_limit: int = NOTE_LIMIT
    rationale_limit: int = RATIONALE_LIMIT
    note: str = ""
    rationale: str = ""
    problem: str = ""
    open: str = ""

    @property
    def plan(self) -> Choice | None:
        """What is preset or was entered."""
        return next((choice for choice in self.plans if choice.checked), None)


def form_for(
    case: CaseView,
    *,
    action: str,
    kind: ReviewKind = ReviewKind.FIRST,
    amends: ReviewView | None = None,
    templates: Sequence[TemplateView] = (),
) -> DecisionForm:
    """The form for one step on a case; `amends` is the decision that an amendment begins from."""
    leading = leading_class(case)
    choices = _diagnoses(case)
    confirm = next((choice for choice in choices if choice.code == leading), None)
    begun = amends.management if amends else confirm.plan if confirm and kind not in LABELS else None
    return DecisionForm(
        action=action,
        kind=kind,
        seen=seen_tokens(case),
        confirm=None if kind in LABELS else confirm,
        groups=_groups(case, choices, among_all=kind in LABELS),
        reasons=tuple(Choice(code, text, str(number)) for number, (code, text) in enumerate(REASONS.items(), 1)),
        then=tuple(Choice(code, text, key, checked=code is Management.RETAKE) for code, (key, text) in UNREADABLE.items()),
        plans=tuple(
            Choice(code, text, str(number), checked=code == begun, plan=SHORT[code])
            for number, (code, text) in enumerate(OFFERED.items(), 1)
        ),
        resolutions=_resolutions(case) if kind is ReviewKind.ADJUDICATION else (),
        templates=tuple(Choice(view.body, view.title, _digit(number)) for number, view in enumerate(templates, 1)),
        asks=kind not in LABELS,
        explain=LABELS.get(kind, ""),
        amends=str(amends.id) if amends else "",
        months=str(amends.follow_up_months) if amends and amends.follow_up_months else str(MONTHS),
        note=amends.note if amends else "",
    )


def refused(form: DecisionForm, fields: Mapping[str, str], problem: str) -> DecisionForm:
    """The same form again with everything the reader had entered, and what to mend."""
    diagnosis = fields.get("diagnosis")
    return replace(
        form,
        problem=problem,
        note=fields.get("note", "")[:NOTE_LIMIT],
        rationale=fields.get("rationale", "")[:RATIONALE_LIMIT],
        months=fields.get("months", form.months)[:3],
        open=fields.get("decision", ""),
        groups=tuple(replace(group, choices=_checked(group.choices, diagnosis)) for group in form.groups),
        reasons=_checked(form.reasons, fields.get("reason")),
        then=_checked(form.then, fields.get("then")),
        plans=_checked(form.plans, fields.get("management")),
    )


def _diagnoses(case: CaseView) -> list[Choice]:
    return [
        Choice(code, name, str(number), plan=preset(code, malignant=malignant) or "")
        for number, (code, name, malignant) in enumerate(case_classes(case), 1)
    ]


def _groups(case: CaseView, choices: Sequence[Choice], *, among_all: bool) -> tuple[Group, ...]:
    leading, in_set = leading_class(case), set_classes(case)
    malignant = {code for code, _, is_malignant in case_classes(case) if is_malignant}
    picked = [choice for choice in choices if (among_all or choice.code != leading) and choice.code not in in_set]
    groups = (
        Group("The model's set", tuple(choice for choice in choices if choice.code in in_set)),
        Group("Malignant or precursor", tuple(choice for choice in picked if choice.code in malignant)),
        Group("Benign", tuple(choice for choice in picked if choice.code not in malignant)),
        Group("Other", (Choice(OTHER, "Another diagnosis: name it in the note", _digit(len(choices) + 1)),)),
    )
    return tuple(group for group in groups if group.choices)


def _resolutions(case: CaseView) -> tuple[Choice, ...]:
    """A button for each read that decides something."""
    reads = [review for review in case.standing if review.kind in (ReviewKind.FIRST, ReviewKind.SECOND)]
    decided = [review for review in reads if review.decision is not Decision.SECOND_OPINION]
    return tuple(
        Choice(str(review.id), f"{review.reviewer}: {_read_words(review)}", LETTERS[place]) for place, review in enumerate(decided)
    )


def _read_words(review: ReviewView) -> str:
    plan = plan_words(review.management, review.follow_up_months)
    return ", ".join(filter(None, [review.diagnosis or "not assessable", plan]))


def _digit(number: int) -> str:
    return str(number) if number < 10 else ""


def _checked(choices: tuple[Choice, ...], code: str | None) -> tuple[Choice, ...]:
    return tuple(replace(choice, checked=choice.code == code) for choice in choices)
