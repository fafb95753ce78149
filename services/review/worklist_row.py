"""One line of the worklist."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.decisions import DecisionView
from services.records.diagnoses import DIAGNOSES
from services.records.states import CaseState, Outcome, Urgency
from services.records.worklist import WorklistRow
from services.review import words
from services.review.case_view import picture_url, site_words
from services.review.decision import decision_words
from services.review.findings import ISSUES, braced
from services.review.lease_view import Lease, lease_view
from services.review.times import Moment

URGENCY_MARKS = {Urgency.URGENT: "urgent", Urgency.SOON: "soon"}
FLAGS = {
    "out_of_distribution": "out of distribution",
    "ood": "out of distribution",
    "poor_quality": "poor quality",
    "identity": "possible text in the picture",
    **ISSUES,
}
NAMES = {diagnosis.code: diagnosis.name for diagnosis in DIAGNOSES}
STATES = {
    CaseState.QUEUED: "being analysed",
    CaseState.AWAITING_REVIEW: "",
    CaseState.AWAITING_SECOND_READ: "second read",
    CaseState.AWAITING_ADJUDICATION: "adjudication",
    CaseState.REVIEWED: "decided",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """Something to know before opening the case, with the kind of its mark."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The finding in a few words; `probability` only where the model names one class."""

    text: str
    probability: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class RowTime:
    """Due or reviewed, relative, with the exact time for the hover; `second` sets the waiting against the service level."""

    text: str
    second: str
    iso: str
    exact: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One case."""

    id: UUID
    href: str
    thumbnail: str | None
    patient: str
    site: str
    finding: Headline
    decision: str
    flags: tuple[Flag, ...]
    urgency: str
    urgency_mark: str
    time: RowTime
    portal: str
    state: str
    lease: Lease | None
    why: str


def line_of(row: WorklistRow, decision: DecisionView | None, now: datetime, user_id: UUID) -> Line:
    """The line of a case; `decision` where it is decided."""
    thumbnail = picture_url("thumbnail", row.case_id, row.image_id, None) if row.image_id and row.thumbnail_key else None
    return Line(
        id=row.case_id,
        href=url_for("desk.case", case_id=row.case_id),
        thumbnail=thumbnail,
        patient=row.patient_reference,
        site=site_words(row.body_site, row.laterality),
        finding=_headline(row),
        decision=decision_words(decision.decision, decision.diagnosis) if decision else "",
        flags=tuple(_flags(row)),
        urgency=row.urgency,
        urgency_mark="" if row.state is CaseState.REVIEWED else URGENCY_MARKS.get(row.urgency, ""),
        time=_time(row, decision, now),
        portal=row.portal,
        state=STATES[row.state],
        lease=lease_view(row.claim, user_id),
        # A decided case stands in the order of decisions: how pressing it was says nothing any more.
        why="" if row.state is CaseState.REVIEWED else row.why,
    )


def due_words(due_at: datetime, state: CaseState, now: datetime) -> tuple[str, bool]:
    """`due 3 h` and whether the case is overdue."""
    return words.due(due_at, now), due_at < now and not state.terminal


def _headline(row: WorklistRow) -> Headline:
    if row.blind and row.state is not CaseState.QUEUED:
        return Headline("blind read", name="your opinion comes first")
    if row.outcome is Outcome.PREDICTION and row.top_class and row.top_probability is not None:
        return Headline(row.top_class, words.probability(row.top_probability), NAMES.get(row.top_class, ""))
    if row.outcome is Outcome.SET:
        return Headline(braced(row.classes), name=f"set of {len(row.classes)}: the model does not decide")
    if row.state is CaseState.QUEUED:
        return Headline("being analysed")
    return Headline("abstains" if row.outcome is Outcome.ABSTAIN else "not analysed")


def _flags(row: WorklistRow) -> list[Flag]:
    flags = [Flag("changed", row.alert)] if row.alert else []
    flags += [Flag("attention", FLAGS.get(flag, flag.replace("_", " "))) for flag in row.flags]
    if row.not_analysed:
        which = "read by hand" if row.outcome is None else "one picture not analysed, read by hand"
        flags.insert(0, Flag("attention", f"{which}: {row.not_analysed}"))
    elif row.outcome is Outcome.ABSTAIN and not flags:
        flags.append(Flag("attention", "read by hand"))
    if row.image_count > 1:
        flags.append(Flag("plain", f"{row.image_count} pictures"))
    return flags


def _time(row: WorklistRow, decision: DecisionView | None, now: datetime) -> RowTime:
    if decision:
        moment = Moment.of(decision.created_at)
        return RowTime(words.ago(decision.created_at, now), decision.reviewer, moment.iso, moment.exact, overdue=False)
    moment = Moment.of(row.due_at)
    text, overdue = due_words(row.due_at, row.state, now)
    waited = f"waited {words.span(now - row.received_at)} of {words.span(row.due_at - row.received_at)}"
    return RowTime(text, waited, moment.iso, moment.exact, overdue=overdue)
