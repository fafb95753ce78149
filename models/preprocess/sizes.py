"""The sizes of a picture on its way to a network."""

import cv2
import numpy as np

from models.pictures.types import Rgb

WORKING_SIDE = 512


def to_working_size(picture: Rgb, *, side: int = WORKING_SIDE) -> Rgb:
    """H×W×3 uint8 → the same picture with its long side at most ``side`` px; never enlarged."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    return to_size(picture, width=max(1, round(width * scale)), height=max(1, round(height * scale)))


def to_square(picture: Rgb, *, side: int) -> Rgb:
    """H×W×3 uint8 → side×side×3 uint8. The aspect ratio is not kept: the segmenter is trained with squeezed pictures."""
    return to_size(picture, width=side, height=side)


def to_size(picture: Rgb, *, width: int, height: int) -> Rgb:
    """H×W×3 uint8 → height×width×3 uint8, squeezed as needed (S2 outlines at 256×384); the picture itself when it has that size."""
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
