"""A picture as another visit would show it, with known truth: how it lies, what has grown or darkened, and what only the imaging changed.

Works on real pictures and on drawn ones. Growth stretches the lesion alone: its outline is enlarged exactly, and the skin around gives way.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from models.pictures.types import Gray, Rgb
from models.synthetic.extras import add_hair

Matrix = NDArray[np.float64]

# Skin gives way to a growing lesion within this many of its radii.
GIVES_WAY = 1.2
SOFT_SHARE = 0.04  # of the lesion's radius: the soft border over which a darker lesion turns into skin


@dataclass(frozen=True, slots=True)
class Course:
    """What truly happened between two visits.

    ``growth``: of the area, as a share (0.38: 38 % more), > -0.6; ``lean``: 0..1, growth to one side, towards ``towards`` (radians);
    ``darkening``: share of the light of the lesion that is lost, 0..1.
    """

    growth: float = 0.0
    lean: float = 0.0
    towards: float = 0.0
    darkening: float = 0.0


@dataclass(frozen=True, slots=True)
class Imaging:
    """What only the imaging changed, in the order in which it happens.

    ``turn``: degrees, counter-clockwise on the screen; ``zoom``: later px per earlier px; ``shift``: x and y, as shares of the picture's
    sides; ``hair``: strokes; ``gains``: of red, green and blue; ``slope``: how much brighter the right and the lower edge are than the
    middle, as shares; ``gamma``; ``noise``: grey levels; ``quality``: of the JPEG, 1..100, None for none.
    """

    turn: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    hair: int = 0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    slope: tuple[float, float] = (0.0, 0.0)
    gamma: float = 1.0
    noise: float = 0.0
    quality: int | None = None


@dataclass(frozen=True, slots=True)
class Revisit:
    """``rgb`` H×W×3 uint8 of the first picture's size; ``mask`` H×W 0/255; ``matrix`` 2×3: first picture's px → this one's, of the skin
    far from the lesion; ``area``: the lesion's, as a multiple of the first, in the same mm.
    """

    rgb: Rgb
    mask: Gray
    matrix: Matrix
    area: float


def imaging_between(
    rng: np.random.Generator, *, turn: float = 180, zoom: tuple[float, float] = (0.5, 2.0), shift: float = 0.08, hair: int = 12
) -> Imaging:
    """What may differ between any two visits: ±``turn``°, ``zoom`` (uniform in its logarithm), light, colour, hair, noise and file."""
    light, noise = rng.uniform(0.75, 1.25), rng.uniform(0, 4)
    return Imaging(
        turn=rng.uniform(-turn, turn),
        zoom=math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1]))),
        shift=(rng.uniform(-shift, shift), rng.uniform(-shift, shift)),
        hair=int(rng.integers(0, hair + 1)),
        gains=(light * rng.uniform(0.93, 1.07), light * rng.uniform(0.93, 1.07), light * rng.uniform(0.93, 1.07)),
        slope=(rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12)),
        gamma=rng.uniform(0.8, 1.25),
        noise=noise,
        quality=int(rng.integers(80, 96)),
    )


def same_lamp(imaging: Imaging) -> Imaging:
    """The same without a change of light: the same dermoscope in the same hands."""
    return replace(imaging, gains=(1.0, 1.0, 1.0), slope=(0.0, 0.0), gamma=1.0)


def revisit(picture: Rgb, mask: Gray, *, course: Course, imaging: Imaging, seed: int = 0) -> Revisit:
    """H×W×3 uint8 and its H×W mask 0/255 → the next visit. The same arguments give the same picture.

    What the first picture did not show is black, as outside the lens. Raises ValueError for an empty mask where the lesion is to change,
    and for a mask of another size.
    """
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"a mask of {mask.shape[1]}×{mask.shape[0]} px does not fit a picture of {picture.shape[1]}×{picture.shape[0]} px")
    if (course.growth or course.darkening) and not mask.any():
        raise ValueError("an empty mask cannot grow or darken: give the lesion's outline")
    rng = np.random.Generator(np.random.PCG64(seed))
    matrix = _matrix(imaging, width=picture.shape[1], height=picture.shape[0])
    x, y = _sources(mask, course, matrix)
    way = cv2.INTER_AREA if imaging.zoom < 1 else cv2.INTER_CUBIC
    shown = _softened(_darker(picture, mask, course.darkening), imaging.zoom)
    seen = cv2.remap(shown, x, y, cv2.INTER_LINEAR if way == cv2.INTER_AREA else way, borderMode=cv2.BORDER_CONSTANT)
    later_mask = np.where(np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR)) > 127, 255, 0).astype(np.uint8)
    covered = cv2.remap(np.full(mask.shape, 255, np.uint8), x, y, cv2.INTER_NEAREST)
    rgb = _taken(rng, np.asarray(seen, np.uint8), np.asarray(covered, np.uint8), imaging)
    return Revisit(rgb=rgb, mask=later_mask, matrix=matrix, area=1 + course.growth)


def _matrix(imaging: Imaging, *, width: int, height: int) -> Matrix:
    matrix = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), imaging.turn, imaging.zoom), np.float64)
    matrix[:, 2] += (imaging.shift[0] * width, imaging.shift[1] * height)
    return matrix


def _sources(mask: Gray, course: Course, matrix: Matrix) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each px of the later picture, the px of the first one that it shows."""
    height, width = mask.shape
    back = cv2.invertAffineTransform(matrix)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x = (back[0, 0] * columns + back[0, 1] * rows + back[0, 2]).astype(np.float32)
    y = (back[1, 0] * columns + back[1, 1] * rows + back[1, 2]).astype(np.float32)
    if not course.growth:
        return x, y
    factor = math.sqrt(1 + course.growth)
    anchor, pull = _pull(mask, course, factor)
    strength = cv2.remap(pull, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = np.asarray(strength, np.float32) * np.float32(1 - 1 / factor)
    return x - (x - np.float32(anchor[0])) * share, y - (y - np.float32(anchor[1])) * share


def _pull(mask: Gray, course: Course, factor: float) -> tuple[tuple[float, float], NDArray[np.float32]]:
    """The point that growth starts from, and how far each place of the grown picture takes part: 1 on the grown lesion, 0 far away."""
    moments = cv2.moments(mask, binaryImage=True)
    radius = math.sqrt(moments["m00"] / math.pi)
    away = course.lean * radius
    x = moments["m10"] / moments["m00"] - away * math.cos(course.towards)
    y = moments["m01"] / moments["m00"] - away * math.sin(course.towards)
    grow = np.array([[factor, 0, x * (1 - factor)], [0, factor, y * (1 - factor)]])
    size = (mask.shape[1], mask.shape[0])
    larger = np.maximum(cv2.warpAffine(mask, grow, size), mask)
    distance = cv2.distanceTransform(np.where(larger > 0, 0, 255).astype(np.uint8), cv2.DIST_L2, 5)
    ramp = np.clip(1 - distance / (GIVES_WAY * radius * max(1.0, factor)), 0, 1)
    return (x, y), np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


def _darker(picture: Rgb, mask: Gray, darkening: float) -> Rgb:
    if not darkening:
        return picture
    radius = math.sqrt(cv2.countNonZero(mask) / math.pi)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.8, SOFT_SHARE * radius))
    return np.clip(picture * (1 - darkening * np.asarray(soft)[..., None]), 0, 255).astype(np.uint8)


def _softened(picture: Rgb, zoom: float) -> Rgb:
    """What a smaller picture cannot hold, taken out before it is sampled."""
    return picture if zoom >= 1 else np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.45 / zoom), np.uint8)


def _taken(rng: np.random.Generator, seen: Rgb, covered: Gray, imaging: Imaging) -> Rgb:
    height, width = covered.shape
    light = (seen.astype(np.float32) / 255).astype(np.float32, copy=False)
    add_hair(rng, light, count=imaging.hair)
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    slope = 1 + imaging.slope[0] * across[None, :] + imaging.slope[1] * down[:, None]
    light *= np.array(imaging.gains, np.float32) * slope[..., None]
    light = np.clip(light, 0, 1) ** np.float32(imaging.gamma)
    light += rng.standard_normal(light.shape, dtype=np.float32) * np.float32(imaging.noise / 255)
    light[covered == 0] = 0
    rgb = np.clip(255 * light + 0.5, 0, 255).astype(np.uint8)
    return rgb if imaging.quality is None else _as_jpeg(rgb, imaging.quality)


def _as_jpeg(rgb: Rgb, quality: int) -> Rgb:
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorspace="RGB")
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"), np.uint8)
