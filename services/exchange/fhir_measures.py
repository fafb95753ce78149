"""FHIR Observation of what was measured of the outline that counts, in UCUM units, with its error where it is known.

Errors are known of lesions that were seen more than once: the worker that compares visits measures how much looking again would differ.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.exchange.codes import (
    ABRUPT_SEGMENTS,
    AREA,
    ASYMMETRY,
    BORDER_IRREGULARITY,
    COLOUR_ASYMMETRY,
    COLOUR_COUNT,
    COLOUR_VARIEGATION,
    MAJOR_AXIS,
    MINOR_AXIS,
    Coded,
)
from services.exchange.fhir_base import Json, concept, instant, note, observation_id, ours, quantity, reference, resource, term
from services.exchange.fhir_device import device_id
from services.exchange.result import CaseResult

MEASURES = ours("MEASURES", "Measures of the lesion's outline")
# Our name, its concept, its unit in words and in UCUM, and the name of its error.
Row = tuple[str, Coded, str, str, str | None]
SCALED: tuple[Row, ...] = (
    ("area_mm2", AREA, "mm²", "mm2", "area_px"),
    ("major_diameter_mm", MAJOR_AXIS, "mm", "mm", "major_px"),
    ("minor_diameter_mm", MINOR_AXIS, "mm", "mm", "minor_px"),
)
PIXELS: tuple[Row, ...] = (
    ("area_px", AREA, "pixels", "{pixels}", "area_px"),
    ("major_diameter_px", MAJOR_AXIS, "pixels", "{pixels}", "major_px"),
    ("minor_diameter_px", MINOR_AXIS, "pixels", "{pixels}", "minor_px"),
)
SHAPES: tuple[Row, ...] = (
    ("asymmetry", ASYMMETRY, "1", "1", "asymmetry"),
    ("border_irregularity", BORDER_IRREGULARITY, "1", "1", "border_irregularity"),
    ("colour_asymmetry", COLOUR_ASYMMETRY, "ΔE", "{delta_E}", "colour_asymmetry"),
    ("colour_variegation", COLOUR_VARIEGATION, "ΔE", "{delta_E}", "colour_variegation"),
    ("colour_count", COLOUR_COUNT, "1", "1", None),
    ("abrupt_segments", ABRUPT_SEGMENTS, "1", "1", None),
)
SCALES = {
    "dicom_pixel_spacing": "Scale: DICOM pixel spacing.",
    "stated": "Scale: stated by the portal.",
    "ruler": "Scale: ruler in the picture.",
}
NO_SCALE = "No scale is known: sizes are in pixels of the upright picture."
BOUND = "The lesion leaves the picture: sizes are lower bounds."


def measures_observation(case_id: UUID, result: CaseResult, about: Json) -> Json | None:
    """What was measured; None where nothing was outlined, or nothing of it measured."""
    measures = result.measures or {}
    scale = SCALES.get(measures.get("scale_source") or "")
    bound, errors = bool(measures.get("touches_border")), _errors(result)
    sizes = [_component(row, measures, errors, at_least=bound) for row in (SCALED if scale else PIXELS)]
    parts = [part for part in (*sizes, *(_component(row, measures, errors) for row in SHAPES)) if part]
    analysis = result.lead.analysis
    if not parts:
        return None
    return resource(
        "Observation",
        observation_id(case_id, "measures"),
        status="final",
        category=[term("observation-category", "imaging", "Imaging")],
        code=concept(MEASURES),
        **about,
        issued=instant(result.signed_at),
        method=concept(text=f"Outline of {result.outlined_by}" if result.outlined_by else "Outline of the model"),
        note=note(scale or NO_SCALE, BOUND if bound else None),
        device=reference("Device", device_id(analysis.pipeline_version)) if analysis else None,
        component=parts,
    )


def _component(row: Row, measures: Mapping[str, Any], errors: Mapping[str, float], *, at_least: bool = False) -> Json | None:
    name, code, unit, ucum, error = row
    value = measures.get(name)
    if value is None:
        return None
    share = errors.get(error) if error else None
    figure = quantity(value, unit, ucum, error=None if share is None else abs(value) * share, at_least=at_least)
    return {"code": concept(code), "valueQuantity": figure}


def _errors(result: CaseResult) -> dict[str, float]:
    """Standard deviations as shares of their figures, of this visit; none where nobody measured it twice."""
    visits = result.trail.visits if result.trail else ()
    measured = visits[-1].measures if visits else None
    pairs = {name: given for name, given in (measured or {}).items() if isinstance(given, list) and len(given) == 2}
    return {name: abs(error / value) for name, (value, error) in pairs.items() if isinstance(value, int | float) and value}
