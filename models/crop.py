"""The square that the classifier sees: centred on the lesion, with the skin around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.pictures.types import Gray, Rgb

# Side of the crop over the longer side of the lesion's bounding box: the rim of skin carries diagnostic contrast.
MARGIN = 1.6
# A crop under this share of the picture's short side shows a handful of pixels enlarged beyond what training saw.
MIN_SHARE = 0.35
# Masks under this share of the picture are noise: the classifier then sees the centre of the picture.
MIN_LESION_SHARE = 0.004


@dataclass(frozen=True, slots=True)
class Square:
    """A square inside a picture, in fractions of the picture's width (x, half_x) and height (y, half_y)."""

    x: float
    y: float
    half_x: float
    half_y: float


def lesion_square(mask: Gray, *, width: int, height: int, margin: float = MARGIN) -> Square:
    """H×W mask (non-zero = lesion) of a ``width``×``height`` px picture → the square to classify, inside the picture.

    The mask may have any size; it is understood as covering the whole picture.
    """
    return series_squares([mask], sizes=[(width, height)], margin=margin)[0]


def series_squares(
    masks: Sequence[Gray], *, sizes: Sequence[tuple[int, int]], mm_per_px: Sequence[float | None] | None = None, margin: float = MARGIN
) -> list[Square]:
    """The squares of the visits of one lesion, each centred on its lesion, all of one size on the skin: growth is not cropped away.

    The size is that of ``lesion_square`` for the visit with the largest lesion, or less where a picture is smaller than that.
    ``sizes``: width and height of each picture in px. ``mm_per_px``: sides of their pixels on the skin; where one is not known, all
    pictures are taken as equally wide across their short side, as they are from one lens. A series of one gives ``lesion_square``.
    """
    known = mm_per_px is not None and all(mm_per_px)
    shorts = [min(size) for size in sizes]
    units = [float(unit or 0) for unit in mm_per_px or ()] if known else [1 / short for short in shorts]  # of skin in a pixel
    fields = [short * unit for short, unit in zip(shorts, units, strict=True)]
    found = [_extent(mask, width, height) for mask, (width, height) in zip(masks, sizes, strict=True)]
    wanted = [max(margin * extent[2] * unit, MIN_SHARE * field) for extent, unit, field in zip(found, units, fields, strict=True) if extent]
    side = min(max(wanted, default=math.inf), *fields)
    return [
        _clamped(*(extent[:2] if extent else (width / 2, height / 2)), side / unit, width, height)
        for extent, unit, (width, height) in zip(found, units, sizes, strict=True)
    ]


def _extent(mask: Gray, width: int, height: int) -> tuple[float, float, float] | None:
    """Centre x, centre y and longer side of the lesion's bounding box, in px of the picture; None where there is no lesion."""
    mask_height, mask_width = mask.shape
    if cv2.countNonZero(mask) < MIN_LESION_SHARE * mask.size:
        return None
    left, top, box_width, box_height = cv2.boundingRect(mask)
    scale_x, scale_y = width / mask_width, height / mask_height
    return (left + box_width / 2) * scale_x, (top + box_height / 2) * scale_y, max(box_width * scale_x, box_height * scale_y)


def cut(picture: Rgb, square: Square, *, side: int) -> Rgb:
    """The square of an H×W×3 uint8 picture, resized to side×side×3 uint8."""
    height, width = picture.shape[:2]
    left, right = round((square.x - square.half_x) * width), round((square.x + square.half_x) * width)
    top, bottom = round((square.y - square.half_y) * height), round((square.y + square.half_y) * height)
    patch = picture[max(top, 0) : max(bottom, top + 1), max(left, 0) : max(right, left + 1)]
    shrinks = patch.shape[0] > side
    return cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _clamped(x: float, y: float, side: float, width: int, height: int) -> Square:
    half = side / 2
    x = min(max(x, half), width - half)
    y = min(max(y, half), height - half)
    return Square(x=x / width, y=y / height, half_x=half / width, half_y=half / height)
