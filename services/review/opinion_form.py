"""The first opinion of a blind read: the form, and what comes back from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask import url_for

from services.records.diagnoses import DIAGNOSES
from services.records.reading import OTHER
from services.records.templates import TemplateView
from services.records.views import CaseView
from services.review.decision import NOTE_LIMIT, InvalidDecision, read_note
from services.review.decision_form import Choice, Group


@dataclass(frozen=True, slots=True)
class OpinionForm:
    """What the form offers, and what was entered when it was refused."""

    action: str
    groups: tuple[Group, ...]
    templates: tuple[Choice, ...]
    note_limit: int = NOTE_LIMIT
    note: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A first opinion; `diagnosis` None: not assessable."""

    diagnosis: str | None
    note: str


def opinion_form(case: CaseView, templates: Sequence[TemplateView] = ()) -> OpinionForm:
    """The form. Its list is the desk's own: the model's list and order would be a hint."""
    choices = [Choice(known.code, known.name, str(number)) for number, known in enumerate(DIAGNOSES, 1)]
    malignant = {known.code for known in DIAGNOSES if known.malignant}
    groups = (
        Group("Malignant or precursor", tuple(choice for choice in choices if choice.code in malignant)),
        Group("Benign", tuple(choice for choice in choices if choice.code not in malignant)),
        Group("Other", (Choice(OTHER, "Another diagnosis: name it in the note", str(len(choices) + 1)),)),
    )
    offered = tuple(Choice(view.body, view.title, str(number) if number < 10 else "") for number, view in enumerate(templates, 1))
    return OpinionForm(url_for("decisions.opinion", case_id=case.id), groups, offered)


def read_opinion(fields: Mapping[str, str]) -> Opinion:
    """The posted opinion.

    Raises:
        InvalidDecision: something is missing or not offered.
    """
    note = read_note(fields)
    if fields.get("opinion") == "not_assessable":
        return Opinion(None, note)
    diagnosis = fields.get("diagnosis", "")
    if diagnosis not in {known.code for known in DIAGNOSES} | {OTHER}:
        raise InvalidDecision("Choose the diagnosis, or say that the pictures cannot be judged.")
    if diagnosis == OTHER and not note:
        raise InvalidDecision("Name the other diagnosis in the note.")
    return Opinion(diagnosis, note)


def refused_opinion(form: OpinionForm, fields: Mapping[str, str], problem: str) -> OpinionForm:
    """The same form again with what was entered."""
    chosen = fields.get("diagnosis")
    groups = tuple(
        replace(group, choices=tuple(replace(choice, checked=choice.code == chosen) for choice in group.choices)) for group in form.groups
    )
    return replace(form, problem=problem, note=fields.get("note", "")[:NOTE_LIMIT], groups=groups)
