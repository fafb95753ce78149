"""Similarities of the plane as 2×3 matrices."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # 2×3
Points = NDArray[np.float32]  # N×2, x and y


def similarity(*, scale: float, degrees: float, source: tuple[float, float], target: tuple[float, float]) -> Matrix:
    """The similarity that takes ``source`` to ``target``; ``degrees`` counter-clockwise on the screen."""
    matrix = np.asarray(cv2.getRotationMatrix2D((0.0, 0.0), degrees, scale), np.float64)
    matrix[:, 2] = np.array(target) - matrix[:, :2] @ np.array(source)
    return matrix


def scale_of(matrix: Matrix) -> float:
    """How many times longer lengths become."""
    return float(math.hypot(matrix[0, 0], matrix[1, 0]))


def rotation_of(matrix: Matrix) -> float:
    """Degrees, counter-clockwise on the screen, -180..180."""
    return -math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))


def moved(matrix: Matrix, points: Points) -> Points:
    """N×2 points where the matrix takes them."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def corners(width: float, height: float) -> Points:
    """4×2."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def between_sizes(matrix: Matrix, *, source: float, target: float) -> Matrix:
    """The same map between pictures that are ``source`` and ``target`` times as large. Whole numbers are the middles of pixels."""
    grown = matrix.copy()
    grown[:, :2] *= target / source
    shift = (1 - source) / 2 / source
    grown[:, 2] = target * (matrix[:, :2] @ np.array([shift, shift]) + matrix[:, 2]) + (target - 1) / 2
    return grown


def nearest_similarity(affine: Matrix, *, at: tuple[float, float]) -> Matrix:
    """The similarity nearest to an affine map, exact at the target point ``at``: skin does not shear as a whole."""
    a, b = (affine[0, 0] + affine[1, 1]) / 2, (affine[1, 0] - affine[0, 1]) / 2
    turned = np.array([[a, -b], [b, a]])
    middle = np.array(at, np.float64)
    there = np.linalg.solve(affine[:, :2], middle - affine[:, 2])
    return np.column_stack([turned, middle - turned @ there])
