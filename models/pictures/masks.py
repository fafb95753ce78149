"""Lesion masks between the size at which they are kept and the size of the picture."""

import cv2
import numpy as np

from models.pictures.types import Gray


def enlarge(mask: Gray, width: int, height: int) -> Gray:
    """H×W uint8 mask (0/255) → ``height``×``width`` uint8, 0 or 255: linear interpolation, then threshold at one half."""
    if mask.shape != (height, width):
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    _, binary = cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)
    return binary.astype(np.uint8, copy=False)


def encode_png(mask: Gray) -> bytes:
    """PNG of an H×W uint8 mask, one channel, 8 bit. Unfiltered rows of long runs: five times faster than with filters."""
    _, encoded = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE])
    return encoded.tobytes()


def decode_png(data: bytes) -> Gray:
    """H×W uint8 of a mask PNG that we wrote ourselves. Raises ValueError when it is none."""
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError("The stored mask is not a PNG.")
    return mask.astype(np.uint8, copy=False)
