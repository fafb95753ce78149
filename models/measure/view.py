"""The lesion at one scale whatever its size: colours and symmetry are matters of areas, not of pixels."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.outline import Outline
from models.pictures.types import Gray, Rgb

RADIUS = 40  # of the disc with the lesion's area, px of the view
RIM = 8  # skin kept around the lesion's box, px of the view
LONGEST = 256  # px of the view: a few specks far apart are not blown up
WHITE = np.float32(1 / 255)


@dataclass(frozen=True, slots=True)
class View:
    """The lesion's surroundings, scaled so that a disc of the lesion's area has the radius RADIUS, or to LONGEST px."""

    rgb: Rgb  # h×w×3
    lab: NDArray[np.float32]  # h×w×3, the same in CIELAB (D65): L 0..100, a, b
    mask: Gray  # h×w, 0/255
    core: Gray  # h×w, 0/255: the lesion without its outermost pixels, in which skin is mixed
    x: float  # the lesion's centroid, px of the view
    y: float


def view_of(picture: Rgb, mask: Gray, outline: Outline) -> View:
    """H×W×3 uint8 picture, its H×W mask 0/255 and that mask's outline → the view; what lies outside the picture is left out."""
    left, top, width, height = outline.box
    scale = min(RADIUS / math.sqrt(outline.area / math.pi), LONGEST / max(width, height))
    rim = math.ceil(RIM / scale)
    window = (slice(max(0, top - rim), top + height + rim), slice(max(0, left - rim), left + width + rim))
    rgb = _scaled(picture[window], scale)
    shares = _scaled(mask[window], scale)
    # Half; or half of the most there is for specks that fill no pixel of the view; or, where nothing is left of them, all between them.
    small = np.where(shares >= min(128, (int(shares.max()) + 1) // 2), 255, 0).astype(np.uint8)
    moments = cv2.moments(small, binaryImage=True)
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    return View(rgb=rgb, lab=to_lab(rgb), mask=small, core=_core(small), x=x, y=y)


def _core(mask: Gray) -> Gray:
    core = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    return core if cv2.countNonZero(core) else mask


def _scaled(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """H×W[×3] resized by ``scale``. Halving averages out grain and hair as well as INTER_AREA does, at a fourth of its cost."""
    while scale < 0.5:
        rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels = cv2.resize(pixels[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        scale *= 2
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def to_lab(picture: Rgb) -> NDArray[np.float32]:
    """H×W×3 uint8 sRGB → H×W×3 float32 CIELAB, in which a distance is a colour difference (CIE 1976 ΔE; about 2.3 is just seen)."""
    return cv2.cvtColor(picture.astype(np.float32) * WHITE, cv2.COLOR_RGB2LAB).astype(np.float32, copy=False)
