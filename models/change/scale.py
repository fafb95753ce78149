"""How large a pixel is on the skin, where from one knows it, and whether that can be true."""

import math
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

# Long side of what a picture shows, mm. Videodermoscopes at their highest magnification show 1 to 2 mm; a picture wider than an adult's
# trunk shows a person, not a lesion. What lies outside is a wrong unit (m or µm for mm, dots per inch) or a slip of the hand.
NARROWEST_MM, WIDEST_MM = 1.0, 500.0


class ScaleSource(StrEnum):
    """Who says how large a pixel is."""

    DICOM = "dicom_pixel_spacing"  # the word that measures of a single picture use
    STATED = "stated"  # by the portal
    RULER = "ruler"  # laid by a reader along a ruler in the picture


# One standard deviation between two pictures, as a share. A device that writes DICOM was calibrated, but skin is pressed and tilted under
# its plate; the ends of a 10 mm stretch of ruler are set to about a fifth of a millimetre each.
ERRORS = MappingProxyType({ScaleSource.DICOM: 0.005, ScaleSource.STATED: 0.01, ScaleSource.RULER: 0.03})


@dataclass(frozen=True, slots=True)
class Scale:
    """``mm_per_px``: side of a pixel of the upright original on the skin, > 0."""

    mm_per_px: float
    source: ScaleSource

    @property
    def error(self) -> float:
        """One standard deviation of ``mm_per_px``, as a share of it."""
        return ERRORS[self.source]

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {"mm_per_px": self.mm_per_px, "source": str(self.source)}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """What ``to_json`` wrote. Raises KeyError, ValueError."""
        return cls(mm_per_px=float(given["mm_per_px"]), source=ScaleSource(given["source"]))


def believable(mm_per_px: float, width: int, height: int) -> str | None:
    """Why a spacing cannot be that of a ``width``×``height`` px picture of a lesion, in a sentence; None where it can."""
    if not math.isfinite(mm_per_px) or mm_per_px <= 0:
        return f"A pixel of {mm_per_px:g} mm is no size: state the side of a pixel on the skin in mm, more than 0."
    field = mm_per_px * max(width, height)
    if NARROWEST_MM <= field <= WIDEST_MM:
        return None
    wrong = "less than any dermoscope shows" if field < NARROWEST_MM else "more than a picture of a lesion shows"
    return (
        f"With {mm_per_px:g} mm a pixel the picture would be {field:.3g} mm wide, {wrong} ({NARROWEST_MM:g} to {WIDEST_MM:g} mm): "
        "check the unit, or lay the ruler tool along a ruler in the picture."
    )


def scale_of(*, mm_per_px: float | None, source: ScaleSource, width: int, height: int) -> Scale | None:
    """The scale of a ``width``×``height`` px picture, or None where nothing is said or what is said cannot be true."""
    if mm_per_px is None or believable(mm_per_px, width, height):
        return None
    return Scale(mm_per_px=mm_per_px, source=source)


@dataclass(frozen=True, slots=True)
class Optics:
    """What of a device fixes the size of its pixels on the skin. ``width``, ``height``: px of the upright original."""

    device: str | None
    magnification: float | None
    width: int
    height: int


def magnification_ratio(earlier: Optics, later: Optics) -> float | None:
    """Later px per earlier px of the same stretch of skin, from two magnifications of one device.

    None unless both give a magnification and have files of one size: another size may be another sensor, a crop or a reduction, each
    with another meaning. A picture on its side is the same picture. Two named devices must be the same; where none is named, files of
    one size are taken for one device's.
    """
    if earlier.device != later.device:
        return None
    if sorted((earlier.width, earlier.height)) != sorted((later.width, later.height)):
        return None
    if not earlier.magnification or not later.magnification:
        return None
    ratio = later.magnification / earlier.magnification
    return ratio if math.isfinite(ratio) and ratio > 0 else None
