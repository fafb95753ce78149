"""Pictures that are no lesions, made from training pictures and from nothing: a detector learns from them what to refuse.

No collection of real strangers is needed, and none has to be licensed: skin is cut from beside the lesions of training pictures, and
everything else keeps some of a lesion picture's statistics (its colours, its edges, its spectrum) while destroying the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.datasets import Record
from models.pictures.types import Gray, Rgb
from models.synthetic import draw_scene
from models.synthetic.noise import fractal

Rng: TypeAlias = np.random.Generator

# Side of a cut of skin over the short side of its picture. Smaller ones show a handful of pixels, larger ones rarely fit.
LARGEST_SKIN, SMALLEST_SKIN = 0.62, 0.30
# Masks end where the lesion's colour does not: the cut keeps this share of the short side away from them.
RIM = 0.03
TILES = 4
DRAWN_SIDE = 256  # px


@dataclass(frozen=True, slots=True)
class Stranger:
    """``png``: a picture as a file, so that it takes the way of every picture; ``kind``: what was done."""

    kind: str
    png: bytes


def made_strangers(records: Sequence[Record], *, seed: int = 0) -> Iterator[Stranger]:
    """One stranger a record, of every kind in turn and skin every other time; the same for the same records and seed.

    Give training records alone. A record without a mask, or without enough skin beside its lesion, gives another kind.
    Raises FileNotFoundError for a picture that cannot be read.
    """
    kinds = list(KINDS.items())
    for index, record in enumerate(records):
        rng = np.random.default_rng([seed, index])
        picture = _read(record.image)
        skin = _skin(picture, _mask(record, picture), rng) if index % 2 == 0 else None
        kind, make = kinds[index // 2 % len(kinds)]
        yield Stranger("skin", _png(skin)) if skin is not None else Stranger(kind, _png(make(picture, rng)))


def unseen(records: Sequence[Record], *, outside: Path | None) -> list[Record]:
    """The records of which no picture below ``outside`` is named: what is only to be measured on must not be learnt from.

    A picture is named after a record when its name begins with the record's image or patient and an underscore, as cuts of it do.
    """
    named = {name for path in outside.rglob("*") for name in _beginnings(path.stem)} if outside else set()
    return [record for record in records if record.image.stem not in named and record.patient not in named]


def skin_beside(picture: Rgb, mask: Gray, rng: Rng) -> Rgb | None:
    """The largest square of an H×W×3 picture without lesion (H×W mask, non-zero), drawn among equals; None where all are too small."""
    short = min(mask.shape)
    rim = 2 * max(1, round(RIM * short)) + 1
    lesion = cv2.dilate((mask > 0).astype(np.uint8), np.ones((rim, rim), np.uint8))
    sums = cv2.integral(lesion)
    for share in np.linspace(LARGEST_SKIN, SMALLEST_SKIN, 9):
        side = int(share * short)
        inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        free = np.argwhere(inside == 0)
        if len(free):
            top, left = free[rng.integers(len(free))]
            return np.ascontiguousarray(picture[top : top + side, left : left + side])
    return None


def shuffled(picture: Rgb, rng: Rng) -> Rgb:
    """Its tiles in another order, each turned: the textures of a lesion without its shape."""
    tile = min(picture.shape[:2]) // TILES
    tiles = [picture[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile] for row in range(TILES) for column in range(TILES)]
    turned = [np.rot90(tiles[index], int(rng.integers(4))) for index in rng.permutation(len(tiles))]
    return np.vstack([np.hstack(turned[row * TILES : (row + 1) * TILES]) for row in range(TILES)])


def inverted(picture: Rgb, rng: Rng) -> Rgb:  # noqa: ARG001  # all kinds are called alike
    """Its negative: the shape of a lesion in colours that skin never has."""
    return 255 - picture


def recoloured(picture: Rgb, rng: Rng) -> Rgb:
    """Every hue turned by 60° to 300°."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int64) + rng.integers(30, 151)) % 180  # OpenCV halves the degrees
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)


def scrambled(picture: Rgb, rng: Rng) -> Rgb:
    """Random phases under its own spectrum: its colours and coarseness without any structure."""
    noise = np.angle(np.fft.rfft2(rng.standard_normal(picture.shape[:2])))[..., None]
    spectrum = np.abs(np.fft.rfft2(picture.astype(np.float64), axes=(0, 1))) * np.exp(1j * noise)
    mixed = np.fft.irfft2(spectrum, s=picture.shape[:2], axes=(0, 1))
    shifted: NDArray[np.float64] = mixed - mixed.mean((0, 1)) + picture.mean((0, 1))
    return np.clip(shifted, 0, 255).astype(np.uint8)


def drawn(picture: Rgb, rng: Rng) -> Rgb:  # noqa: ARG001
    """A street, a page, plain shapes or a cloud, in turn by chance."""
    make = (_street, _page, _shapes, _cloud)[rng.integers(4)]
    return make(rng)


KINDS: dict[str, Callable[[Rgb, Rng], Rgb]] = {
    "shuffled": shuffled,
    "inverted": inverted,
    "recoloured": recoloured,
    "scrambled": scrambled,
    "drawn": drawn,
}


def _street(rng: Rng) -> Rgb:
    return draw_scene(seed=int(rng.integers(2**31)), width=DRAWN_SIDE, height=DRAWN_SIDE)


def _page(rng: Rng) -> Rgb:
    page = np.full((DRAWN_SIDE, DRAWN_SIDE, 3), rng.integers(190, 256), np.uint8)
    ink = rng.integers(0, 90, 3).tolist()
    step = int(rng.integers(10, 28))
    for baseline in range(step, DRAWN_SIDE, step):
        letters = bytes(rng.integers(97, 123, 40, dtype=np.uint8)).decode()
        cv2.putText(page, letters, (8, baseline), cv2.FONT_HERSHEY_SIMPLEX, step / 40, ink, 1, cv2.LINE_AA)
    return page


def _shapes(rng: Rng) -> Rgb:
    canvas = np.full((DRAWN_SIDE, DRAWN_SIDE, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(rng.integers(0, 14)):
        corner, other = rng.integers(0, DRAWN_SIDE, (2, 2)).tolist()
        cv2.rectangle(canvas, corner, other, rng.integers(0, 256, 3).tolist(), -1)
    return canvas


def _cloud(rng: Rng) -> Rgb:
    shape, cell = (DRAWN_SIDE, DRAWN_SIDE), float(2 ** rng.uniform(0, 7))
    colours = np.dstack([fractal(rng, shape, cell=cell) for _ in range(3)]) * rng.uniform(20, 70) + rng.integers(40, 216, 3)
    return np.asarray(np.clip(colours, 0, 255), np.uint8)


def _skin(picture: Rgb, mask: Gray | None, rng: Rng) -> Rgb | None:
    return skin_beside(picture, mask, rng) if mask is not None and mask.any() else None


def _read(path: Path) -> Rgb:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"{path} is missing or is not a picture: unpack the data set again")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _mask(record: Record, picture: Rgb) -> Gray | None:
    mask = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE) if record.mask else None
    if mask is None:
        return None
    full = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.where(full > 127, 255, 0).astype(np.uint8)


def _png(picture: Rgb) -> bytes:
    encoded: NDArray[np.uint8] = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    return encoded.tobytes()


def _beginnings(stem: str) -> Iterator[str]:
    parts = stem.split("_")
    return ("_".join(parts[:count]) for count in range(1, len(parts) + 1))
