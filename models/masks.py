"""From the segmenter's logits to the one outline that everything else uses."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures.types import Gray

# Islands smaller than this share of the largest one are hair, ruler ticks or gel bubbles.
ISLAND_SHARE = 0.2


def mask_of(logits: NDArray[np.float32], *, width: int, height: int) -> Gray:
    """h×w logits → height×width mask, 0/255: p ≥ 0.5 after linear enlargement, without small islands and holes."""
    enlarged = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    return tidy(np.where(enlarged > 0, 255, 0).astype(np.uint8))


def tidy(mask: Gray) -> Gray:
    """H×W mask 0/255 → the same with holes filled and islands under ISLAND_SHARE of the largest removed."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    clean = np.zeros_like(mask)
    if contours:
        areas = [cv2.contourArea(contour) for contour in contours]
        kept = [contour for contour, area in zip(contours, areas, strict=True) if area >= ISLAND_SHARE * max(areas)]
        cv2.drawContours(clean, kept, -1, 255, cv2.FILLED)
    return clean
