"""Random fields, all float32 H×W. Deterministic for a given generator state."""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Shape = tuple[int, int]  # (height, width)


def smooth_noise(rng: np.random.Generator, shape: Shape, *, cell: float) -> Field:
    """Unit-variance-ish noise whose features are about ``cell`` px wide."""
    rows, columns = (max(3, round(side / max(cell, 1.0)) + 2) for side in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    return _field(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def fractal(rng: np.random.Generator, shape: Shape, *, cell: float, octaves: int = 4) -> Field:
    """Sum of ``octaves`` smooth noises, each half as wide and 0.55 times as strong as the one before; mean 0, deviation about 1."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += 0.55**octave * smooth_noise(rng, shape, cell=cell / 2**octave)
    return total


def distance_to_seeds(rng: np.random.Generator, shape: Shape, *, cell: float, jitter: float = 0.35) -> Field:
    """Distance in units of ``cell`` to the nearest point of a shaken hexagonal grid: 0 at a point, about 0.6 between points."""
    rows, columns = int(shape[0] / cell) + 3, int(shape[1] / cell) + 3
    y, x = np.mgrid[-1 : rows - 1, -1 : columns - 1].astype(np.float32)
    x = (x + 0.5 * (y % 2) + rng.normal(0, jitter, x.shape)) * cell
    y = (y + rng.normal(0, jitter, y.shape)) * cell
    inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    seeds = np.full(shape, 255, np.uint8)
    seeds[y[inside].astype(int), x[inside].astype(int)] = 0
    return _field(cv2.distanceTransform(seeds, cv2.DIST_L2, 3) / np.float32(cell))


def stretched(rng: np.random.Generator, shape: Shape, *, length: float, width: float, angle: float) -> Field:
    """Noise drawn out along ``angle`` (degrees): features ``length`` px long and ``width`` px wide."""
    side = int(np.hypot(*shape)) + 2
    rows, columns = max(3, round(side / width)), max(3, round(side / length))
    coarse = cv2.resize(rng.standard_normal((rows, columns), dtype=np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    turn[:, 2] -= np.array(((side - shape[1]) / 2, (side - shape[0]) / 2))
    return _field(cv2.warpAffine(coarse, turn, (shape[1], shape[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def smoothstep(field: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, a smooth ramp between; ``low`` > ``high`` turns it round."""
    ramp = np.clip((field - low) / (high - low), 0, 1).astype(np.float32)
    return _field(ramp * ramp * (3 - 2 * ramp))


def _field(array: object) -> Field:
    return np.asarray(array, np.float32)
