"""EXIF orientation: reading it from a TIFF block and applying it. Nothing else of EXIF is ever read."""

from typing import Literal

import numpy as np

from models.pictures.types import Rgb

ORIENTATION_TAG = 0x0112
MAX_ENTRIES = 512


def orientation_of(block: bytes) -> int:
    """The orientation 1..8 in a TIFF-structured EXIF block; 1 where it is absent or unreadable (as viewers do)."""
    if block[:2] not in (b"II", b"MM"):
        return 1
    endian: Literal["little", "big"] = "little" if block[:2] == b"II" else "big"
    start = int.from_bytes(block[4:8], endian)
    count = int.from_bytes(block[start : start + 2], endian)
    for index in range(min(count, MAX_ENTRIES)):
        entry = block[start + 2 + 12 * index : start + 14 + 12 * index]
        if int.from_bytes(entry[:2], endian) == ORIENTATION_TAG:
            value = int.from_bytes(entry[8:10], endian)
            return value if 1 <= value <= 8 else 1
    return 1


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) after the orientation is applied: 5..8 exchange the sides."""
    return (height, width) if orientation >= 5 else (width, height)


def upright(rgb: Rgb, orientation: int) -> Rgb:
    """Apply an EXIF orientation 1..8 to an H×W×3 uint8 picture; the result is contiguous."""
    if orientation == 1:
        return rgb
    if orientation >= 5:
        rgb = rgb.transpose(1, 0, 2)
    # After the optional transposition: which axes run backwards.
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(rgb)
