"""What lies between the skin and the file: hair, gel bubbles, ruler, field stop, lamp colour, sensor.

All work in place on H×W×3 float32 RGB, 0..1.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.noise import smooth_noise

Light = NDArray[np.float32]


def add_hair(rng: np.random.Generator, light: Light, *, count: int) -> None:
    """``count`` dark curved strokes in about one direction of growth, each with a faint shadow."""
    if not count:
        return
    layer = np.zeros(light.shape[:2], np.uint8)
    unit = max(light.shape[:2]) / 1024
    growth = rng.uniform(0, 2 * np.pi)
    for _ in range(count):
        thickness = max(1, round(rng.choice([1, 2, 2, 3, 4]) * unit))
        stroke, ink = _stroke(rng, light, growth), int(rng.uniform(130, 235))
        for start in range(0, 16, 4):
            taper = max(1, round(thickness * (1 - start / 18)))
            cv2.polylines(layer, [stroke[start : start + 5]], isClosed=False, color=ink, thickness=taper, lineType=cv2.LINE_AA, shift=4)
    opacity = cv2.GaussianBlur(layer, (0, 0), 0.6 * unit).astype(np.float32) / 255
    shadow = cv2.GaussianBlur(layer, (0, 0), 3.0 * unit).astype(np.float32) / 255
    colour = np.float32(rng.choice([0.05, 0.10, 0.16])) * np.array((1.25, 1.0, 0.85), np.float32)
    light *= (1 - 0.25 * shadow)[..., None]
    light += opacity[..., None] * (colour - light)


def add_bubbles(rng: np.random.Generator, light: Light, *, count: int) -> None:
    """Air bubbles in the contact gel: a pale ring with a specular spot; and small glints."""
    unit = max(light.shape[:2]) / 1024
    height, width = light.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    for _ in range(count):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        radius = max(2, int(rng.gamma(2.0, 3.5) * unit))
        cv2.circle(layer, centre, radius, 45, max(1, round(1.2 * unit)), cv2.LINE_AA)
        cv2.circle(layer, (centre[0] - radius // 3, centre[1] - radius // 3), max(1, radius // 5), 230, -1, cv2.LINE_AA)
    shine = cv2.GaussianBlur(layer, (0, 0), 0.8 * unit).astype(np.float32)[..., None] / 255
    light += shine * (1 - light)


def add_ruler(rng: np.random.Generator, light: Light, *, pixels_per_mm: float) -> None:
    """Millimetre ticks along the lower edge, every tenth (and fifth) longer."""
    height, width = light.shape[:2]
    unit = max(height, width) / 1024
    layer = np.zeros((height, width), np.uint8)
    base = int(height * rng.uniform(0.93, 0.97))
    step = pixels_per_mm / 2
    for tick, x in enumerate(np.arange(0.04 * width, 0.96 * width, step)):
        length = (26 if tick % 10 == 0 else 18 if tick % 2 == 0 else 11) * unit
        cv2.line(layer, (int(x), base), (int(x), int(base - length)), 215, max(1, round(1.4 * unit)), cv2.LINE_AA)
    opacity = cv2.GaussianBlur(layer, (0, 0), 0.7 * unit).astype(np.float32)[..., None] / 255
    light += opacity * (0.08 - light)


def add_vignette(light: Light, *, strength: float) -> None:
    """Darker rim; from 0.7 upwards the round field stop of the dermoscope shows as black corners. ``strength`` 0..1."""
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    aspect = np.float32(min(width, height) / max(width, height))
    squared = (x * x + (y * aspect) ** 2) if width >= height else ((x * aspect) ** 2 + y * y)
    shade = 1 - np.float32(0.45 * strength) * squared
    if strength >= 0.7:
        stop = np.float32(1.12 - 0.30 * (strength - 0.7) / 0.3)
        shade *= np.clip((stop - squared) / 0.06, 0.02, 1)
    light *= shade[..., None]


def expose(rng: np.random.Generator, light: Light, *, sensor_noise: float) -> NDArray[np.uint8]:
    """Lamp colour, exposure, fine grain; H×W×3 float32 in 0..1 → uint8. ``sensor_noise``: deviation in grey levels."""
    gains = (rng.uniform(1.0, 1.13) * np.array([1.0, rng.uniform(0.96, 1.05), rng.uniform(0.90, 1.12)]) * 255).astype(np.float32)
    light *= gains
    shape = (light.shape[0], light.shape[1])
    light += (np.float32(sensor_noise) * rng.standard_normal(shape, dtype=np.float32))[..., None]
    light[..., 2] += np.float32(sensor_noise) * smooth_noise(rng, shape, cell=2.0)
    return np.clip(light, 0, 255, out=light).astype(np.uint8)


def _stroke(rng: np.random.Generator, light: Light, growth: float) -> NDArray[np.int32]:
    """Points of one hair in 1/16 px."""
    height, width = light.shape[:2]
    point = np.array([rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 1.1) * height])
    angle, bend = growth + rng.normal(0, 0.45), rng.normal(0, 0.035)
    step = rng.uniform(0.15, 0.6) * max(height, width) / 16
    points = [point]
    for _ in range(16):
        angle += bend + rng.normal(0, 0.02)
        points.append(points[-1] + step * np.array([np.cos(angle), np.sin(angle)]))
    return np.asarray(np.round(np.array(points) * 16), np.int32)
