"""Looking several times: what a slightly different photograph of the same lesion would have said.

Test-time augmentation as an error bar (Wang et al. 2019, "Aleatoric uncertainty estimation with test-time augmentation", Neurocomputing
338): the picture is turned, mirrored, shifted, magnified and lit a little differently, all of them go through the network in one batch,
and the answers are laid back.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.analyzer import Analyzer
from models.crop import Square
from models.pictures.types import Gray, Rgb

Matrix = NDArray[np.float64]
Probabilities = NDArray[np.float32]  # N×H×W, 0..1

# A drawn line lies about this far from where the same hand would draw it again, as a share of the lesion's diameter; 5 % of its area.
LINE_ERROR = 0.0125
OUTSIDE = -12.0  # logit of what a turned picture does not cover


@dataclass(frozen=True, slots=True)
class Perturbation:
    """``turn``: degrees; ``zoom``: > 1 magnifies; ``right``, ``down``: shares of the side; ``light``: factor."""

    mirrored: bool
    turn: float
    zoom: float
    right: float
    down: float
    light: float


# Their means are those of an untouched picture: no turn, no zoom, no shift, no other light is preferred.
PERTURBATIONS = (
    Perturbation(mirrored=False, turn=0, zoom=1.04, right=0.010, down=-0.008, light=1.03),
    Perturbation(mirrored=True, turn=5, zoom=0.96, right=-0.012, down=0.006, light=0.97),
    Perturbation(mirrored=False, turn=92, zoom=0.98, right=0.008, down=0.012, light=1.05),
    Perturbation(mirrored=True, turn=-97, zoom=1.02, right=-0.006, down=-0.010, light=0.95),
)


def outlined(clean: Rgb, *, analyzer: Analyzer) -> Probabilities:
    """H×W×3 picture at working size, after the segmenter's steps → one H×W map of the lesion for each of PERTURBATIONS."""
    height, width = clean.shape[:2]
    side = analyzer.segmenter_side
    there = [_matrix(one, width=width, height=height, side=side) for one in PERTURBATIONS]
    shown = [_shown(clean, matrix, one, side) for matrix, one in zip(there, PERTURBATIONS, strict=True)]
    logits = analyzer.segmenter(np.stack(shown))[:, 0]
    back = [_back(one, matrix, width=width, height=height) for one, matrix in zip(logits, there, strict=True)]
    return np.stack([1 / (1 + np.exp(-one)) for one in back]).astype(np.float32)


def redrawn(mask: Gray) -> list[Gray]:
    """A reader's outline (H×W 0/255) as the same hand might draw it again: a little outside and a little inside."""
    reach = LINE_ERROR * 2 * math.sqrt(cv2.countNonZero(mask) / math.pi)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(255 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth = np.asarray(inside - outside)
    return [np.where(depth > level, 255, 0).astype(np.uint8) for level in (-reach, reach)]


def shown_squares(picture: Rgb, square: Square, *, analyzer: Analyzer) -> NDArray[np.uint8]:
    """N×S×S×3: what the classifier sees of the lesion's square under each of PERTURBATIONS but the turns, which it need not bear."""
    return np.stack(
        [_lit(_mirrored(analyzer.plan.cut(picture, _moved(square, one)), index), one) for index, one in enumerate(PERTURBATIONS)]
    )


def _matrix(one: Perturbation, *, width: int, height: int, side: int) -> Matrix:
    """3×3: px of the picture → px of what the segmenter is shown (squeezed, as in training)."""
    squeeze = np.diag([(-1 if one.mirrored else 1) * side / width, side / height, 1.0])
    squeeze[0, 2] = side if one.mirrored else 0
    turned = np.vstack([cv2.getRotationMatrix2D((side / 2, side / 2), one.turn, one.zoom), [0, 0, 1]])
    turned[:2, 2] += side * np.array([one.right, one.down])
    return np.asarray(turned @ squeeze, np.float64)


def _shown(clean: Rgb, matrix: Matrix, one: Perturbation, side: int) -> Rgb:
    # A picture that shrinks to less than half its size in one step would alias: INTER_AREA does not know turns.
    seen = cv2.warpAffine(clean, matrix[:2], (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _lit(np.asarray(seen, np.uint8), one)


def _lit(picture: Rgb, one: Perturbation) -> Rgb:
    return np.asarray(cv2.convertScaleAbs(picture, alpha=one.light), np.uint8)


def _back(logits: NDArray[np.float32], matrix: Matrix, *, width: int, height: int) -> NDArray[np.float32]:
    inverse = np.linalg.inv(matrix)[:2]
    laid = cv2.warpAffine(logits, inverse, (width, height), flags=cv2.INTER_LINEAR, borderValue=(OUTSIDE,))
    return np.asarray(laid, np.float32)


def _moved(square: Square, one: Perturbation) -> Square:
    """The square a little beside itself and a little larger or smaller, still inside the picture."""
    room = min(0.5 / square.half_x, 0.5 / square.half_y)
    grown = min(1 / one.zoom, room)
    half_x, half_y = square.half_x * grown, square.half_y * grown
    x = min(max(square.x + 2 * square.half_x * one.right, half_x), 1 - half_x)
    y = min(max(square.y + 2 * square.half_y * one.down, half_y), 1 - half_y)
    return Square(x=x, y=y, half_x=half_x, half_y=half_y)


def _mirrored(square: Rgb, index: int) -> Rgb:
    rows, columns = index // 2 % 2 == 1, index % 2 == 1
    upright = square[::-1] if rows else square
    return np.ascontiguousarray(upright[:, ::-1] if columns else upright)
