"""Figures of a lesion over its visits, each with its error: in millimetres where every visit has a scale, else relative to the first."""

import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.exchange.report_charts import ChartPoint
from services.exchange.result import TrailSummary
from services.records.visit_views import Visit, VisitComparison


def scaled(trail: TrailSummary) -> bool:
    """Whether every measured visit has a scale in millimetres."""
    measured = [visit.measures for visit in trail.visits if visit.measures]
    return bool(measured) and all(measures.get("mm_per_px") for measures in measured)


def sizes(trail: TrailSummary, measure: str, power: int) -> list[ChartPoint]:
    """A size in px of each visit, in mm or, with ``power`` 2, in mm²."""
    points = []
    for visit in trail.visits:
        found = (visit.measures or {}).get(measure)
        if found and visit.measures:
            factor = float(visit.measures["mm_per_px"]) ** power
            points.append(ChartPoint(visit.visited_at, float(found[0]) * factor, float(found[1]) * factor))
    return points


def relative_sizes(trail: TrailSummary, change: str) -> list[ChartPoint]:
    """A size in percent of the first visit's. A visit without a valid comparison to it, direct or by the one before, has none."""
    first = trail.visits[0]
    found: dict[UUID, ChartPoint] = {first.case_id: ChartPoint(first.visited_at, 100.0, None)}
    previous = first.case_id
    for visit in trail.visits[1:]:
        for base in dict.fromkeys((first.case_id, previous)):
            grown = read_changes(trail.comparison(base, visit.case_id)).get(change, {})
            if base in found and grown.get("relative") is not None:
                found[visit.case_id] = _grown(visit, found[base], float(grown["relative"]), float(grown["error"]))
                break
        previous = visit.case_id
    return list(found.values()) if len(found) > 1 else []


def probabilities(trail: TrailSummary) -> list[ChartPoint]:
    """p(malignant) of each visit's own picture, with its error where one was measured."""
    points = []
    for visit in trail.visits:
        measured = (visit.measures or {}).get("malignant_probability")
        if measured:
            points.append(ChartPoint(visit.visited_at, float(measured[0]), float(measured[1])))
        elif visit.malignant_probability is not None and visit.outcome is not None:
            points.append(ChartPoint(visit.visited_at, visit.malignant_probability, None))
    return points


def read_changes(found: VisitComparison | None) -> Mapping[str, Mapping[str, Any]]:
    """The changes of a comparison by their name; none where it is not valid or not there."""
    if found is None or not found.changes:
        return {}
    changes: Mapping[str, Mapping[str, Any]] = found.changes["changes"]
    return changes


def _grown(visit: Visit, base: ChartPoint, relative: float, error: float) -> ChartPoint:
    own, inherited = base.value * error, (base.error or 0.0) * (1 + relative)
    return ChartPoint(visit.visited_at, base.value * (1 + relative), math.hypot(own, inherited))
