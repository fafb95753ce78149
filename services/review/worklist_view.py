"""What the worklist shows: one line a case, in the records' order."""

from collections.abc import Mapping, Sequence
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
from services.review.times import Moment

URGENCY_MARKS = {Urgency.URGENT: "urgent", Urgency.SOON: "soon"}
FLAGS = {"out_of_distribution": "out of distribution", "ood": "out of distribution", "poor_quality": "poor quality", **ISSUES}
NAMES = {diagnosis.code: diagnosis.name for diagnosis in DIAGNOSES}
EMPTY = {
    "waiting": ("No case is waiting", "New cases appear here when their pictures are analysed. Load the page again to look."),
    "reviewed": ("No case is decided yet", "Decided cases are listed here with their decision."),
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
    """Due or reviewed, relative, with the exact time for the hover."""

    text: str
    iso: str
    exact: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One case."""

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
    why: str


@dataclass(frozen=True, slots=True)
class Tab:
    """A way to see other cases."""

    text: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class PortalChoice:
    """A portal to filter by."""

    id: UUID
    name: str
    current: bool


@dataclass(frozen=True, slots=True)
class Empty:
    """What is said where no row is."""

    title: str
    what: str


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """Everything that worklist.html needs."""

    status: str
    summary: str
    caption: str
    tabs: tuple[Tab, ...]
    portals: tuple[PortalChoice, ...]
    rows: tuple[Line, ...]
    empty: Empty


def worklist_view(
    *,
    rows: Sequence[WorklistRow],
    decisions: Mapping[UUID, DecisionView],
    portals: Sequence[PortalChoice],
    status: str,
    more: bool,
    now: datetime,
) -> WorklistPage:
    """The page of `rows`; `more` says that the list was cut at its limit."""
    portal = next((choice.id for choice in portals if choice.current), None)
    return WorklistPage(
        status=status,
        summary=_summary(rows, status, more=more),
        caption="Decided cases" if status == "reviewed" else "Waiting cases, the most pressing first",
        tabs=tuple(
            Tab(text, url_for("desk.worklist_page", status=key, portal=portal), key == status)
            for key, text in (("waiting", "Waiting"), ("reviewed", "Reviewed"))
        ),
        portals=tuple(portals),
        rows=tuple(_line(row, decisions.get(row.case_id), now) for row in rows),
        empty=Empty(*EMPTY[status]),
    )


def _summary(rows: Sequence[WorklistRow], status: str, *, more: bool) -> str:
    count = f"the first {len(rows)}" if more else str(len(rows))
    if status == "reviewed":
        return f"{count} reviewed"
    urgent = sum(row.urgency is Urgency.URGENT for row in rows)
    overdue = sum(row.overdue for row in rows)
    parts = [f"{count} waiting", f"{urgent} urgent" if urgent else "", f"{overdue} overdue" if overdue else ""]
    return " · ".join(part for part in parts if part)


def _line(row: WorklistRow, decision: DecisionView | None, now: datetime) -> Line:
    thumbnail = picture_url("thumbnail", row.case_id, row.image_id, None) if row.image_id and row.thumbnail_key else None
    return Line(
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
        # A decided case stands in the order of decisions: how pressing it was says nothing any more.
        why="" if decision else row.why,
    )


def _headline(row: WorklistRow) -> Headline:
    if row.outcome is Outcome.PREDICTION and row.top_class and row.top_probability is not None:
        return Headline(row.top_class, words.probability(row.top_probability), NAMES.get(row.top_class, ""))
    if row.outcome is Outcome.SET:
        return Headline(braced(row.classes), name=f"set of {len(row.classes)}: the model does not decide")
    return Headline("abstains" if row.outcome is Outcome.ABSTAIN else "not analysed")


def _flags(row: WorklistRow) -> list[Flag]:
    flags = [Flag("attention", FLAGS.get(flag, flag.replace("_", " "))) for flag in row.flags]
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
        return RowTime(f"{words.ago(decision.created_at, now)}, {decision.reviewer}", moment.iso, moment.exact, overdue=False)
    moment = Moment.of(row.due_at)
    return RowTime(words.due(row.due_at, now), moment.iso, moment.exact, overdue=row.overdue)
