"""A picture that shows no skin: a street by day, drawn from a seed. What a wrong upload looks like."""

import cv2
import numpy as np

from models.pictures.types import Rgb
from models.synthetic.noise import fractal

SKY, ROAD = (135, 180, 225), (90, 90, 95)


def draw_scene(*, seed: int, width: int = 1024, height: int = 768) -> Rgb:
    """H×W×3 uint8 RGB: sky, houses with windows, a road with its markings, a tree."""
    rng = np.random.Generator(np.random.PCG64(seed))
    horizon = int(height * 0.68)
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:horizon], canvas[horizon:] = SKY, ROAD
    _houses(rng, canvas, horizon=horizon)
    _road_marks(canvas, horizon=horizon)
    _tree(rng, canvas, horizon=horizon)
    canvas += 5 * fractal(rng, (height, width), cell=12, octaves=3)[..., None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _houses(rng: np.random.Generator, canvas: np.ndarray, *, horizon: int) -> None:
    height, width = canvas.shape[:2]
    left = 0
    while left < width:
        right = left + int(rng.uniform(0.12, 0.22) * width)
        top = int(horizon - rng.uniform(0.25, 0.6) * height)
        cv2.rectangle(canvas, (left, top), (right, horizon), rng.uniform(70, 210, 3).tolist(), -1)
        _windows(rng, canvas, left=left, top=top, right=right, horizon=horizon)
        left = right


def _windows(rng: np.random.Generator, canvas: np.ndarray, *, left: int, top: int, right: int, horizon: int) -> None:
    side = max(6, (right - left) // 8)
    for y in range(top + side, horizon - 2 * side, int(2.2 * side)):
        for x in range(left + side, right - side, int(1.9 * side)):
            glass = (240, 225, 150) if rng.random() < 0.25 else (45, 60, 85)
            cv2.rectangle(canvas, (x, y), (x + side, y + int(1.3 * side)), glass, -1, cv2.LINE_AA)


def _road_marks(canvas: np.ndarray, *, horizon: int) -> None:
    height, width = canvas.shape[:2]
    vanishing = (width // 2, horizon)
    for share in np.linspace(0.05, 0.95, 6):
        x = int(width * share)
        quad = np.array([vanishing, (x, height), (x + width // 18, height)], np.int32)
        cv2.fillPoly(canvas, [quad], (225, 225, 220), cv2.LINE_AA)


def _tree(rng: np.random.Generator, canvas: np.ndarray, *, horizon: int) -> None:
    height, width = canvas.shape[:2]
    foot = (int(width * rng.uniform(0.65, 0.85)), horizon + height // 12)
    top = (foot[0], horizon - height // 5)
    cv2.line(canvas, foot, top, (80, 55, 35), max(2, width // 50), cv2.LINE_AA)
    for _ in range(40):
        centre = (int(foot[0] + rng.normal(0, width * 0.05)), int(top[1] + rng.normal(0, height * 0.06)))
        cv2.circle(canvas, centre, int(width * rng.uniform(0.015, 0.04)), (40, float(rng.uniform(95, 150)), 45), -1, cv2.LINE_AA)
