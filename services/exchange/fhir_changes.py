"""FHIR Observations of change: this visit beside the one before it, each figure with its error, and the alert that stands."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.exchange.fhir_base import Json, concept, instant, note, observation_id, ours, quantity, resource, term
from services.exchange.result import CaseResult
from services.records.visit_views import VisitComparison

CHANGE = ours("CHANGE", "Change since the visit before")
ALERT = ours("ALERT", "Alert about a change")
PERCENT = "%"
# Units as the comparison writes them, in UCUM; shares and what has no unit are 1.
UNITS = {"mm²": "mm2", "mm": "mm", "ΔE": "{delta_E}", PERCENT: PERCENT}
UP, DOWN = ("U", "Significant change up"), ("D", "Significant change down")


def change_observation(case_id: UUID, result: CaseResult, about: Json) -> Json | None:
    """How the lesion has changed; None where there is no earlier visit, or the visits were not compared yet."""
    visits = result.trail.visits if result.trail else ()
    found = result.trail.comparison(visits[-2].case_id, case_id) if result.trail and len(visits) > 1 else None
    if found is None:
        return None
    since = {"start": instant(visits[-2].visited_at), "end": instant(visits[-1].visited_at)}
    said: Mapping[str, Any] = found.changes or {}
    return resource(
        "Observation",
        observation_id(case_id, "change"),
        status="final",
        category=[term("observation-category", "imaging", "Imaging")],
        code=concept(CHANGE),
        **{name: value for name, value in about.items() if name != "effectiveDateTime"},
        effectivePeriod=since,
        issued=instant(found.created_at),
        dataAbsentReason=None if found.valid else _incomparable(found),
        note=note(*map(str, said.get("notes") or [])),
        component=[_component(name, figure) for name, figure in (said.get("changes") or {}).items()] if found.valid else None,
    )


def _incomparable(found: VisitComparison) -> Json:
    return {**term("data-absent-reason", "not-performed", "Not Performed"), "text": f"No valid comparison: {found.why}"}


def _component(name: str, figure: Mapping[str, Any]) -> Json:
    """Sizes change in per cent of the earlier figure, everything else in its own unit; the significance is of looking twice."""
    relative = figure.get("relative")
    factor = 1.0 if relative is None else 100.0
    value = factor * float((figure.get("absolute") if relative is None else relative) or 0.0)
    unit = figure.get("unit", "1") if relative is None else PERCENT
    told = term("v3-ObservationInterpretation", *(UP if value > 0 else DOWN)) if figure.get("significant") else None
    part = {"code": concept(ours(f"CHANGE_{name}".upper(), f"Change of {name.replace('_', ' ')}"))}
    measured = quantity(value, unit, UNITS.get(unit, "1"), error=factor * float(figure.get("error") or 0.0))
    return {**part, "valueQuantity": measured, **({"interpretation": [told]} if told else {})}


def alert_observation(case_id: UUID, result: CaseResult, about: Json) -> Json | None:
    """The alert about this visit that stands, with the rules that fired; None where there is none."""
    alert = result.trail.alert(case_id) if result.trail else None
    if alert is None:
        return None
    rules = [rule.get("text") for rule in alert.rules.get("fired") or []]
    return resource(
        "Observation",
        observation_id(case_id, "alert"),
        status="final",
        category=[term("observation-category", "imaging", "Imaging")],
        code=concept(ALERT),
        **about,
        issued=instant(alert.created_at),
        valueString=alert.headline,
        interpretation=[term("v3-ObservationInterpretation", "A", "Abnormal")],
        note=note(*rules),
        method=concept(text=f"Rules {alert.rule_version}"),
    )
