"""What in a picture may tell who the patient is: writing that a device burnt in, or that lay in the picture.

No network and no list of words: letters are small, sharp, of one contrast, and stand in a row at one height. Rows of parts that look
so are found with OpenCV and judged by a logistic function of their geometry (second degree), fitted by ``infra.bench.identity``. Hairs,
bubbles, ticks of rulers and reflections make parts, too, but hardly such rows. It does not read: what it finds is for a human to see.
"""

import json
from dataclasses import dataclass
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures.types import Gray, Rgb

SIDE = 512  # px; long side for which the limits below are meant
KERNEL = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))  # wider than the strokes of letters
CONTRAST = 36  # grey levels between a stroke and what surrounds it
LOWEST, HIGHEST, WIDEST = 5, 60, 90  # px
MOST_PARTS = 220  # beyond these only the largest: bounds the time on skin full of structure
FEWEST = 3  # parts that make a row
# What is told of a row, in the order of ``line_features``. Sizes are in heights of its parts, contrast in hundreds of grey levels.
FEATURES = (
    *("log_parts", "log_height", "height_spread", "baseline", "bend", "aspect", "aspect_spread", "fill", "fill_spread", "contrast"),
    *("contrast_spread", "inner_spread", "gap", "gap_spread", "overlaps", "tallness", "log_length", "area_spread", "width_spread"),
    *("bars", "pitch_spread", "beside_long"),
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judge:
    """A fitted judgement over F features: the logistic function of features and their products, each brought to mean 0, spread 1 first.

    ``squares`` is F×F, symmetric. A row with ``threshold`` or more counts as writing. ``version`` goes into the records.
    """

    version: str
    threshold: float
    bias: float
    mean: Floats
    scale: Floats
    weights: Floats
    squares: Floats

    def score(self, features: Floats) -> float:
        """0..1."""
        z = np.clip((features - self.mean) / self.scale, -6, 6)
        return float(1 / (1 + np.exp(-np.clip(z @ self.weights + z @ self.squares @ z + self.bias, -40, 40))))


def load_judge() -> Judge:
    """The judgement that ships with the package."""
    fitted = json.loads((files("models.pictures") / "identity_weights.json").read_text(encoding="utf-8"))
    if fitted["features"] != list(FEATURES):
        raise ValueError("identity_weights.json was fitted to other features: run python -m infra.bench.identity --fit")
    arrays = {name: np.asarray(fitted[name], np.float64) for name in ("mean", "scale", "weights", "squares")}
    return Judge(fitted["version"], fitted["threshold"], fitted["bias"], **arrays)


JUDGE = load_judge()
VERSION = JUDGE.version


@dataclass(frozen=True, slots=True)
class TextBox:
    """A row that looks like writing. Shares of the picture's width and height, 0..1; ``score`` 0..1, the judge's threshold or more."""

    x: float
    y: float
    width: float
    height: float
    score: float


@dataclass(frozen=True, slots=True)
class _Parts:
    """N parts: x, y, width, height, area in px, contrast in grey levels and its spread inside the part.

    ``long``: M boxes (left, top, right, bottom) of what is too long for a letter: hairs, rulers, borders.
    """

    x: Floats
    y: Floats
    w: Floats
    h: Floats
    area: Floats
    contrast: Floats
    spread: Floats
    long: Floats


NONE = np.zeros(0)
NO_PARTS = _Parts(NONE, NONE, NONE, NONE, NONE, NONE, NONE, np.zeros((0, 4)))


def find_text(picture: Rgb, judge: Judge = JUDGE) -> tuple[TextBox, ...]:
    """H×W×3 uint8 with a long side of ``SIDE`` px or less → rows of writing, the surest first; empty for nearly all pictures.

    A millisecond of processor time. Letters under ``LOWEST`` px or with less than ``CONTRAST`` grey levels are not seen, nor upright rows.
    """
    height, width = picture.shape[:2]
    found = []
    for features, (left, top, right, bottom) in line_features(picture):
        score = judge.score(features)
        if score >= judge.threshold:
            found.append(TextBox(left / width, top / height, (right - left) / width, (bottom - top) / height, score))
    return _apart(sorted(found, key=lambda box: -box.score))


def _apart(found: list[TextBox]) -> tuple[TextBox, ...]:
    """Without boxes that lie mostly in a surer one: the light between dark letters makes a row, too."""
    kept: list[TextBox] = []
    for box in found:
        if all(_shared(box, surer) < 0.5 * min(box.width * box.height, surer.width * surer.height) for surer in kept):
            kept.append(box)
    return tuple(kept)


def _shared(one: TextBox, other: TextBox) -> float:
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(0.0, width) * max(0.0, height)


def look(picture: Rgb) -> tuple[TextBox, ...]:
    """``find_text`` in a picture of any size."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return find_text(picture)


def line_features(picture: Rgb) -> list[tuple[Floats, tuple[float, float, float, float]]]:
    """The features (in the order of ``FEATURES``) and the place (x, y, right, bottom in px) of every row of parts."""
    rows = []
    for strokes in _strokes(picture):
        parts = _parts(strokes)
        rows += [_described(parts, members) for members in _lines(parts)]
    return rows


def _strokes(picture: Rgb) -> tuple[Gray, Gray, Gray]:
    """How much brighter, darker and more colourful each pixel is than what surrounds it, 0..255.

    Green or yellow letters may be as bright as the skin below them, but not as pale.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    red, green, blue = cv2.split(picture)
    colour = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    maps = ((grey, cv2.MORPH_TOPHAT), (grey, cv2.MORPH_BLACKHAT), (colour, cv2.MORPH_TOPHAT))
    bright, dark, vivid = (np.asarray(cv2.morphologyEx(plane, operation, KERNEL), np.uint8) for plane, operation in maps)
    return bright, dark, vivid


def _parts(strokes: Gray) -> _Parts:
    """Connected parts of the strokes that have the size of a letter or a short word."""
    _, mask = cv2.threshold(strokes, CONTRAST, 1, cv2.THRESH_BINARY)
    # Only the marked pixels are looked at, in the order of their parts: OpenCV's statistics look at all, three times as long.
    marked = np.flatnonzero(mask.view(np.bool_))
    if not len(marked):
        return NO_PARTS
    # Short labels are quicker, but a picture full of specks could exhaust them.
    labels_of = cv2.CV_16U if len(marked) < mask.size // 5 else cv2.CV_32S
    _, labels = cv2.connectedComponents(mask, connectivity=8, ltype=labels_of)
    label = labels.ravel()[marked]
    order = np.argsort(label, kind="stable")  # rows stay in order within a part
    starts = np.flatnonzero(np.diff(label[order], prepend=0))
    area = np.diff(starts, append=len(marked))
    rows, columns = np.divmod(marked[order], mask.shape[1])
    x, y = np.minimum.reduceat(columns, starts), rows[starts]
    w, h = np.maximum.reduceat(columns, starts) + 1 - x, rows[starts + area - 1] + 1 - y
    fits = (h >= LOWEST) & (h <= HIGHEST) & (w <= WIDEST) & (w <= 8 * h) & (area >= 0.1 * w * h) & (area >= 6)
    chosen = np.flatnonzero(fits)
    if len(chosen) > MOST_PARTS:
        chosen = np.sort(chosen[np.argsort(-area[chosen], kind="stable")[:MOST_PARTS]])
    levels = strokes.ravel()[marked[order]].astype(np.float64)
    contrast = np.add.reduceat(levels, starts) / area
    spread = np.sqrt(np.maximum(np.add.reduceat(levels * levels, starts) / area - contrast * contrast, 0))
    long = np.maximum(w, h) > max(WIDEST, strokes.shape[1] // 5)
    boxes = np.stack((x, y, x + w, y + h), axis=1)[long].astype(np.float64)
    x, y, w, h, area = (side[chosen].astype(np.float64) for side in (x, y, w, h, area))
    return _Parts(x, y, w, h, area, contrast[chosen], spread[chosen], boxes)


def _lines(parts: _Parts) -> list[NDArray[np.intp]]:
    """Groups of parts that stand beside each other at one height, with one contrast."""
    if len(parts.x) < FEWEST:
        return []
    low, high = np.minimum.outer(parts.h, parts.h), np.maximum.outer(parts.h, parts.h)
    bottom, right, middle = parts.y + parts.h, parts.x + parts.w, parts.x + parts.w / 2
    overlap = np.minimum.outer(bottom, bottom) - np.maximum.outer(parts.y, parts.y)
    gap = np.maximum.outer(parts.x, parts.x) - np.minimum.outer(right, right)
    alike = np.abs(np.subtract.outer(parts.contrast, parts.contrast)) < 0.4 * np.maximum.outer(parts.contrast, parts.contrast)
    apart = np.abs(np.subtract.outer(middle, middle)) > 0.25 * low
    near = (low > 0.55 * high) & (overlap > 0.6 * low) & (gap < 1.1 * high) & (gap > -0.3 * low) & alike & apart
    return _groups(near)


def _groups(near: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Connected sets of a symmetric relation with ``FEWEST`` members or more."""
    label = np.arange(len(near))
    linked = near | np.eye(len(near), dtype=bool)
    while True:
        lowest = np.where(linked, label[None, :], len(near)).min(axis=1)
        if np.array_equal(lowest, label):
            break
        label = lowest
    names, counts = np.unique(label, return_counts=True)
    return [np.flatnonzero(label == name) for name in names[counts >= FEWEST]]


def _described(parts: _Parts, members: NDArray[np.intp]) -> tuple[Floats, tuple[float, float, float, float]]:
    order = members[np.argsort(parts.x[members], kind="stable")]
    x, y, w, h = (side[order] for side in (parts.x, parts.y, parts.w, parts.h))
    size, aspect, fill = float(np.median(h)), w / h, parts.area[order] / (w * h)
    bottom, middle = y + h, y + h / 2
    gaps = x[1:] - (x + w)[:-1]
    tall, contrast = h > 0.8 * h.max(), parts.contrast[order]
    line = (x.min(), y.min(), (x + w).max(), bottom.max())
    values = (
        np.log(len(order)),
        np.log(size),
        h.std() / size,
        min(bottom[tall].std(), y[tall].std()) / size,
        _bend(x + w / 2, middle) / size,
        aspect.mean(),
        aspect.std(),
        fill.mean(),
        fill.std(),
        contrast.mean() / 100,
        contrast.std() / contrast.mean(),
        (parts.spread[order] / contrast).mean(),
        gaps.mean() / size,
        gaps.std() / size,
        float((gaps < 0).mean()),
        (line[3] - line[1]) / size,
        np.log((line[2] - line[0]) / size),
        parts.area[order].std() / parts.area[order].mean(),
        w.std() / w.mean(),
        float(((aspect < 0.35) & (fill > 0.55)).mean()),
        np.diff(x + w / 2).std() / size,
        _beside(parts.long, line, size),
    )
    return np.asarray(values, np.float64), (float(line[0]), float(line[1]), float(line[2]), float(line[3]))


def _beside(long: Floats, line: tuple[float, float, float, float], size: float) -> float:
    """1 where something long comes as near as a letter is high: the edge of a ruler with its ticks and its "mm", or hair."""
    left, top, right, bottom = long.T
    across = (left < line[2] + size) & (right > line[0] - size)
    return float((across & (top < line[3] + size) & (bottom > line[1] - size)).any())


def _bend(x: Floats, y: Floats) -> float:
    """Mean distance of the middles from the straight line through them, px."""
    centred = x - x.mean()
    slope = (centred @ (y - y.mean())) / max(float(centred @ centred), 1e-9)
    return float(np.abs(y - y.mean() - slope * centred).mean())
