"""Where the later picture shows what the earlier one did not: a map beyond the noise of photographing twice.

Both pictures are brought to one light and contrast, by the skin around and the mean of the lesion (whose own colour is a figure of its
own), and to one sharpness. A place differs as far as its colour lies outside the range of colours around the same place in the earlier
picture: pictures never lie over each other to the pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from models.change.geometry import Matrix, between_sizes
from models.change.laying import Sight
from models.change.regions import skin_around
from models.measure.view import to_lab
from models.pictures.types import Gray, Rgb

SIDE = 1024  # longest side of the registered picture, px
QUALITY = 88
# Shares of the long side: what is finer is grain, and how far apart the same place may lie.
SOFT, TOLERANCE = 1.5 / 512, 5 / 512
LEAST_NOISE = 6.0  # ΔE; a difference that eyes do not agree about on moving from one picture to the other
NOISE_QUANTILE = 0.98  # of the skin's differences
STRONGEST = 40.0  # ΔE that is drawn at full strength
MOST_ALPHA = 225
LEAST_GAIN, MOST_GAIN = 0.4, 2.5
MOST_CONTRAST = 1.6  # times; more is no lamp


@dataclass(frozen=True, slots=True)
class Difference:
    """At the later picture's working size: ``magnitude`` H×W ΔE beyond tolerance, 0 where one picture shows nothing; ``noise``: ΔE of
    unchanged skin; ``share``: 0..1 of the later lesion that differs beyond the noise; ``gains``: earlier → later light, of R, G, B;
    ``gain_error``: their standard deviation around the lesion.
    """

    magnitude: NDArray[np.float32]
    noise: float
    share: float
    gains: tuple[float, float, float]
    gain_error: tuple[float, float, float]


def difference_of(earlier: Sight, later: Sight, matrix: Matrix) -> Difference:
    """``matrix``: earlier working px → later working px."""
    height, width = later.mask.shape
    moved = np.asarray(cv2.warpAffine(earlier.clean, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)
    shown = np.asarray(cv2.min(cv2.warpAffine(earlier.seen, matrix, (width, height)), later.seen), np.uint8)
    lesion = np.asarray(cv2.max(cv2.warpAffine(earlier.mask, matrix, (width, height)), later.mask), np.uint8)
    skin = np.asarray(cv2.min(skin_around(np.where(lesion > 127, 255, 0).astype(np.uint8)), shown), np.uint8) > 250
    gains, errors = _gains(moved, later.clean, skin)
    core = np.asarray(cv2.min(cv2.min(cv2.warpAffine(earlier.mask, matrix, (width, height)), later.mask), shown), np.uint8) > 250
    magnitude = _beyond(_matched(moved, later.clean, skin, core, gains), later.clean) * (shown > 250)
    noise = max(LEAST_NOISE, float(np.quantile(magnitude[skin], NOISE_QUANTILE)) if skin.any() else LEAST_NOISE)
    return Difference(magnitude, noise, _share(magnitude, noise, later.mask), gains, errors)


def difference_png(difference: Difference) -> bytes:
    """RGBA in blue to yellow (cividis: one order for every eye); transparent up to the noise, then the stronger the more opaque."""
    full = max(STRONGEST, 2 * difference.noise)
    strength = np.clip((difference.magnitude - difference.noise) / (full - difference.noise), 0, 1)
    levels = np.rint(strength * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS)
    alpha = np.where(levels > 0, 70 + strength * (MOST_ALPHA - 70), 0).astype(np.uint8)
    _, encoded = cv2.imencode(".png", np.dstack([colours, alpha]), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()


def registered_jpeg(earlier: Rgb, later: Rgb, matrix: Matrix) -> bytes:
    """The earlier picture in the later one's frame, long side ≤ SIDE px, JPEG. ``matrix``: earlier px → later px of these pictures."""
    height, width = later.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    there = between_sizes(matrix, source=1.0, target=scale)
    moved = cv2.warpAffine(earlier, there, size, flags=cv2.INTER_LINEAR)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(moved, np.uint8), quality=QUALITY, colorspace="RGB"))


def _gains(earlier: Rgb, later: Rgb, skin: NDArray[np.bool_]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Later over earlier light of the skin (von Kries), and its deviation over the quarters around the lesion."""
    if not skin.any():
        return (1.0, 1.0, 1.0), (0.1, 0.1, 0.1)
    rows, columns = np.nonzero(skin)
    quarter = (rows > np.median(rows)).astype(np.int64) * 2 + (columns > np.median(columns))
    old, new = earlier[rows, columns].astype(np.float64), later[rows, columns].astype(np.float64)
    whole = _ratio(old, new)
    parts = np.array([_ratio(old[quarter == part], new[quarter == part]) for part in range(4) if (quarter == part).any()])
    error = parts.std(axis=0)
    return (float(whole[0]), float(whole[1]), float(whole[2])), (float(error[0]), float(error[1]), float(error[2]))


def _ratio(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip((np.median(new, axis=0) + 1) / (np.median(old, axis=0) + 1), LEAST_GAIN, MOST_GAIN)


def _matched(earlier: Rgb, later: Rgb, skin: NDArray[np.bool_], lesion: NDArray[np.bool_], gains: tuple[float, float, float]) -> Rgb:
    """The earlier picture with the later one's skin and, as far as a lamp may do that, its contrast between lesion and skin."""
    levels = np.arange(256)[:, None] * np.array(gains)
    if skin.any() and lesion.any():
        base = np.median(later[skin], axis=0)
        old, new = np.median(earlier[lesion], axis=0) * np.array(gains) - base, np.median(later[lesion], axis=0) - base
        slope = np.divide(new, old, out=np.ones(3), where=np.abs(old) > 1).clip(1 / MOST_CONTRAST, MOST_CONTRAST)
        levels = base + (levels - base) * slope
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(earlier, table[None]), np.uint8)


def _beyond(earlier: Rgb, later: Rgb) -> NDArray[np.float32]:
    """H×W ΔE by which the later picture leaves the earlier one's range of colours nearby, both as sharp as they can both be."""
    side = max(later.shape[:2])
    old, new = (cv2.GaussianBlur(to_lab(picture), (0, 0), max(0.8, SOFT * side)) for picture in (earlier, later))
    reach = 2 * max(1, round(TOLERANCE * side)) + 1
    around = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
    outside = np.maximum(np.maximum(new - cv2.dilate(old, around), cv2.erode(old, around) - new), 0)
    return np.asarray(np.sqrt((outside**2).sum(axis=2)), np.float32)


def _share(magnitude: NDArray[np.float32], noise: float, lesion: Gray) -> float:
    inside = lesion > 0
    return float((magnitude[inside] > noise).mean()) if inside.any() else 0.0
