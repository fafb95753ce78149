"""Regions of a picture: the lesion at another size, the skin around it, its outline as polygons, a region's mean colour."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from models.pictures.masks import enlarge
from models.pictures.types import Gray, Rgb

Polygon = tuple[tuple[float, float], ...]  # x, y of its corners, shares of the picture's width and height, 0..1


def fitted(mask: Gray, *, width: int, height: int) -> Gray:
    """H×W mask, non-zero = lesion → ``height``×``width``, 0/255: a pixel is lesion where half of it was."""
    binary = np.where(mask > 0, 255, 0).astype(np.uint8)
    if mask.shape[0] > height or mask.shape[1] > width:
        binary = np.asarray(cv2.resize(binary, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return enlarge(binary, width, height)


def mean_lab(picture: Rgb, region: Gray) -> tuple[float, float, float]:
    """Mean L*, a*, b* of an H×W×3 uint8 picture where ``region`` is not 0; of all of it where ``region`` is empty."""
    red, green, blue = cv2.mean(picture, region if region.any() else None)[:3]
    # The mean light, not the mean of perceived colours: what a lens out of focus would see.
    light, a, b = cv2.cvtColor(np.array([[[red, green, blue]]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    return float(light), float(a), float(b)


def skin_around(mask: Gray) -> Gray:
    """H×W, 255 on the skin around a lesion: from a tenth to half of its diameter away, so that no haze of pigment counts as skin."""
    diameter = 2 * math.sqrt(cv2.countNonZero(mask) / math.pi)
    away = cv2.distanceTransform(255 - mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    return np.where((away > 0.1 * diameter + 1) & (away < 0.5 * diameter + 3), 255, 0).astype(np.uint8)


def polygons_of(mask: Gray) -> tuple[Polygon, ...]:
    """H×W mask 0/255 → its outlines, within a pixel, largest first."""
    height, width = mask.shape
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    slim = [cv2.approxPolyDP(contour, 0.75, closed=True)[:, 0] for contour in sorted(contours, key=cv2.contourArea, reverse=True)]
    return tuple(tuple((round((x + 0.5) / width, 5), round((y + 0.5) / height, 5)) for x, y in part.tolist()) for part in slim)


def mask_of_polygons(parts: Sequence[Polygon], *, width: int, height: int) -> Gray:
    """Outlines in shares → H×W mask 0/255."""
    mask = np.zeros((height, width), np.uint8)
    size = np.array([width, height])
    corners = [np.rint(np.array(part) * size - 0.5).astype(np.int32) for part in parts if part]
    if corners:
        cv2.fillPoly(mask, corners, (255,))
    return mask
