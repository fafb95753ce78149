"""What can be measured of an outlined lesion: size, and asymmetry, border and colours after the ABCD rule of dermoscopy.

The rule (Nachbar et al. 1994, "The ABCD rule of dermatoscopy", J Am Acad Dermatol 30:551-559; Stolz et al. 1994) is read by people.
Its figures here are computed analogues, and no total dermoscopy score is formed of them: that needs its D, the dermoscopic structures,
which nobody measures here, and weights that were fitted to human readings.
"""

import math

import cv2

from models.finding import Measures
from models.measure.asymmetry import asymmetry, colour_asymmetry, fold
from models.measure.border import abrupt_segments
from models.measure.colour import ABCD_COLOURS, colour_count, colour_variegation
from models.measure.outline import Outline, outline_of
from models.measure.view import View, view_of
from models.pictures.types import Gray, Rgb

__all__ = [
    "ABCD_COLOURS",
    "Outline",
    "View",
    "abrupt_segments",
    "asymmetry",
    "colour_asymmetry",
    "colour_count",
    "colour_variegation",
    "fold",
    "measure",
    "outline_of",
    "view_of",
]


def measure(picture: Rgb, mask: Gray, *, full_width: int, full_height: int, pixel_spacing_mm: float | None) -> Measures | None:
    """H×W×3 uint8 picture and H×W mask 0/255, both at working size → measures in pixels of the original; None without a lesion.

    ``pixel_spacing_mm``: mm per pixel of the original. Colours are those of ``picture``: give it without hair, which would count
    as black. Raises ValueError when picture and mask differ in size.
    """
    if picture.shape[:2] != mask.shape:
        raise ValueError(f"a mask of {mask.shape[1]}×{mask.shape[0]} px does not fit a picture of {picture.shape[1]}×{picture.shape[0]} px")
    outline = outline_of(mask)
    if outline is None:
        return None
    view = view_of(picture, mask, outline)
    folds = fold(view)
    scale = math.sqrt((full_width * full_height) / mask.size)
    major, minor = outline.major_diameter * scale, outline.minor_diameter * scale
    area, spacing = outline.area * scale**2, pixel_spacing_mm
    return Measures(
        area_px=area,
        area_share=outline.area / mask.size,
        area_mm2=area * spacing**2 if spacing else None,
        perimeter_px=outline.perimeter * scale,
        major_diameter_px=major,
        minor_diameter_px=minor,
        major_diameter_mm=major * spacing if spacing else None,
        minor_diameter_mm=minor * spacing if spacing else None,
        asymmetry=asymmetry(folds),
        colour_asymmetry=colour_asymmetry(folds),
        border_irregularity=outline.irregularity,
        compactness=outline.compactness,
        abrupt_segments=abrupt_segments(view),
        colour_count=colour_count(view),
        colour_variegation=colour_variegation(view),
        touches_border=_touches_border(mask),
        scale_source="dicom_pixel_spacing" if spacing else None,
    )


def _touches_border(mask: Gray) -> bool:
    return any(cv2.countNonZero(edge) > 0 for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
