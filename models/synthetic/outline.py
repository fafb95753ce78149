"""The outline of a lesion: a field that falls from the centre outwards and is cut at the level that gives the asked area."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.synthetic.noise import Field, Shape, fractal


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the lesion is.

    ``depth``: H×W, 1 at the centre, 0 on the border, negative outside, in units of the lesion's radius.
    ``angle``: H×W, polar angle around the centre, radians. ``radius``: mean radius in px.
    """

    depth: Field
    angle: Field
    radius: float


def draw_outline(rng: np.random.Generator, shape: Shape, *, area: float, irregularity: float, elongation: float) -> Outline:
    """A lesion that covers ``area`` (share of the picture, 0..1) of ``shape``.

    ``irregularity`` 0 (an ellipse) .. 1 (a coastline); ``elongation`` ≥ 1 is the ratio of the axes.
    """
    height, width = shape
    radius = float(np.sqrt(area * height * width / np.pi))
    x, y = _turned_grid(rng, shape, radius=radius, elongation=elongation)
    distance, angle = (np.asarray(part, np.float32) for part in cv2.cartToPolar(x, y))
    wobble = sum(rng.normal(0, 0.10 * irregularity) * np.cos(order * angle + rng.uniform(0, 2 * np.pi)) for order in range(2, 6))
    coast = 0.13 * irregularity * fractal(rng, shape, cell=0.55 * radius + 1, octaves=6)
    field = (1 + wobble + coast - distance).astype(np.float32)
    level = float(np.quantile(field[::2, ::2], 1 - area))
    return Outline(depth=field - np.float32(level), angle=angle, radius=radius)


def _turned_grid(rng: np.random.Generator, shape: Shape, *, radius: float, elongation: float) -> tuple[Field, Field]:
    """Coordinates around a random centre near the middle, along the axes of the ellipse, in units of its radius."""
    height, width = shape
    room_x, room_y = (min(0.08 * side, max(0.0, side / 2 - 1.25 * radius)) for side in (width, height))
    centre_x, centre_y = width / 2 + rng.uniform(-room_x, room_x), height / 2 + rng.uniform(-room_y, room_y)
    turn = rng.normal(0, 0.5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x - centre_x) / radius, (y - centre_y) / radius
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    stretch = np.sqrt(elongation)
    return (along / stretch).astype(np.float32), (across * stretch).astype(np.float32)
