"""The measures of a picture's outline, the model's or the one that a reader has drawn, each figure with its scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from services.records.measures import RULER, measures_of
from services.records.views import ImageView, OutlineView
from services.review import words
from services.review.times import Moment

SCALES = {
    "dicom_pixel_spacing": "scale: DICOM pixel spacing",
    "stated": "scale: stated by the portal",
    RULER: "scale: ruler in the picture",
}
RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure with its unit, and where its scale comes from; `wide` ones take half of the panel, others a third."""

    label: str
    value: str
    scale: str
    wide: bool


@dataclass(frozen=True, slots=True)
class MeasuresPanel:
    """The figures with where the outline comes from; ``waiting``: the address to ask again, while the worker measures."""

    figures: tuple[Measure, ...]
    author: str = ""
    drawn: Moment | None = None
    ago: str = ""
    waiting: str = ""
    problem: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.figures or self.author)


def measures_panel(image: ImageView, *, case_id: UUID, now: datetime) -> MeasuresPanel:
    """The panel of `image`: a reader's outline comes before the model's, also while it waits for its measures."""
    figures = _figures(measures_of(image) or {})
    if image.outline:
        return _readers(image.outline, figures, url_for("outlines.measures", case_id=case_id, image_id=image.id), now)
    return MeasuresPanel(figures)


def _readers(outline: OutlineView, figures: tuple[Measure, ...], address: str, now: datetime) -> MeasuresPanel:
    return MeasuresPanel(
        figures=figures,
        author=outline.author,
        drawn=Moment.of(outline.created_at),
        ago=words.ago(outline.created_at, now),
        waiting=address if outline.measured_at is None else "",
        problem=outline.reason or "",
    )


def _figures(measures: Mapping[str, Any]) -> tuple[Measure, ...]:
    scale = SCALES.get(measures.get("scale_source") or "")
    # A lesion that leaves the picture is larger than what is seen of it.
    bound = "≥ " if measures.get("touches_border") else ""
    share = measures.get("area_share")
    shown = (
        _scaled("Area", measures.get("area_mm2"), bound + "{:.1f} mm²", scale)
        or _figure("Area", None if share is None else 100 * share, bound + "{:.1f} % of picture", wide=True),
        _scaled("D, longest diameter", measures.get("major_diameter_mm"), bound + "{:.1f} mm", scale)
        or _figure("D, longest diameter", measures.get("major_diameter_px"), bound + "{:.0f} px", wide=True),
        _figure("A, asymmetry", measures.get("asymmetry"), "{:.2f}", scale="relative, 0 to 1"),
        _figure("B, border", measures.get("border_irregularity"), "{:.2f}", scale="relative, 0 to 1"),
        _figure("C, colours", measures.get("colour_count"), "{:.0f}", scale="of 6"),
        _figure("A of colour", measures.get("colour_asymmetry"), "{:.1f}", scale="ΔE, mirrored"),
        _figure("B, abrupt end", measures.get("abrupt_segments"), "{:.0f}", scale="of 8 segments"),
        _figure("C, variegation", measures.get("colour_variegation"), "{:.1f}", scale="ΔE from mean"),
    )
    return tuple(measure for measure in shown if measure is not None)


def _scaled(label: str, value: float | None, form: str, scale: str | None) -> Measure | None:
    # Millimetres without a named source of scale would be a guess that looks like a measurement.
    return None if value is None or scale is None else Measure(label, form.format(value), scale, wide=True)


def _figure(label: str, value: float | None, form: str, *, scale: str = RELATIVE, wide: bool = False) -> Measure | None:
    return None if value is None else Measure(label, form.format(value), scale, wide)
