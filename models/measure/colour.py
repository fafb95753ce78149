"""C: how many of the rule's six colours a lesion shows, and how far its colours spread."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.view import View

# The six colours of the ABCD rule, as typical sRGB values in dermoscopy; a pixel belongs to the nearest.
# Readers name colours after their surroundings and the lamp; this does not: an approximation.
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


def colour_shares(view: View) -> NDArray[np.float64]:
    """Shares of the lesion that are nearest to each of ABCD_COLOURS: 6 figures, sum 1."""
    lesion = view.rgb[view.core > 0].astype(np.float32)
    # |lesion − colour|² but for |lesion|², which all six have.
    distance = (ABCD_COLOURS**2).sum(1) - 2 * lesion @ ABCD_COLOURS.T
    return np.bincount(distance.argmin(axis=1), minlength=len(ABCD_COLOURS)) / len(lesion)


def colour_count(view: View) -> int:
    """How many of the six ABCD colours cover at least COLOUR_SHARE of the lesion: 1..6."""
    return int((colour_shares(view) >= COLOUR_SHARE).sum())


def colour_variegation(view: View) -> float:
    """Root mean square ΔE (CIELAB) between the lesion's pixels and their mean colour: 0 for one colour."""
    return float(np.linalg.norm(cv2.meanStdDev(view.lab, mask=view.core)[1]))
