"""The ABCD figures of dermoscopy (Nachbar et al. 1994) read from mask and picture."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.finding import Measures
from models.pictures.types import Gray, Rgb

# The six colours of the ABCD rule, as typical sRGB values in dermoscopy; a pixel belongs to the nearest.
ABCD_COLOURS = np.array(
    [
        (225, 215, 210),  # white
        (185, 80, 75),  # red
        (180, 125, 90),  # light brown
        (105, 65, 45),  # dark brown
        (115, 120, 140),  # blue-grey
        (40, 30, 30),  # black
    ],
    np.float32,
)
COLOUR_SHARE = 0.05  # a colour counts from this share of the lesion
COLOUR_SIDE = 96  # colours are areas, not pixels: every n-th pixel tells them, at least this many a side
ASYMMETRY_SIDE = 128


def measure(picture: Rgb, mask: Gray, *, full_width: int, full_height: int, pixel_spacing_mm: float | None) -> Measures | None:
    """H×W×3 uint8 picture and H×W mask 0/255, both at working size → measures in pixels of the original; None without a lesion."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    scale = math.sqrt((full_width * full_height) / mask.size)
    lesion = np.concatenate(contours)
    area = cv2.countNonZero(mask) * scale**2
    perimeter = sum(cv2.arcLength(contour, closed=True) for contour in contours) * scale
    (_, sides, _) = cv2.minAreaRect(lesion)
    major, minor = (max(sides) + 1) * scale, (min(sides) + 1) * scale
    spacing = pixel_spacing_mm
    return Measures(
        area_px=area,
        area_share=cv2.countNonZero(mask) / mask.size,
        area_mm2=area * spacing**2 if spacing else None,
        perimeter_px=perimeter,
        major_diameter_px=major,
        minor_diameter_px=minor,
        major_diameter_mm=major * spacing if spacing else None,
        minor_diameter_mm=minor * spacing if spacing else None,
        asymmetry=asymmetry(mask),
        border_irregularity=border_irregularity(mask, lesion),
        colour_count=colour_count(picture, mask),
        touches_border=_touches_border(mask),
        scale_source="dicom_pixel_spacing" if spacing else None,
    )


def asymmetry(mask: Gray) -> float:
    """Share of the lesion not covered by its mirror image, averaged over both principal axes: 0 symmetric .. 1."""
    # Symmetry is a matter of the whole shape: a quarter of the pixels tells it.
    mask = np.ascontiguousarray(mask[::2, ::2])
    moments = cv2.moments(mask, binaryImage=True)
    if moments["m00"] == 0:
        return 0.0
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    angle = 0.5 * math.atan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])
    reach = 2.6 * math.sqrt(max(moments["mu20"] + moments["mu02"], 1) / moments["m00"])
    centred = _centred(mask, x, y, angle, reach)
    total = max(cv2.countNonZero(centred), 1)
    apart = [cv2.countNonZero(cv2.bitwise_xor(centred, cv2.flip(centred, axis))) / (2 * total) for axis in (0, 1)]
    return float(np.mean(apart))


def _centred(mask: Gray, x: float, y: float, angle: float, reach: float) -> Gray:
    scale = ASYMMETRY_SIDE / (2 * reach)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    middle = (ASYMMETRY_SIDE - 1) / 2
    turn = np.array([[cosine, sine, middle - cosine * x - sine * y], [-sine, cosine, middle + sine * x - cosine * y]])
    return cv2.warpAffine(mask, turn, (ASYMMETRY_SIDE, ASYMMETRY_SIDE), flags=cv2.INTER_NEAREST).astype(np.uint8, copy=False)


def border_irregularity(mask: Gray, contour: NDArray[Any]) -> float:
    """1 − area / area of the convex hull: 0 for any convex outline, towards 1 for notched and lobed ones."""
    hull = cv2.contourArea(cv2.convexHull(contour))
    return float(np.clip(1 - cv2.countNonZero(mask) / hull, 0, 1)) if hull > 0 else 0.0


def colour_count(picture: Rgb, mask: Gray) -> int:
    """How many of the six ABCD colours cover at least COLOUR_SHARE of the lesion: 0..6."""
    step = max(1, max(mask.shape) // COLOUR_SIDE)
    pixels = picture[::step, ::step][mask[::step, ::step] > 0].astype(np.float32)
    if not len(pixels):
        return 0
    distance = (pixels**2).sum(1)[:, None] - 2 * pixels @ ABCD_COLOURS.T + (ABCD_COLOURS**2).sum(1)
    shares = np.bincount(distance.argmin(axis=1), minlength=len(ABCD_COLOURS)) / len(pixels)
    return int((shares >= COLOUR_SHARE).sum())


def _touches_border(mask: Gray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
