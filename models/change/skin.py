"""The scale between two pictures told by the skin around the lesion alone: a lesion that grows evenly must not be its own yardstick."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.features import ITERATIONS, LEAST, REPROJECTION, support_of
from models.change.geometry import Matrix, moved, rotation_of, scale_of
from models.change.look import Look
from models.pictures.types import Gray

# How far from the outline skin has to be, as a share of the lesion's radius, and the error of the scale that it tells at the least: what
# is near may have been drawn along by a lesion that grew. The farthest skin that says anything is asked.
RINGS = ((1.3, 0.006), (0.8, 0.02), (0.4, 0.08))
# A feature is looked for around the place where the fit of the pictures puts it: as far off as a lesion that has grown to 2.3 times its
# area, or shrunk as much, puts it wrong. Shares of the distance from the lesion's middle, and of its radius.
ALONG, ASIDE = 0.36, 0.15
# Beyond these the skin tells of another place: factors of the scale, and degrees.
MOST_FACTOR, MOST_TURN = 1.6, 8.0
# Skin is believed when features are found again far beyond chance, and on more than one side of the lesion.
SURPRISE, FOUND = 4.0, 10
# Where another scale explains the skin no better than the fit of the pictures, that one stays.
BETTER = 1.0


@dataclass(frozen=True, slots=True)
class SkinScale:
    """``factor``: how many times larger the later picture shows the skin than ``matrix`` says; ``error``: as a share of it."""

    factor: float
    error: float
    found: int


def skin_scale(earlier: Look, later: Look, matrix: Matrix) -> SkinScale | None:
    """What the skin says of the scale of ``matrix`` (px of looks); None where it has too little structure, or an outline is not known."""
    if earlier.mask is None or later.mask is None or not earlier.mask.any() or not later.mask.any():
        return None
    around = _Around(_middle(later.mask), _radius(later.mask))
    for margin, least in RINGS:
        found = _told_by(_skin(earlier, earlier.mask, margin), _skin(later, later.mask, margin), matrix, around)
        if found is not None:
            return replace(found, error=math.hypot(found.error, least))
    return None


@dataclass(frozen=True, slots=True)
class _Around:
    """The later outline's middle and radius, px of the look."""

    middle: NDArray[np.float64]
    radius: float


def _told_by(one: Look, other: Look, matrix: Matrix, around: _Around) -> SkinScale | None:
    if min(len(one.points), len(other.points)) < FOUND:
        return None
    likeness = one.descriptors @ other.descriptors.T
    fits = [matrix, *_by_skin(one, other, likeness, matrix, around)]
    supports = [support_of(one, other, fit, likeness) for fit in fits]
    best = max(range(len(fits)), key=lambda place: supports[place].surprise + (BETTER if place == 0 else 0.0))
    support = supports[best]
    if support.surprise < SURPRISE or support.found < FOUND:
        return None
    return SkinScale(scale_of(fits[best]) / scale_of(matrix), support.scale_error, support.found)


def _skin(look: Look, mask: Gray, margin: float) -> Look:
    """The look with the features of the skin alone, ``margin`` radii and more from the lesion."""
    away = cv2.distanceTransform(np.where(mask > 0, 0, 255).astype(np.uint8), cv2.DIST_L2, 5)
    places = np.round(look.points).astype(np.intp)
    rows, columns = places[:, 1].clip(0, mask.shape[0] - 1), places[:, 0].clip(0, mask.shape[1] - 1)
    far = np.asarray(away)[rows, columns] > margin * _radius(mask)
    return replace(look, points=look.points[far], descriptors=look.descriptors[far])


def _by_skin(one: Look, other: Look, likeness: NDArray[np.float32], matrix: Matrix, around: _Around) -> list[Matrix]:
    """The similarity that most of the skin's features agree on, near the fit of the pictures."""
    there = moved(matrix, one.points)
    reach = ALONG * np.hypot(*(there - around.middle).T) + ASIDE * around.radius
    off = np.hypot(there[:, None, 0] - other.points[None, :, 0], there[:, None, 1] - other.points[None, :, 1])
    near = np.where(off < reach[:, None], likeness, -1.0)
    best = near.argmax(1)
    rows = np.arange(len(best))
    mutual = (near.argmax(0)[best] == rows) & (near[rows, best] > 0)
    if mutual.sum() < LEAST:
        return []
    cv2.setRNGSeed(0)
    found, _ = cv2.estimateAffinePartial2D(
        one.points[mutual], other.points[best[mutual]], method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION, maxIters=ITERATIONS
    )
    return [] if found is None or not _plausible(np.asarray(found, np.float64), matrix) else [np.asarray(found, np.float64)]


def _plausible(found: Matrix, matrix: Matrix) -> bool:
    turn = (rotation_of(found) - rotation_of(matrix) + 180) % 360 - 180
    return 1 / MOST_FACTOR < scale_of(found) / scale_of(matrix) < MOST_FACTOR and abs(turn) < MOST_TURN


def _middle(mask: Gray) -> NDArray[np.float64]:
    moments = cv2.moments(mask, binaryImage=True)
    return np.array([moments["m10"], moments["m01"]]) / moments["m00"]


def _radius(mask: Gray) -> float:
    return math.sqrt(cv2.countNonZero(mask) / math.pi)
