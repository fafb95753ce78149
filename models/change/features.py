"""Points of two pictures that look alike: the similarity that most of them agree on, and how sure it is."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.geometry import Matrix, Points, moved
from models.change.look import Look

RATIO = 0.85  # nearest over second nearest distance (Lowe 2004 takes 0.8 where there are many features)
REPROJECTION = 4.0  # px at 512 px on the long side: skin is soft, and is pressed by the lens
ITERATIONS, CONFIDENCE = 3000, 0.999
LEAST = 4
# A feature is found again when, of all features within NEAR px of where it should be, one is among the RANK most alike of the picture.
NEAR, RANK = 6.0, 0.02


@dataclass(frozen=True, slots=True)
class Support:
    """What the features say of a similarity, however it was found.

    ``found``: features found again where they should be; ``expected``: how many would be by chance; ``middle``: x and y of the middle of
    those found, ``spread``: the sum of their squared distances from it, px²; ``variance`` of a coordinate about its place, px².
    """

    found: int
    expected: float
    middle: NDArray[np.float64]
    spread: float
    variance: float

    @property
    def surprise(self) -> float:
        """By how many standard deviations more features are found again than by chance."""
        return (self.found - self.expected) / math.sqrt(self.expected + 1)

    @property
    def scale_error(self) -> float:
        """Standard error of the scale of a similarity fitted to these points by least squares, as a share of it."""
        return math.sqrt(self.variance / self.spread)

    def error_at(self, points: Points) -> float:
        """The error to be expected of that similarity at these places, px: root mean square over the points."""
        reach = float(((points - self.middle) ** 2).sum(1).mean())
        return math.sqrt(2 * self.variance * (1 / max(1, self.found) + reach / self.spread))


def likeness_of(earlier: Look, later: Look) -> NDArray[np.float32]:
    """N×M, 0..1: how alike each feature of the one picture is to each of the other."""
    return earlier.descriptors @ later.descriptors.T


def by_features(earlier: Look, later: Look, likeness: NDArray[np.float32]) -> tuple[Matrix | None, int]:
    """The similarity by RANSAC, px of looks, and the number of features that agree; None without one."""
    pairs = _matches(likeness)
    if len(pairs) < LEAST:
        return None, 0
    source, target = earlier.points[pairs[:, 0]], later.points[pairs[:, 1]]
    # Its own generator: the same two pictures always give the same answer.
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION, maxIters=ITERATIONS, confidence=CONFIDENCE
    )
    return (None, 0) if matrix is None else (np.asarray(matrix, np.float64), int(agree.sum()))


def _matches(likeness: NDArray[np.float32]) -> NDArray[np.int64]:
    """K×2 indices of features that are each other's nearest, and clearly nearer than the second nearest."""
    if min(likeness.shape) < 2:
        return np.zeros((0, 2), np.int64)
    rows = np.arange(len(likeness))
    nearest = likeness.argmax(1)
    best = likeness[rows, nearest]
    mutual = likeness.argmax(0)[nearest] == rows
    rows, nearest, best = rows[mutual], nearest[mutual], best[mutual]
    others = likeness[rows]
    others[np.arange(len(rows)), nearest] = -1
    clear = (1 - best) < RATIO**2 * (1 - others.max(1))
    pairs: NDArray[np.int64] = np.stack([rows, nearest], axis=1)[clear]
    return pairs


def support_of(earlier: Look, later: Look, matrix: Matrix, likeness: NDArray[np.float32]) -> Support:
    """How many features are found again where ``matrix`` (px of looks) takes them, and how exactly."""
    there = moved(matrix, earlier.points)
    height, width = later.grey.shape
    inside = np.flatnonzero((there > 0).all(1) & (there[:, 0] < width) & (there[:, 1] < height))
    if not len(inside) or not len(later.points):
        return _support(there[:0], there[:0], 0.0)
    near = _near(there[inside], later.points)
    rows = likeness[inside]
    rank = max(1, round(RANK * rows.shape[1]))
    floor = -np.partition(-rows, rank - 1, axis=1)[:, rank - 1]
    alike = np.where(near, rows, -1)
    best = alike.argmax(1)
    found = alike[np.arange(len(inside)), best] >= floor
    expected = float((1 - (1 - rank / rows.shape[1]) ** near.sum(1)).sum())
    return _support(there[inside][found], later.points[best[found]], expected)


def _near(there: Points, points: Points) -> NDArray[np.bool_]:
    squares = (there**2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * there @ points.T
    near: NDArray[np.bool_] = squares < NEAR**2
    return near


def _support(there: Points, found: Points, expected: float) -> Support:
    """``there``: where points should be; ``found``: where they are. With too few to tell, a chance find's variance is taken."""
    enough = len(found) >= LEAST
    middle = found.mean(0).astype(np.float64) if enough else np.zeros(2)
    spread = float(((found - middle) ** 2).sum()) if enough else 1.0
    variance = float(((found - there) ** 2).sum()) / (2 * len(found) - LEAST) if enough else NEAR**2 / 4
    return Support(len(found), expected, middle, spread + 1.0, variance)
