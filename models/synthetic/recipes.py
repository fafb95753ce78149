"""How each kind of lesion is painted into the tissue. The structures are those of pattern analysis in dermoscopy."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from models.synthetic.noise import Field, distance_to_seeds, fractal, smooth_noise, smoothstep
from models.synthetic.outline import Outline
from models.synthetic.skin import Tissue


class Kind(StrEnum):
    """What the picture resembles."""

    NAEVUS = "naevus"
    MELANOMA = "melanoma"
    KERATOSIS = "keratosis"
    VASCULAR = "vascular"
    BCC = "bcc"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Ranges of the outline (irregularity, elongation, area as a share of the picture), border softness in radii, and the painter."""

    irregularity: tuple[float, float]
    elongation: tuple[float, float]
    area: tuple[float, float]
    softness: tuple[float, float]
    paint: Callable[[np.random.Generator, Tissue, Outline, Field], None]


def paint_naevus(rng: np.random.Generator, tissue: Tissue, outline: Outline, presence: Field) -> None:
    """Even brown, a regular network thinning out to the rim, sometimes regular globules; one or two colours."""
    shape, radius = presence.shape, outline.radius
    centre = smoothstep(outline.depth, 0.0, 0.7)
    net = smoothstep(_meshes(rng, outline, cell=radius * rng.uniform(0.07, 0.11)), 0.15, 0.65)
    body = rng.uniform(0.55, 1.05) * (0.5 + 0.7 * centre) * (1 + 0.14 * fractal(rng, shape, cell=radius * 0.7))
    strength = rng.uniform(0.2, 0.55) * np.clip(0.8 + 0.45 * smooth_noise(rng, shape, cell=radius * 0.35), 0.05, 2)
    tissue.melanin += presence * np.maximum(body + strength * net + _grain(rng, outline, 0.06), 0.05)
    if rng.random() < 0.4:
        tissue.melanin += presence * centre * 0.45 * smoothstep(distance_to_seeds(rng, shape, cell=radius * 0.15), 0.36, 0.08)
    tissue.blood += presence * rng.uniform(0.0, 0.2)


def paint_melanoma(rng: np.random.Generator, tissue: Tissue, outline: Outline, presence: Field) -> None:
    """Several colours placed without symmetry, a coarse broken network, blotches, blue-white veil, streaks at the rim."""
    shape, radius = presence.shape, outline.radius
    lean = np.cos(outline.angle - rng.uniform(0, 2 * np.pi)) * (1 - outline.depth)
    blotch = smoothstep(fractal(rng, shape, cell=radius * 0.7, octaves=6) + lean, 0.1, 1.5)
    broken = smoothstep(fractal(rng, shape, cell=radius * 0.5), -0.5, 0.9)
    net = smoothstep(_meshes(rng, outline, cell=radius * 0.11), 0.15, 0.65) * broken
    streaks = _streaks(rng, outline) * smoothstep(outline.depth, 0.5, 0.02)
    body = rng.uniform(0.45, 0.8) * (1 + 0.38 * fractal(rng, shape, cell=radius * 0.35, octaves=6))
    tissue.melanin += presence * np.maximum(body + 1.25 * blotch + 0.6 * net + 0.5 * streaks + _grain(rng, outline, 0.16), 0.12)
    veil = smoothstep(fractal(rng, shape, cell=radius * 0.8) - lean, 0.4, 1.8) * smoothstep(outline.depth, 0.15, 0.5)
    tissue.deep += presence * veil * rng.uniform(0.5, 0.9)
    tissue.white += presence * np.clip(0.20 * veil, 0, 0.4)
    regression = smoothstep(fractal(rng, shape, cell=radius * 0.6), 0.9, 2.0)
    tissue.melanin *= 1 - 0.65 * presence * regression
    tissue.blood += presence * (0.15 + 0.4 * smoothstep(fractal(rng, shape, cell=radius * 0.5), 0.3, 1.6))


def paint_keratosis(rng: np.random.Generator, tissue: Tissue, outline: Outline, presence: Field) -> None:
    """Waxy and sharply bordered: fissures and ridges, comedo-like openings (dark), milia-like cysts (bright)."""
    shape, radius = presence.shape, outline.radius
    ridges = np.abs(fractal(rng, shape, cell=radius * 0.20, octaves=4))
    body = rng.uniform(0.35, 0.8) * (1 + 0.28 * fractal(rng, shape, cell=radius * 0.45, octaves=5))
    openings = _spots(rng, outline, cell=radius * 0.24, size=0.20, share=0.4)
    cysts = _spots(rng, outline, cell=radius * 0.30, size=0.13, share=0.3)
    fissures = smoothstep(ridges, 0.5, 0.0) * smoothstep(fractal(rng, shape, cell=radius * 0.5), -0.6, 1.0)
    tissue.melanin += presence * np.maximum(body + 0.45 * fissures + 0.9 * openings + _grain(rng, outline, 0.14), 0.08)
    tissue.white += presence * np.clip(0.05 + 0.45 * cysts + 0.12 * smoothstep(ridges, 0.5, 1.4), 0, 0.8)
    tissue.blood += presence * rng.uniform(-0.1, 0.08)


def paint_vascular(rng: np.random.Generator, tissue: Tissue, outline: Outline, presence: Field) -> None:
    """Red to purple lagoons of unequal size in a red ground, with pale septa between some of them."""
    shape, radius = presence.shape, outline.radius
    lagoons = np.maximum(
        smoothstep(_meshes(rng, outline, cell=radius * 0.42), 0.62, 0.25),
        smoothstep(_meshes(rng, outline, cell=radius * 0.22), 0.50, 0.15),
    )
    tone = np.clip(0.9 + 0.40 * fractal(rng, shape, cell=radius * 0.5), 0.25, 2)
    tissue.blood += presence * np.maximum(1.0 + 1.5 * lagoons * tone + _grain(rng, outline, 0.12), 0)
    tissue.deep += presence * lagoons * rng.uniform(0.05, 0.5) * tone
    tissue.white += presence * 0.16 * (1 - lagoons) * np.clip(tone, 0, 1)


def paint_bcc(rng: np.random.Generator, tissue: Tissue, outline: Outline, presence: Field) -> None:
    """Pink and shiny, with arborising vessels, blue-grey ovoid nests and a small erosion."""
    shape, radius = presence.shape, outline.radius
    tissue.blood += presence * (rng.uniform(0.3, 0.6) + 0.25 * fractal(rng, shape, cell=radius * 0.45, octaves=5))
    pigment = rng.uniform(0.05, 0.3) + 0.16 * fractal(rng, shape, cell=radius * 0.4, octaves=5) + _grain(rng, outline, 0.08)
    tissue.melanin += presence * np.maximum(pigment, 0)
    nests = _spots(rng, outline, cell=radius * 0.42, size=0.42, share=0.35)
    tissue.deep += presence * 0.55 * nests
    tissue.blood += presence * 1.1 * _vessels(rng, outline)
    tissue.white += presence * 0.22 * smoothstep(fractal(rng, shape, cell=radius * 0.35), 0.4, 1.8)
    erosion = smoothstep(fractal(rng, shape, cell=radius * 0.5), 1.2, 2.2)
    tissue.blood += presence * 1.2 * erosion
    tissue.melanin += presence * 0.6 * erosion


RECIPES: dict[Kind, Recipe] = {
    Kind.NAEVUS: Recipe((0.15, 0.45), (1.0, 1.5), (0.05, 0.20), (0.07, 0.16), paint_naevus),
    Kind.MELANOMA: Recipe((0.55, 0.9), (1.0, 1.6), (0.12, 0.32), (0.05, 0.13), paint_melanoma),
    Kind.KERATOSIS: Recipe((0.35, 0.7), (1.0, 1.5), (0.08, 0.26), (0.02, 0.05), paint_keratosis),
    Kind.VASCULAR: Recipe((0.25, 0.55), (1.0, 1.3), (0.04, 0.14), (0.04, 0.09), paint_vascular),
    Kind.BCC: Recipe((0.4, 0.8), (1.0, 1.5), (0.06, 0.20), (0.10, 0.22), paint_bcc),
}


def _grain(rng: np.random.Generator, outline: Outline, strength: float) -> Field:
    """Fine unevenness of pigment, two scales above the pixel."""
    shape = (outline.depth.shape[0], outline.depth.shape[1])
    return strength * fractal(rng, shape, cell=max(6.0, 0.07 * outline.radius), octaves=3)


def _meshes(rng: np.random.Generator, outline: Outline, *, cell: float) -> Field:
    """Distance to the nearest hole of a net whose meshes are bent a little: near 0 in a hole, about 0.6 on a cord."""
    shape = (outline.depth.shape[0], outline.depth.shape[1])
    straight = distance_to_seeds(rng, shape, cell=max(cell, 3.0), jitter=0.2)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    bend_x, bend_y = (0.22 * cell * smooth_noise(rng, shape, cell=2 * cell) for _ in range(2))
    bent = cv2.remap(straight, x + bend_x, y + bend_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(bent, np.float32)


def _spots(rng: np.random.Generator, outline: Outline, *, cell: float, size: float, share: float) -> Field:
    """Round spots of radius ``size`` cells on about ``share`` of the places of a shaken grid."""
    shape = (outline.depth.shape[0], outline.depth.shape[1])
    spots = smoothstep(
        distance_to_seeds(rng, shape, cell=max(cell, 3.0), jitter=0.45) + 0.12 * smooth_noise(rng, shape, cell=0.4 * cell),
        size,
        0.35 * size,
    )
    return spots * smoothstep(smooth_noise(rng, shape, cell=0.9 * cell), 1 - 2 * share, 1.3 - 2 * share)


def _streaks(rng: np.random.Generator, outline: Outline) -> Field:
    """Radial lines: noise of the angle alone, so that it runs outwards."""
    around = smooth_noise(rng, (3, 720), cell=720 / rng.uniform(45, 75))[1]
    around[-24:] = np.linspace(around[-24], around[0], 24)
    turns = (outline.angle * np.float32(720 / (2 * np.pi))).astype(np.int32) % 720
    return smoothstep(around[turns], 0.3, 1.2)


def _vessels(rng: np.random.Generator, outline: Outline) -> Field:
    """Branching vessels that enter from the rim and thin out: 0..1."""
    canvas = np.zeros(outline.depth.shape, np.uint8)
    inside = np.argwhere((outline.depth > 0.1) & (outline.depth < 0.6))
    for _ in range(int(rng.integers(3, 6)) if len(inside) else 0):
        start = inside[rng.integers(len(inside))][::-1].astype(float)
        _branch(rng, canvas, start=start, angle=rng.uniform(0, 2 * np.pi), width=0.045 * outline.radius, step=0.09 * outline.radius)
    return np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0), np.float32) * np.float32(1 / 255)


def _branch(rng: np.random.Generator, canvas: np.ndarray, *, start: np.ndarray, angle: float, width: float, step: float) -> None:
    if width < 0.6:
        return
    points = [start]
    for _ in range(int(rng.integers(4, 8))):
        angle += rng.normal(0, 0.28)
        points.append(points[-1] + step * np.array([np.cos(angle), np.sin(angle)]))
    cv2.polylines(
        canvas, [np.array(points).astype(np.int32)], isClosed=False, color=255, thickness=max(1, round(width)), lineType=cv2.LINE_AA
    )
    for fork in (0.5, -0.45):
        _branch(rng, canvas, start=points[-1], angle=angle + fork, width=0.62 * width, step=0.85 * step)
