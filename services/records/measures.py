"""The measures of a picture's outline, the model's or the one that a reader has drawn."""

from collections.abc import Mapping
from typing import Any

from services.records.views import ImageView

RULER, STATED = "ruler", "stated"


def measures_of(image: ImageView) -> Mapping[str, Any] | None:
    """The measures of the outline that counts, in mm where there is a scale.

    A reader's ruler comes before what the file says (DICOM), and that before what the portal has stated.
    """
    measures = image.outline.measures if image.outline else image.analysis.finding.get("measures") if image.analysis else None
    if not measures:
        return measures
    if image.ruler_mm_per_px:
        return {**measures, **_in_mm(measures, image.ruler_mm_per_px, RULER)}
    if image.pixel_spacing_mm and not measures.get("scale_source"):
        return {**measures, **_in_mm(measures, image.pixel_spacing_mm, STATED)}
    return measures


def _in_mm(measures: Mapping[str, Any], scale: float, source: str) -> dict[str, Any]:
    area, across = measures.get("area_px"), measures.get("major_diameter_px")
    return {
        "scale_source": source,
        "area_mm2": None if area is None else area * scale**2,
        "major_diameter_mm": None if across is None else across * scale,
    }
