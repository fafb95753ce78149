"""Where the lesion of one visit lies in the picture of another, or why that cannot be said."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.features import Support, by_features, likeness_of, support_of
from models.change.fitting import Fit, fit_of, refined
from models.change.geometry import Matrix, between_sizes, corners, moved, rotation_of, scale_of
from models.change.guesses import by_intensity, by_outline
from models.change.look import Look

# A fit is believed when features are found again far beyond chance and the fine structure agrees, or when the fine structure agrees so
# well that fewer of them will do. Chosen on 400 lesions of HAM10000 outside the test part: of their pairs 94 % are registered, and of
# 1,600 pairs of different lesions none. docs/benchmarks-trail.md has the test part.
SURPRISE, QUALITY = 3.0, 0.20
LESS_SURPRISE, MORE_QUALITY = 1.0, 0.35
HIGH_QUALITY = 0.60
# What a small overlap shows agrees by chance more easily; from this share of the picture on, it does not matter.
PLENTY = 0.6
# A guess is the best of several turns, which has had more chances to fit: its quality must be that much better.
CHANCES = 0.07
MOST_MAGNIFICATION = 3.5  # beyond it the one picture shows hardly any of the other's structure
OUTGROWN = 3.5  # times the other lesion's diameter: where nothing fits, that is the likelier reason
SEARCHED = 8.0  # magnifications beyond the limit are looked for all the same, to give the right reason
LEAST_FEATURES = 12
# Standard deviation of the Laplacian at 512 px. Rounding to whole grey levels leaves 1.1 of a picture without any detail; small dark
# pictures enlarged have 1.3 and more, sharp ones 4.
BLURRED = 1.2
# Smaller errors are not believed, however many features agree: skin is soft. Shares of the scale and of the diagonal.
LEAST_SCALE_ERROR, LEAST_CORNER_ERROR = 0.002, 0.0015


class Way(StrEnum):
    """How the pictures were laid over each other, the surest first."""

    FEATURES = "features"
    OUTLINE = "outline"
    INTENSITY = "intensity"


class Why(StrEnum):
    """Why there is no valid comparison."""

    BLURRED = "blurred"
    NO_DETAIL = "no_detail"
    MAGNIFICATION = "magnification"
    OTHER_PLACE = "other_place"


@dataclass(frozen=True, slots=True)
class Registration:
    """``matrix`` 2×3 float64: a similarity that takes px of the earlier picture to px of the later one, both at full size.

    ``scale``: later px per earlier px; ``rotation``: degrees, counter-clockwise on the screen; ``inliers``: features found again where
    they should be; ``correlation``: -1..1, of the two pictures where both show skin; ``overlap``: 0..1, share of the later picture that
    both show; ``scale_error``: one standard deviation of ``scale``, as a share of it; ``corner_error``: how far the corners of the
    earlier picture are expected to lie from where they belong, as a share of the later picture's diagonal; ``quality``: 0..1, agreement
    of the fine structure; ``way``: how the pictures were laid over each other.
    """

    matrix: Matrix
    scale: float
    rotation: float
    inliers: int
    correlation: float
    overlap: float
    scale_error: float = 0.01
    corner_error: float = 0.01
    quality: float = 1.0
    way: Way = Way.FEATURES


@dataclass(frozen=True, slots=True)
class NoComparison:
    """The pictures cannot be laid over each other; saying so is the answer."""

    why: Why
    inliers: int
    correlation: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A fit in px of looks, judged in the picture that shows the lesion larger (``turned``: that is the earlier one).

    A picture that is made much smaller fits in many places, so fits are made and judged the other way round then.
    """

    way: Way
    fit: Fit
    support: Support
    turned: bool

    @property
    def believed(self) -> bool:
        """Whether chance would hardly fit the pictures so well."""
        surprise, quality = self.support.surprise, self._evidence
        plain = surprise >= SURPRISE and quality >= QUALITY
        return plain or (surprise >= LESS_SURPRISE and quality >= MORE_QUALITY) or quality >= HIGH_QUALITY

    @property
    def _evidence(self) -> float:
        """The quality as far as it can be trusted."""
        seen = self.fit.detail * math.sqrt(min(1.0, self.fit.overlap / PLENTY))
        return seen if self.way is Way.FEATURES else seen - CHANCES

    @property
    def magnification(self) -> float:
        """How many times larger the one picture shows what the other shows, ≥ about 1."""
        return scale_of(self.fit.matrix)


Likeness = NDArray[np.float32]
Guess = Callable[[Look, Look, Likeness], Iterable[Matrix | None]]
GUESSES: tuple[tuple[Way, Guess], ...] = (
    (Way.FEATURES, lambda earlier, later, likeness: [by_features(earlier, later, likeness)[0]]),
    (Way.OUTLINE, lambda earlier, later, _: by_outline(earlier, later)),
    (Way.INTENSITY, lambda earlier, later, _: by_intensity(earlier, later)),
)


def register(earlier: Look, later: Look) -> Registration | NoComparison:
    """Lay ``earlier`` over ``later``.

    A similarity is guessed from SIFT matches (RANSAC), else from the outlines where both looks have one, else from the spectra of the
    pictures; refined on the pictures themselves (ECC); and believed only when features and fine structure agree on it.
    """
    if why := _unfit(earlier, later):
        return NoComparison(why, 0, 0.0)
    best: Attempt | None = None
    for attempt in attempts(earlier, later):
        if attempt.believed:
            return _registration(earlier, later, attempt) if attempt.magnification <= MOST_MAGNIFICATION else _refusal(attempt)
        if best is None or attempt.fit.detail > best.fit.detail:
            best = attempt
    return _no_comparison(earlier, later, best)


def attempts(earlier: Look, later: Look) -> Iterator[Attempt]:
    """The best fit of each way, one after the other, as far as it has one."""
    likeness = likeness_of(earlier, later)
    for way, guess in GUESSES:
        found = [matrix for matrix in guess(earlier, later, likeness) if matrix is not None and 1 / SEARCHED < scale_of(matrix) < SEARCHED]
        if found:
            yield _attempt(earlier, later, likeness, way, found)


def _attempt(earlier: Look, later: Look, likeness: Likeness, way: Way, guesses: list[Matrix]) -> Attempt:
    turned = scale_of(guesses[0]) < 1
    if turned:
        earlier, later, likeness = later, earlier, likeness.T
        guesses = [_inverse(matrix) for matrix in guesses]
    first = max((fit_of(earlier, later, matrix) for matrix in guesses), key=lambda fit: fit.detail)
    fit = refined(earlier, later, first)
    return Attempt(way, fit, support_of(earlier, later, fit.matrix, likeness), turned)


def _registration(earlier: Look, later: Look, attempt: Attempt) -> Registration:
    fit, support, turned = attempt.fit, attempt.support, attempt.turned
    matrix = _inverse(fit.matrix) if turned else fit.matrix
    height, width = earlier.grey.shape
    # Errors are those of places in the picture that shows the lesion larger, and are wanted in the later one.
    frame, shrink = (corners(width, height), scale_of(matrix)) if turned else (moved(matrix, corners(width, height)), 1.0)
    corner_error = support.error_at(frame) * shrink / float(np.hypot(*later.grey.shape))
    overlap = fit.overlap * (earlier.grey.size * shrink**2 / later.grey.size if turned else 1.0)
    full = between_sizes(matrix, source=1 / earlier.scale, target=1 / later.scale)
    return Registration(
        matrix=full,
        scale=scale_of(full),
        rotation=rotation_of(full),
        inliers=support.found,
        correlation=fit.correlation,
        overlap=min(1.0, overlap),
        scale_error=max(LEAST_SCALE_ERROR, support.scale_error),
        corner_error=max(LEAST_CORNER_ERROR, corner_error),
        quality=max(0.0, fit.detail),
        way=attempt.way,
    )


def _refusal(attempt: Attempt) -> NoComparison:
    return NoComparison(Why.MAGNIFICATION, attempt.support.found, attempt.fit.correlation)


def _no_comparison(earlier: Look, later: Look, best: Attempt | None) -> NoComparison:
    found, correlation = (best.support.found, best.fit.correlation) if best else (0, 0.0)
    outgrown = earlier.mask is not None and later.mask is not None and _outgrown(earlier.mask, later.mask)
    return NoComparison(Why.MAGNIFICATION if outgrown else Why.OTHER_PLACE, found, correlation)


def _unfit(earlier: Look, later: Look) -> Why | None:
    """Why one of the pictures is not fit for any comparison. A blurred one is to be taken again."""
    if min(len(earlier.points), len(later.points)) < LEAST_FEATURES:
        return Why.NO_DETAIL
    return Why.BLURRED if min(earlier.sharpness, later.sharpness) < BLURRED else None


def _outgrown(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    areas = sorted((cv2.countNonZero(one) / one.size, cv2.countNonZero(other) / other.size))
    return areas[1] > OUTGROWN**2 * areas[0]


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)
