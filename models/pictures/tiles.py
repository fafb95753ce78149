"""A large picture as a pyramid of JPEG tiles, so that a reader's browser loads only what is on the screen.

Levels as in Deep Zoom (Gasparini & Pinzón; Microsoft 2008): the top level is the picture, each level below has half its size, and
tiles lap over their neighbours so that no seam shows. Levels that would fit into one smaller tile are left out.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import simplejpeg

from models.pictures.types import Rgb

TILE_SIDE, OVERLAP = 512, 1
# Colour is what is judged: no chroma subsampling.
QUALITY, SUBSAMPLING = 90, "444"
# Up to this long side one file is as quick as tiles.
LARGE_SIDE = 2048


def is_large(width: int, height: int) -> bool:
    """Whether a picture of so many px is worth tiles."""
    return max(width, height) > LARGE_SIDE


def top_level(width: int, height: int) -> int:
    """The number of the level that is the picture itself: ⌈log₂ of the long side⌉."""
    return math.ceil(math.log2(max(width, height)))


def pyramid(picture: Rgb) -> Iterator[tuple[str, bytes]]:
    """H×W×3 uint8 RGB → (``level/x_y.jpg``, JPEG bytes) of every tile, the smallest level first.

    A tile shows the pixels from ``x·512 − 1`` to ``(x + 1)·512 + 1``, as far as the level reaches.
    """
    height, width = picture.shape[:2]
    top = top_level(width, height)
    levels = [picture]
    while max(levels[-1].shape[:2]) > TILE_SIDE:
        levels.append(_half(levels[-1]))
    for depth in range(len(levels) - 1, -1, -1):
        for name, tile in _tiles(levels[depth]):
            yield f"{top - depth}/{name}.jpg", _encode(tile)


def _half(picture: Rgb) -> Rgb:
    height, width = picture.shape[:2]
    size = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _tiles(level: Rgb) -> Iterator[tuple[str, Rgb]]:
    height, width = level.shape[:2]
    for y in range(math.ceil(height / TILE_SIDE)):
        rows = slice(max(0, y * TILE_SIDE - OVERLAP), (y + 1) * TILE_SIDE + OVERLAP)
        for x in range(math.ceil(width / TILE_SIDE)):
            columns = slice(max(0, x * TILE_SIDE - OVERLAP), (x + 1) * TILE_SIDE + OVERLAP)
            yield f"{x}_{y}", level[rows, columns]


def _encode(tile: Rgb) -> bytes:
    contiguous = np.ascontiguousarray(tile)
    return bytes(simplejpeg.encode_jpeg(contiguous, quality=QUALITY, colorspace="RGB", colorsubsampling=SUBSAMPLING))
