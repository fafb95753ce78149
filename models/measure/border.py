"""B: in how many of eight segments the pigment ends abruptly (Nachbar et al. 1994: 0..8)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.view import View

SEGMENTS = 8
SECTORS = 32  # looked at one by one, so that it does not matter where the eighths begin
BAND = 6  # px of the view looked at on either side of the outline: 15 % of the lesion's radius
STEP = 3  # px of the view
# Chosen by eye on HAM10000's training lesions, not fitted to readers: a median of 2 segments for melanomas, 1 for naevi.
# A sector is abrupt when the skin is this much lighter than the rim of the lesion, ...
LEAST_CONTRAST = 12.0  # L*
# ... and this share of the change lies within STEP. A step has 1, an even ramp over the whole band 1/3.
ABRUPT = 0.6


def abrupt_segments(view: View) -> int:
    """How many eighths of the border, seen from the centroid, end abruptly: 0..8.

    An analogue of what readers judge: in each sector, lightness is averaged along the outline at each distance from it, and
    how much of its rise towards the skin happens at once tells abrupt from gradual. A sector outside the picture is not abrupt.
    """
    contrast, share = border_profile(view)
    abrupt = (contrast >= LEAST_CONTRAST) & (share >= ABRUPT)
    return int(abrupt.mean() * SEGMENTS + 0.5)


def border_profile(view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per sector (SECTORS): how much lighter the skin is than the lesion's rim (L*), and the share of that within STEP px."""
    profiles = _profiles(view)
    contrast = np.nan_to_num(profiles[:, -STEP:].mean(1) - profiles[:, :STEP].mean(1))
    steepest = np.nan_to_num(profiles[:, STEP:] - profiles[:, :-STEP]).max(1)
    return contrast, np.divide(steepest, contrast, out=np.zeros(SECTORS), where=contrast > 0)


def _profiles(view: View) -> NDArray[np.float64]:
    """SECTORS×2·BAND mean L*, from BAND px inside the outline to BAND px outside; NaN where there is no pixel."""
    inside = cv2.distanceTransform(view.mask, cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform(255 - view.mask, cv2.DIST_L2, cv2.DIST_MASK_5)
    depth = outside - inside + np.where(view.mask > 0, np.float32(0.5), np.float32(-0.5))  # 0 on the edge between two pixels
    rows, columns = np.nonzero(np.abs(depth) < BAND)
    turn = np.arctan2(rows - view.y, columns - view.x) / (2 * np.pi)
    sector = np.floor(turn * SECTORS).astype(np.int64) % SECTORS
    cell = sector * 2 * BAND + np.floor(depth[rows, columns]).astype(np.int64) + BAND
    cells = SECTORS * 2 * BAND
    sums = np.bincount(cell, weights=view.lab[rows, columns, 0], minlength=cells)
    counts = np.bincount(cell, minlength=cells)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(cells, np.nan), where=counts > 0)
    return means.reshape(SECTORS, 2 * BAND)
