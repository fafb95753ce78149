"""Pictures laid over each other: how well they fit, and the similarity made to fit better."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.geometry import Matrix, between_sizes, nearest_similarity, scale_of
from models.change.look import Look

LEAST_OVERLAP = 0.1
# A refinement that changes the scale by more than this factor has lost its way: smaller pictures fit anywhere.
DRIFT = 1.2
# Fits are judged at half the size of a look: pictures are compared as far as both can be sharp, and it is quick.
HALF = 0.5
BLUR, AROUND = 1.0, 8.0  # px at half size: what is finer than BLUR is noise, what is broader than AROUND any two dark spots share
REFINEMENT = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)


@dataclass(frozen=True, slots=True)
class Fit:
    """``correlation``: -1..1, of the pictures; ``detail``: -1..1, of their fine structure; ``overlap``: 0..1 of the later picture."""

    matrix: Matrix
    correlation: float
    detail: float
    overlap: float


def fit_of(earlier: Look, later: Look, matrix: Matrix) -> Fit:
    """How well ``earlier`` fits ``later`` where ``matrix`` (px of looks) takes it."""
    one, other = earlier.half, later.half
    size = (other.shape[1], other.shape[0])
    halved = between_sizes(matrix, source=HALF, target=HALF)
    placed = cv2.warpAffine(one, halved, size)
    both = ((cv2.warpAffine(earlier.half_valid, halved, size) > 127) & (later.half_valid > 127)).astype(np.float32)
    overlap = float(both.mean())
    if overlap < LEAST_OVERLAP:
        return Fit(matrix, 0.0, 0.0, overlap)
    fine, other_fine = (np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR), np.float32) for grey in (placed, other))
    detail = _correlation(_detail(fine, both), _detail(other_fine, both), both)
    return Fit(matrix, _correlation(fine, other_fine, both), detail, overlap)


def _detail(fine: NDArray[np.float32], where: NDArray[np.float32]) -> NDArray[np.float32]:
    """Structure finer than AROUND, each place as strong as every other; outside ``where`` nothing."""
    weight = cv2.GaussianBlur(where, (0, 0), AROUND) + 1e-3
    mean = cv2.GaussianBlur(fine * where, (0, 0), AROUND) / weight
    high = (fine - mean) * where
    strength = np.sqrt(cv2.GaussianBlur(high * high, (0, 0), AROUND) / weight)
    return np.asarray(high / (strength + 2.0), np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32], where: NDArray[np.float32]) -> float:
    inside = where > 0
    first, second = one[inside].astype(np.float64), other[inside].astype(np.float64)
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).mean() / (first.std() * second.std() + 1e-6))


def refined(earlier: Look, later: Look, fit: Fit) -> Fit:
    """The fit made better on the pictures themselves (ECC, Evangelidis and Psarakis 2008); the same where that does not help."""
    start = cv2.invertAffineTransform(between_sizes(fit.matrix, source=HALF, target=HALF)).astype(np.float32)
    try:
        # ECC takes the later picture's coordinates to the earlier one's.
        _, found = cv2.findTransformECC(later.half, earlier.half, start, cv2.MOTION_AFFINE, REFINEMENT, later.half_valid, 5)
    except cv2.error:  # it does not converge, or the overlap is lost
        return fit
    back = np.asarray(cv2.invertAffineTransform(found), np.float64)
    height, width = later.grey.shape
    better = fit_of(earlier, later, nearest_similarity(between_sizes(back, source=1 / HALF, target=1 / HALF), at=(width / 2, height / 2)))
    astray = not 1 / DRIFT < scale_of(better.matrix) / scale_of(fit.matrix) < DRIFT
    return fit if astray or better.detail <= fit.detail else better
