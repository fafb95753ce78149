"""A lesion's page: its visits as a strip, what stands out, what changed, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from uuid import UUID

from flask import url_for

from services.records.follow_ups import FollowUp, FollowUpState
from services.records.states import ReminderKind
from services.records.trails import Trail
from services.records.visit_views import TrailAlert, Visit
from services.review import words
from services.review.case_view import picture_url, site_words
from services.review.change_view import ChangeTable, change_table, read_changes
from services.review.change_words import PERCENT, SHARE, SOURCES, day_words, estimate, gap_words, why_words
from services.review.decision import decision_words
from services.review.findings import braced
from services.review.lead_view import Headline
from services.review.lesion_table import VisitsTable, visits_table
from services.review.times import Moment
from services.review.trail_veil import SeenTrail, Veiled

REMINDED = {ReminderKind.UPCOMING: "reminded", ReminderKind.DUE: "told that it is due", ReminderKind.OVERDUE: "told that it is overdue"}


@dataclass(frozen=True, slots=True)
class Step:
    """What lies between two cards of the strip: how long, and how much larger; ``kind`` of its mark, or plain."""

    gap: str
    change: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class VisitCard:
    """One visit of the strip. ``step`` leads to it from the visit before."""

    case_id: UUID
    number: int
    href: str
    thumbnail: str | None
    month: str
    when: Moment
    source: str
    finding: str
    said: str
    alert: str
    step: Step | None


@dataclass(frozen=True, slots=True)
class AlertCard:
    """An alert with its rules in words, but for what the headline says already.

    ``current``: it stands, and for the last visit; ``withdrawn``: why it was taken back.
    """

    headline: str
    visit: str
    rules: tuple[str, ...]
    version: str
    withdrawn: str
    current: bool


@dataclass(frozen=True, slots=True)
class NextVisit:
    """The open follow-up. ``mark``: of an overdue or due one."""

    day: str
    detail: str
    mark: str
    reminder: str


@dataclass(frozen=True, slots=True)
class LesionPage:
    """Everything that lesion.html needs."""

    id: UUID
    patient: str
    patient_id: UUID
    facts: str
    tracking_uid: str
    cards: tuple[VisitCard, ...]
    headlines: tuple[Headline, ...]
    alerts: tuple[AlertCard, ...]
    tables: tuple[ChangeTable, ...]
    visits: VisitsTable
    next_visit: NextVisit | None
    compare: str | None
    provenance: str
    veiled: bool


def lesion_page(seen: SeenTrail, follow_up: FollowUp | None, *, today: date) -> LesionPage:
    """The page of a trail that its reader may see."""
    trail = seen.trail
    tables = tuple(_tables(trail, seen.veiled))
    return LesionPage(
        id=trail.lesion_id,
        patient=trail.patient_reference,
        patient_id=trail.patient_id,
        facts=lesion_facts(trail),
        tracking_uid=trail.tracking_uid,
        cards=tuple(_cards(trail, seen.veiled)),
        headlines=tuple(_headlines(trail, tables)),
        alerts=tuple(_alert(alert, trail) for alert in reversed(trail.alerts)),
        tables=tables,
        visits=visits_table(trail),
        next_visit=_next_visit(trail, follow_up, today),
        compare=tables[0].href if tables else None,
        provenance=_provenance(trail),
        veiled=bool(seen.veiled),
    )


def lesion_facts(trail: Trail) -> str:
    """`lesion L-2 · back, left · 3 visits · Portal A`."""
    name = f"lesion {trail.reference}" if trail.reference else "lesion without a reference"
    count = f"{len(trail.visits)} visit{'' if len(trail.visits) == 1 else 's'}"
    return " · ".join((name, site_words(trail.body_site, trail.laterality), count, trail.portal))


def visit_thumbnail(visit: Visit) -> str | None:
    """The address of a visit's small picture."""
    return picture_url("thumbnail", visit.case_id, visit.image.id) if visit.image and visit.image.has_thumbnail else None


def _tables(trail: Trail, veiled: Veiled) -> Sequence[ChangeTable]:
    if len(trail.visits) < 2:
        return ()
    *_, before, last = trail.visits
    tables = [change_table(trail, before, last, veiled=veiled, title="Since the visit before")]
    first = trail.visits[0]
    if first is not before and trail.comparison(first.case_id, last.case_id) is not None:
        tables.append(change_table(trail, first, last, veiled=veiled, title="Since the first visit"))
    return tables


def _cards(trail: Trail, veiled: Veiled) -> Sequence[VisitCard]:
    steps = [None, *(_step(trail, one, two) for one, two in pairwise(trail.visits))]
    standing = {alert.case_id: alert.headline for alert in trail.alerts if alert.withdrawn_at is None}
    return [
        VisitCard(
            case_id=visit.case_id,
            number=number,
            href=url_for("desk.case", case_id=visit.case_id),
            thumbnail=visit_thumbnail(visit),
            month=day_words(visit.visited_at),
            when=Moment.of(visit.visited_at),
            source=SOURCES[visit.source],
            finding="blind read" if visit.case_id in veiled else _finding(visit),
            said=decision_words(visit.decision.decision, visit.decision.diagnosis) if visit.decision else "not decided yet",
            alert=standing.get(visit.case_id, ""),
            step=step,
        )
        for number, (visit, step) in enumerate(zip(trail.visits, steps, strict=True), 1)
    ]


def _finding(visit: Visit) -> str:
    if visit.not_analysed and visit.outcome is None:
        return "not analysed"
    said = visit.malignant_probability
    risk = "" if said is None else f" · p(mal) {words.probability(said)}"
    if not visit.classes:
        return "being analysed" if visit.outcome is None else f"abstains{risk}"
    return (visit.classes[0] if len(visit.classes) == 1 else braced(visit.classes)) + risk


def _step(trail: Trail, one: Visit, two: Visit) -> Step:
    gap = gap_words(one.visited_at, two.visited_at)
    found = trail.comparison(one.case_id, two.case_id)
    if found is not None and not found.valid:
        return Step(gap, "no valid comparison", "plain", why_words(found.why))
    area = read_changes(found).get("area")
    if area is None or area.get("relative") is None:
        waits = "being compared" if two.waits_since and found is None else "not compared" if two.failed and found is None else ""
        return Step(gap, waits, "plain", two.failed or "")
    change = f"{PERCENT.signed(area['relative'])} % ± {PERCENT.figure(area['error'])}"
    beyond = bool(area.get("significant"))
    return Step(gap, change, "attention" if beyond else "plain", f"Area: {'beyond' if beyond else 'within'} the error of looking twice")


def _headlines(trail: Trail, tables: Sequence[ChangeTable]) -> Sequence[Headline]:
    if not trail.visits:
        return ()
    last, table = trail.visits[-1], tables[0] if tables else None
    found = []
    for name, label in (("area", "Area"), ("major", "Longest diameter")):
        row = table.row(name) if table else None
        if row is not None:
            sized = row.later != "–"
            detail = f"{row.share or row.change} since the visit before" if sized else "since the visit before, relative"
            found.append(Headline(label, row.later if sized else row.share, detail, "attention" if row.beyond else ""))
    malignant = estimate(last.measures, "malignant_probability")
    if malignant is not None:
        found.append(
            Headline("p(malignant)", words.probability(malignant.value), f"± {SHARE.figure(malignant.error or 0)} · single picture")
        )
    answer = next((answer for answer in trail.sequence if answer.case_id == last.case_id), None)
    if answer is not None and answer.progressing is not None:
        detail = f"p(malignant) {words.probability(answer.malignant)} · {answer.visits} visits read together"
        found.append(Headline("p(progressing)", words.probability(answer.progressing), detail))
    return found


def _alert(alert: TrailAlert, trail: Trail) -> AlertCard:
    visit = trail.visit(alert.case_id)
    return AlertCard(
        headline=alert.headline,
        visit=day_words(visit.visited_at) if visit else "",
        rules=tuple(rule["text"] for rule in alert.rules.get("fired", ()) if not alert.headline.startswith(rule["text"])),
        version=alert.rule_version,
        withdrawn=alert.withdrawn_reason or "",
        current=alert.withdrawn_at is None and visit is trail.visits[-1],
    )


def _next_visit(trail: Trail, follow_up: FollowUp | None, today: date) -> NextVisit | None:
    if follow_up is None:
        return None
    days = (follow_up.follow_up_on - today).days
    ahead = "today" if days == 0 else f"in {days} d" if days > 0 else f"{-days} d ago"
    marks = {FollowUpState.DUE: "soon", FollowUpState.OVERDUE: "attention"}
    told = [f"portal {REMINDED[kind]} {day_words(at)}" for review, kind, at in trail.reminders if review == follow_up.review_id]
    reminder = told[-1] if told else "no reminder yet"
    return NextVisit(day_words(follow_up.follow_up_on), f"{follow_up.state} · {ahead}", marks.get(follow_up.state, ""), reminder)


def _provenance(trail: Trail) -> str:
    versions = {
        "measures": sorted({visit.measures_version for visit in trail.visits if visit.measures_version}),
        "comparison": sorted({found.version for found in trail.comparisons}),
        "rules": sorted({alert.rule_version for alert in trail.alerts}),
        "sequence model": sorted({answer.model for answer in trail.sequence}),
    }
    return " · ".join(f"{name} {', '.join(found)}" for name, found in versions.items() if found)
