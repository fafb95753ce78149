"""A: how much a lesion differs from its mirror images about two axes at right angles.

The rule lays the axes through the centre so that the asymmetry is lowest (Nachbar et al. 1994). About the centre, a mirror at angle t
takes the direction p to 2t − p: over directions, the overlap of a polar picture with its own mirror images, for all axes at once,
is its circular convolution with itself. Each ring is convolved by its Fourier coefficients.
"""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.view import View

DIRECTIONS, RINGS = 128, 40
POLAR = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
# Axes that cover this much less of the lesion than the best pair are no axes of it. Round lesions have many.
SLACK = 0.05
Polar = NDArray[np.float64]  # RINGS×DIRECTIONS


@dataclass(frozen=True, slots=True)
class Folds:
    """The lesion folded about DIRECTIONS/2 pairs of axes at right angles, all within 90°; each figure the mean of a pair's folds."""

    overlap: NDArray[np.float64]  # 0..1, share of the lesion that meets itself
    difference: NDArray[np.float64]  # mean squared CIELAB distance there; infinite where nothing meets


def fold(view: View) -> Folds:
    """A view with a lesion → its folds. Specks that slip between the polar picture's points meet nothing: no overlap."""
    rings = np.arange(RINGS, dtype=np.float64)[:, None]  # a ring's area grows with its radius
    shape, core, colours = _polar(view)
    overlap = _both_axes((rings * np.fft.rfft(shape) ** 2).sum(0)) / max(2 * (rings * shape).sum(), 1)
    spectrum = np.fft.rfft(core)
    squares = (rings * spectrum * np.fft.rfft((colours**2).sum(0))).sum(0)
    products = (rings * np.fft.rfft(colours) ** 2).sum((0, 1))
    met, apart = _both_axes((rings * spectrum**2).sum(0)), _both_axes(2 * (squares - products))
    some = met > 1e-6 * (rings * core).sum()  # less is rounding
    return Folds(overlap=overlap, difference=np.divide(apart, met, out=np.full(len(met), np.inf), where=some))


def asymmetry(folds: Folds) -> float:
    """Share of the lesion not covered by its mirror image, mean of both axes, where that is lowest: 0 symmetric .. 1."""
    return float(np.clip(1 - folds.overlap.max(), 0, 1))


def colour_asymmetry(folds: Folds) -> float:
    """Root mean square ΔE (CIELAB) between points of the lesion and their mirror images, over both axes.

    The lowest of all pairs of axes about which the shape is as good as most symmetric.
    """
    lowest = folds.difference[folds.overlap >= folds.overlap.max() - SLACK].min()
    return float(np.sqrt(max(lowest, 0))) if np.isfinite(lowest) else 0.0


def _polar(view: View) -> tuple[Polar, Polar, Polar]:
    """Lesion and its core, 0/1; and the core's colours as distances from their mean, 3×RINGS×DIRECTIONS, 0 outside."""
    rows, columns = np.nonzero(view.mask)
    reach = float(np.sqrt(((columns - view.x) ** 2 + (rows - view.y) ** 2).max())) + 1
    around = partial(cv2.warpPolar, dsize=(RINGS, DIRECTIONS), center=(view.x, view.y), maxRadius=reach, flags=POLAR)
    shape, core = ((around(mask) > 127).T.astype(np.float64) for mask in (view.mask, view.core))
    # Small figures keep the convolution exact.
    colours = around(view.lab).astype(np.float64) - cv2.mean(view.lab, view.core)[:3]
    return shape, core, np.ascontiguousarray(colours.transpose(2, 1, 0)) * core


def _both_axes(coefficients: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Entry k of the convolution belongs to the axis at k/2 steps of direction: the one at right angles is half a turn of k away."""
    every = np.fft.irfft(coefficients, DIRECTIONS)
    return np.asarray(every[: DIRECTIONS // 2] + every[DIRECTIONS // 2 :])
