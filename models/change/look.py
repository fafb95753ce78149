"""What a registration needs to know of one picture, worked out once and compared with many."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures.types import Gray, Rgb
from models.preprocess import remove_hair

LOOK_SIDE = 512
MOST_FEATURES = 1500
# Skin under a dermoscope is low in contrast: SIFT's usual 0.04 would keep the rim of the lesion and little else.
CONTRAST, EDGE = 0.008, 12.0
# Grey levels under this are the black surround of the lens, or what a turned picture does not cover.
BLACK = 12
RIM = 15  # px; a feature nearer to the surround would describe the surround


@dataclass(frozen=True, slots=True)
class Look:
    """One picture at 512 px on its long side, without hair.

    ``grey`` H×W uint8, contrast evened out (CLAHE); ``valid`` H×W uint8, 255 where there is skin; ``points`` N×2 float32 in px of
    ``grey``; ``descriptors`` N×128 float32 (RootSIFT, Arandjelović and Zisserman 2012); ``scale``: px of ``grey`` per px of the picture.
    ``half``, ``half_valid``: both at half size. ``mask`` H×W uint8, 255 on the lesion, where its outline is known.
    """

    grey: Gray
    valid: Gray
    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    scale: float
    sharpness: float
    half: Gray
    half_valid: Gray
    mask: Gray | None = None


def look_at(picture: Rgb, mask: Gray | None = None) -> Look:
    """H×W×3 uint8 of any size → its :class:`Look`. Features by SIFT (Lowe 2004).

    ``mask``: the lesion, non-zero, of any size: it is understood as covering the whole picture.
    """
    small, scale = _small(picture)
    plain = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    clean, _ = remove_hair(small)
    grey = np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)), np.uint8)
    return _look(grey, _valid(plain), scale=scale, sharpness=_sharpness(plain, _valid(plain)), mask=mask)


def _look(grey: Gray, valid: Gray, *, scale: float, sharpness: float, mask: Gray | None) -> Look:
    keypoints, descriptors = _sift().detectAndCompute(grey, valid)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    found = np.zeros((0, 128), np.float32) if descriptors is None else descriptors
    return Look(
        grey=grey,
        valid=valid,
        points=points,
        descriptors=np.sqrt(found / (found.sum(1, keepdims=True) + 1e-7)).astype(np.float32),
        scale=scale,
        sharpness=sharpness,
        half=_halved(grey),
        half_valid=_halved(valid),
        mask=_outline(mask, valid),
    )


def _halved(grey: Gray) -> Gray:
    height, width = grey.shape
    return np.asarray(cv2.resize(grey, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA), np.uint8)


def _small(picture: Rgb) -> tuple[Rgb, float]:
    height, width = picture.shape[:2]
    scale = LOOK_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8), scale


def _outline(mask: Gray | None, valid: Gray) -> Gray | None:
    if mask is None or not mask.any():
        return None
    small = cv2.resize(np.where(mask > 0, 255, 0).astype(np.uint8), (valid.shape[1], valid.shape[0]), interpolation=cv2.INTER_AREA)
    return np.where(np.asarray(small) > 127, 255, 0).astype(np.uint8)


def _sharpness(grey: Gray, valid: Gray) -> float:
    """Standard deviation of the Laplacian where there is skin; 0 where there is none."""
    return float(cv2.Laplacian(grey, cv2.CV_32F)[valid > 0].std()) if valid.any() else 0.0


def _valid(grey: NDArray[np.uint8]) -> Gray:
    seen = np.where(grey > BLACK, 255, 0).astype(np.uint8)
    return np.asarray(cv2.erode(seen, np.ones((RIM, RIM), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,)), np.uint8)


@cache
def _sift() -> Any:
    return cv2.SIFT_create(  # type: ignore[attr-defined]  # the stubs lack it
        nfeatures=MOST_FEATURES, contrastThreshold=CONTRAST, edgeThreshold=EDGE
    )
