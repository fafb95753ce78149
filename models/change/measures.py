"""The figures of one visit, each with its error, as they are kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from models.change.regions import Polygon
from models.change.scale import Scale, ScaleSource


@dataclass(frozen=True, slots=True)
class Estimate:
    """``error``: one standard deviation, in the unit of ``value``. Both finite."""

    value: float
    error: float

    def to_json(self) -> list[float]:
        """``[value, error]``."""
        return [self.value, self.error]

    @classmethod
    def from_json(cls, given: list[float]) -> Self:
        """Raises ValueError for anything but two finite numbers."""
        value, error = (float(part) for part in given)
        if not (math.isfinite(value) and math.isfinite(error)):
            raise ValueError(f"{given} is no estimate: two finite numbers are needed")
        return cls(value, error)


Lab = tuple[Estimate, Estimate, Estimate]
ESTIMATES = (
    "area_px",
    "major_px",
    "minor_px",
    "asymmetry",
    "colour_asymmetry",
    "border_irregularity",
    "colour_variegation",
    "malignant_probability",
)


@dataclass(frozen=True, slots=True)
class VisitMeasures:
    """One picture's lesion. Pixels are those of the upright original, ``width``×``height``.

    ``mm_per_px``, ``scale_source``: None where the scale is not known: sizes then mean something beside another picture only.
    ``area_px`` px²; ``major_px``, ``minor_px`` px; ``asymmetry``, ``border_irregularity`` 0..1; ``colour_asymmetry``,
    ``colour_variegation`` ΔE (CIELAB 1976); ``malignant_probability`` 0..1; ``lesion_lab``, ``skin_lab``: mean L*, a*, b* of the lesion
    and of the skin around it. ``classes``: prediction set, most likely first. ``outline``: the lesion's parts; ``touches_border``: it
    leaves the picture, and every size is a lower bound; ``drawn``: by a reader. ``embedding``: the classifier's features in base64 (F
    float16 little endian of length 1; comparable within one ``pipeline_version``); ``embedding_spread``: mean cosine distance between
    those of slightly different pictures and their mean.
    """

    width: int
    height: int
    mm_per_px: float | None
    scale_source: ScaleSource | None
    area_px: Estimate
    major_px: Estimate
    minor_px: Estimate
    asymmetry: Estimate
    colour_asymmetry: Estimate
    border_irregularity: Estimate
    colour_variegation: Estimate
    malignant_probability: Estimate
    lesion_lab: Lab
    skin_lab: Lab
    classes: tuple[str, ...]
    embedding: str
    embedding_spread: float
    pipeline_version: str
    touches_border: bool
    drawn: bool
    outline: tuple[Polygon, ...]

    @property
    def scale(self) -> Scale | None:
        """Of the upright original."""
        known = self.mm_per_px is not None and self.scale_source is not None
        return Scale(self.mm_per_px, self.scale_source) if known else None  # type: ignore[arg-type]  # known

    @property
    def area_mm2(self) -> Estimate | None:
        """mm², without the scale's own error; None without a scale."""
        return None if self.mm_per_px is None else _times(self.area_px, self.mm_per_px**2)

    @property
    def major_mm(self) -> Estimate | None:
        """mm, without the scale's own error; None without a scale."""
        return None if self.mm_per_px is None else _times(self.major_px, self.mm_per_px)

    @property
    def minor_mm(self) -> Estimate | None:
        """mm, without the scale's own error; None without a scale."""
        return None if self.mm_per_px is None else _times(self.minor_px, self.mm_per_px)

    def to_json(self) -> dict[str, Any]:
        """Plain types, finite numbers."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """What ``to_json`` wrote. Raises KeyError, TypeError, ValueError for anything else."""
        read: dict[str, Any] = {field.name: given[field.name] for field in fields(cls)}
        for name in ESTIMATES:
            read[name] = Estimate.from_json(read[name])
        for name in ("lesion_lab", "skin_lab"):
            read[name] = tuple(Estimate.from_json(part) for part in read[name])
        read["scale_source"] = None if read["scale_source"] is None else ScaleSource(read["scale_source"])
        read["classes"] = tuple(read["classes"])
        read["outline"] = tuple(tuple((float(x), float(y)) for x, y in part) for part in read["outline"])
        return cls(**read)


def _times(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.error * factor)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.to_json()
    if isinstance(value, ScaleSource):
        return str(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
