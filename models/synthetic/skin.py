"""Skin and its chromophores. Light that comes back is what melanin and blood did not absorb (Beer–Lambert), so colours mix as in tissue."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.noise import Field, Shape, distance_to_seeds, fractal, smooth_noise, smoothstep, stretched

# Absorption of red, green and blue light by one unit of each chromophore; "deep" is melanin in the dermis, seen blue (Tyndall effect).
MELANIN = (0.58, 0.92, 1.22)
BLOOD = (0.12, 0.62, 0.48)
DEEP = (1.50, 1.00, 0.60)
# Reflectance of skin without melanin and blood, and of keratin, scars and shiny white structures.
DERMIS = (0.97, 0.93, 0.90)
WHITE = (0.96, 0.90, 0.88)
# Melanin of the epidermis for the Fitzpatrick types I..VI.
FITZPATRICK_MELANIN = (0.04, 0.11, 0.22, 0.40, 0.70, 1.05)


@dataclass(slots=True)
class Tissue:
    """Chromophore maps, H×W float32 each, ≥ 0; ``white`` is the share (0..1) of light scattered back at the surface."""

    melanin: Field
    blood: Field
    deep: Field
    white: Field


def draw_skin(rng: np.random.Generator, shape: Shape, *, fitzpatrick: int) -> Tissue:
    """Skin without a lesion: tone, mottling, furrows and follicles. ``fitzpatrick`` 1..6."""
    unit = max(shape) / 640
    mottle = fractal(rng, shape, cell=150 * unit, octaves=3)
    grain = fractal(rng, shape, cell=9 * unit, octaves=3)
    furrows = _furrows(rng, shape, unit=unit)
    follicles = smoothstep(distance_to_seeds(rng, shape, cell=46 * unit), 0.07, 0.02)
    tone = FITZPATRICK_MELANIN[fitzpatrick - 1]
    melanin = tone * (1 + 0.07 * mottle + 0.05 * grain - 0.10 * furrows) + 0.05 * follicles
    blood = rng.uniform(0.15, 0.42) * (1 + 0.20 * fractal(rng, shape, cell=90 * unit, octaves=4) + 0.05 * grain)
    white = 0.10 * rng.uniform(0.4, 1.3) * furrows + 0.10 * follicles * rng.uniform(0, 1)
    return Tissue(melanin=_positive(melanin), blood=_positive(blood), deep=np.zeros(shape, np.float32), white=_positive(white))


def render(tissue: Tissue) -> NDArray[np.float32]:
    """H×W×3 float32 reflectance in 0..1, RGB."""
    channels = []
    for melanin, blood, deep, dermis, white in zip(MELANIN, BLOOD, DEEP, DERMIS, WHITE, strict=True):
        depth = melanin * tissue.melanin + blood * tissue.blood + deep * tissue.deep
        light = np.asarray(cv2.exp(-depth), np.float32) * np.float32(dermis)
        channels.append(light + tissue.white * (white - light))
    return np.dstack(channels).astype(np.float32, copy=False)


def _furrows(rng: np.random.Generator, shape: Shape, *, unit: float) -> Field:
    """Two families of crossing lines, the relief of the skin: 1 on a furrow, 0 elsewhere."""
    angle = rng.uniform(0, 180)
    lines = np.zeros(shape, np.float32)
    for turn in (0, rng.uniform(55, 100)):
        waves = stretched(rng, shape, length=130 * unit, width=11 * unit, angle=angle + turn)
        lines = np.maximum(lines, smoothstep(np.abs(waves), 0.16, 0.0))
    patches = np.clip(0.55 + 0.5 * smooth_noise(rng, shape, cell=120 * unit), 0, 1)
    return _positive(lines * patches)


def _positive(field: NDArray[np.floating]) -> Field:
    positive: Field = np.maximum(field, 0).astype(np.float32, copy=False)
    return positive
