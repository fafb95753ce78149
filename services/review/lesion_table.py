"""The visits of a lesion as one table, from which its charts are drawn: a plot can say nothing that the table does not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.records.trails import Trail
from services.records.visit_views import SequenceView, Visit
from services.review.change_view import read_changes
from services.review.change_words import FORMS, SHARE, Estimate, Form, day_words, estimate
from services.review.decision import decision_words

NONE = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell: words, and the numbers that a chart draws; ``low`` and ``high`` are one standard deviation away."""

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class FigureColumn:
    """A column and its chart. ``series``: how the chart draws it: line, dashed. Charts of one ``chart`` share a plot."""

    name: str
    chart: str
    label: str
    unit: str
    series: str = "line"


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit. ``at``: seconds since 1970, its place on the charts."""

    at: int
    day: str
    figures: tuple[Figure, ...]
    decision: str


@dataclass(frozen=True, slots=True)
class LesionChart:
    """One plot: the columns named ``columns`` of the table."""

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class VisitsTable:
    """All visits, and the plots that have anything to show."""

    columns: tuple[FigureColumn, ...]
    rows: tuple[VisitRow, ...]
    charts: tuple[LesionChart, ...]


Values = dict[UUID, Estimate]


def visits_table(trail: Trail) -> VisitsTable:
    """The table of a trail that its reader may see."""
    scaled = _is_scaled(trail.visits)
    sequence = {answer.case_id: answer for answer in trail.sequence}
    sizes = [_size(trail, *names, scaled=scaled) for names in (("area", "area_px", 2), ("major", "major_px", 1))]
    found: list[tuple[FigureColumn, Values, Form]] = [
        (FigureColumn("area", "area", "Area", sizes[0][1].unit), *sizes[0]),
        (FigureColumn("major", "major", "Longest diameter", sizes[1][1].unit), *sizes[1]),
        (FigureColumn("asymmetry", "asymmetry", "Asymmetry", "0 to 1"), _measured(trail, "asymmetry"), SHARE),
        (FigureColumn("colour", "colour", "Colour variegation", "ΔE"), _measured(trail, "colour_variegation"), FORMS["ΔE"]),
        (FigureColumn("malignant", "malignant", "p(malignant)", "0 to 1"), _malignant(trail), SHARE),
        (FigureColumn("sequence", "malignant", "by the sequence", "0 to 1", "dashed"), _answers(sequence, "malignant"), SHARE),
        (FigureColumn("progressing", "progressing", "p(progressing)", "0 to 1"), _answers(sequence, "progressing"), SHARE),
    ]
    shown = [entry for entry in found if entry[1]]
    return VisitsTable(
        columns=tuple(column for column, _, _ in shown),
        rows=tuple(_row(visit, [(values, form) for _, values, form in shown]) for visit in trail.visits),
        charts=tuple(_charts([column for column, _, _ in shown])),
    )


def _charts(columns: Sequence[FigureColumn]) -> list[LesionChart]:
    names = list(dict.fromkeys(column.chart for column in columns))
    charts = []
    for name in names:
        own = [column for column in columns if column.chart == name]
        summary = "dashed: by the sequence" if len(own) > 1 else ""
        charts.append(LesionChart(name, own[0].label, own[0].unit, tuple(column.name for column in own), summary))
    return charts


def _row(visit: Visit, columns: Sequence[tuple[Values, Form]]) -> VisitRow:
    return VisitRow(
        at=int(visit.visited_at.timestamp()),
        day=day_words(visit.visited_at),
        figures=tuple(_figure(values.get(visit.case_id), form) for values, form in columns),
        decision=decision_words(visit.decision.decision, visit.decision.diagnosis) if visit.decision else "",
    )


def _figure(found: Estimate | None, form: Form) -> Figure:
    if found is None:
        return Figure(NONE)
    scaled = found.times(form.times)
    return Figure(found.text(form), scaled.value, scaled.low, scaled.high)


def _is_scaled(visits: Sequence[Visit]) -> bool:
    measured = [visit.measures for visit in visits if visit.measures]
    return bool(measured) and all(figures.get("mm_per_px") for figures in measured)


def _size(trail: Trail, change: str, measure: str, power: int, *, scaled: bool) -> tuple[Values, Form]:
    """In millimetres where every visit has a scale, else relative to the first visit, by comparisons."""
    if not scaled:
        return _relative(trail, change), Form("% of the first visit", 0, 100)
    found = {}
    for visit in trail.visits:
        value = estimate(visit.measures, measure)
        if value is not None and visit.measures:
            found[visit.case_id] = value.times(float(visit.measures["mm_per_px"]) ** power)
    return found, FORMS["mm²" if power == 2 else "mm"]


def _relative(trail: Trail, change: str) -> Values:
    """Shares of the first visit's size. A visit with no valid comparison to the first, direct or by the visit before, has none."""
    if not any(found.valid and change in read_changes(found) for found in trail.comparisons):
        return {}
    first = trail.visits[0].case_id
    found = {first: Estimate(1.0, None)}
    previous = first
    for visit in trail.visits[1:]:
        for base in dict.fromkeys((first, previous)):
            grown = read_changes(trail.comparison(base, visit.case_id)).get(change, {})
            if base in found and grown.get("relative") is not None:
                found[visit.case_id] = _grown(found[base], float(grown["relative"]), float(grown["error"]))
                break
        previous = visit.case_id
    return found


def _grown(base: Estimate, relative: float, error: float) -> Estimate:
    own = base.value * error
    return Estimate(base.value * (1 + relative), math.hypot(own, (base.error or 0.0) * (1 + relative)))


def _measured(trail: Trail, name: str) -> Values:
    return {visit.case_id: value for visit in trail.visits if (value := estimate(visit.measures, name)) is not None}


def _malignant(trail: Trail) -> Values:
    said = {visit.case_id: visit.malignant_probability for visit in trail.visits if visit.outcome is not None}
    known = {case_id: Estimate(value, None) for case_id, value in said.items() if value is not None}
    return known | _measured(trail, "malignant_probability")


def _answers(sequence: Mapping[UUID, SequenceView], name: str) -> Values:
    return {case_id: Estimate(value, None) for case_id, answer in sequence.items() if (value := getattr(answer, name)) is not None}
