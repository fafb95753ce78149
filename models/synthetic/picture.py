"""A whole picture: skin, one lesion, what lies on it and the camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.pictures.types import Gray, Rgb
from models.synthetic.extras import add_bubbles, add_hair, add_ruler, add_vignette, expose
from models.synthetic.noise import Shape, smoothstep
from models.synthetic.outline import Outline, draw_outline
from models.synthetic.recipes import RECIPES, Kind
from models.synthetic.skin import draw_skin, render

# Structure is painted at this long side and enlarged: skin through a contact plate has no finer detail, and it keeps drawing fast.
PAINTING_SIDE = 640
# A contact dermoscope shows a field about 20 mm wide.
FIELD_MM = 20.0


@dataclass(frozen=True, slots=True)
class SyntheticPicture:
    """``rgb`` H×W×3 uint8; ``mask`` H×W uint8, 255 on the lesion, hair over it included; ``pixel_spacing_mm``: mm per px."""

    rgb: Rgb
    mask: Gray
    kind: Kind
    pixel_spacing_mm: float


def draw(
    *,
    seed: int,
    kind: Kind | str = Kind.NAEVUS,
    width: int = 1024,
    height: int = 768,
    area: float | None = None,
    fitzpatrick: int = 2,
    hair: int = 0,
    ruler: bool = False,
    vignette: float = 0.3,
    bubbles: int = 4,
    sensor_noise: float = 2.0,
) -> SyntheticPicture:
    """A dermoscopy-like picture. The same arguments give the same picture.

    ``area``: share of the picture the lesion covers, 0.005..0.6 (None: usual for the kind). ``fitzpatrick``: 1..6.
    ``hair``, ``bubbles``: how many. ``vignette``: 0..1, black corners from 0.7. ``sensor_noise``: grey levels.
    Raises ValueError for a side under 32 px, or an area or a skin type out of range.
    """
    _check(width=width, height=height, area=area, fitzpatrick=fitzpatrick)
    kind = Kind(kind)
    rng = np.random.Generator(np.random.PCG64(seed))
    clutter, camera = rng.spawn(2)
    recipe = RECIPES[kind]
    shape = _painting_shape(width=width, height=height)
    share = rng.uniform(*recipe.area)
    outline = draw_outline(
        rng,
        shape,
        area=share if area is None else area,
        irregularity=rng.uniform(*recipe.irregularity),
        elongation=rng.uniform(*recipe.elongation),
    )
    softness = rng.uniform(*recipe.softness)
    tissue = draw_skin(rng, shape, fitzpatrick=fitzpatrick)
    recipe.paint(rng, tissue, outline, smoothstep(outline.depth, -softness, softness))
    light = np.asarray(cv2.resize(render(tissue), (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    spacing = FIELD_MM / max(width, height)
    add_hair(clutter, light, count=hair)
    add_bubbles(clutter, light, count=bubbles)
    if ruler:
        add_ruler(clutter, light, pixels_per_mm=1 / spacing)
    add_vignette(light, strength=vignette)
    rgb = expose(camera, light, sensor_noise=sensor_noise)
    return SyntheticPicture(rgb=rgb, mask=_mask(outline, width=width, height=height), kind=kind, pixel_spacing_mm=spacing)


def _mask(outline: Outline, *, width: int, height: int) -> Gray:
    """255 where the lesion is at least half present, at the picture's own size."""
    depth = cv2.resize(outline.depth, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(np.asarray(depth) >= 0, 255, 0).astype(np.uint8)


def _painting_shape(*, width: int, height: int) -> Shape:
    scale = min(1.0, PAINTING_SIDE / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _check(*, width: int, height: int, area: float | None, fitzpatrick: int) -> None:
    if min(width, height) < 32:
        raise ValueError(f"a picture of {width}×{height} px is too small to draw: use at least 32 px a side")
    if area is not None and not 0.005 <= area <= 0.6:
        raise ValueError(f"area {area} is out of range: give a share of the picture from 0.005 to 0.6")
    if not 1 <= fitzpatrick <= 6:
        raise ValueError(f"fitzpatrick {fitzpatrick} is out of range: give a skin type from 1 to 6")
