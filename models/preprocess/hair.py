"""Dark hair found by a black-hat (DullRazor, Lee et al. 1997) and painted over.

Sizes are those of the published recipes at 512 px on the long side and follow the picture's size.
"""

import cv2
import numpy as np

from models.pictures.types import Gray, Rgb

# A 17 px element on a 512 px picture is wider than a terminal hair; 10 grey levels are visible.
ELEMENT_PER_SIDE = 17 / 512
THRESHOLD = 10
TELEA_RADIUS_PER_SIDE = 1 / 512
RIM = 2  # px around a picture while it is inpainted


def hair_mask(picture: Rgb) -> Gray:
    """H×W×3 uint8 → H×W uint8, 255 where a dark thread-like structure lies (black-hat, Lee et al. 1997)."""
    blackhat = _blackhat(picture, cv2.MORPH_RECT)
    _, mask = cv2.threshold(cv2.GaussianBlur(blackhat, (3, 3), 0), THRESHOLD, 255, cv2.THRESH_BINARY)
    return mask.astype(np.uint8, copy=False)


def remove_hair(picture: Rgb) -> tuple[Rgb, Gray]:
    """H×W×3 uint8 → (picture with hair pixels replaced by a morphological closing, hair mask H×W uint8 0/255)."""
    mask = hair_mask(picture)
    if not mask.any():
        return picture, mask
    filled = cv2.medianBlur(cv2.morphologyEx(picture, cv2.MORPH_CLOSE, _element(picture, cv2.MORPH_RECT)), 3)
    clean = picture.copy()
    cv2.copyTo(filled, mask, clean)
    return clean, mask


def remove_hair_telea(picture: Rgb) -> tuple[Rgb, Gray]:
    """H×W×3 uint8 → (picture with hair pixels inpainted, hair mask H×W uint8 0/255), as system S2 does.

    Grey → black-hat with a cross → threshold 10 → inpainting with radius 1 (Telea 2004, "An image inpainting technique based on the
    fast marching method"). Smoother under broad hairs than the closing; its cost grows with the share of hair.
    """
    _, found = cv2.threshold(_blackhat(picture, cv2.MORPH_CROSS), THRESHOLD, 255, cv2.THRESH_BINARY)
    mask = found.astype(np.uint8, copy=False)
    if not mask.any():
        return picture, mask
    return _inpainted(picture, mask), mask


def _inpainted(picture: Rgb, mask: Gray) -> Rgb:
    """Inpainting inside a rim: OpenCV reads past the edge of pictures one pixel wide, and some versions paint glaring corners."""
    radius = max(1.0, TELEA_RADIUS_PER_SIDE * max(picture.shape[:2]))
    wider, wider_mask = (cv2.copyMakeBorder(array, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE) for array in (picture, mask))
    painted = cv2.inpaint(wider, wider_mask, radius, cv2.INPAINT_TELEA)
    return np.ascontiguousarray(painted[RIM:-RIM, RIM:-RIM], np.uint8)


def _blackhat(picture: Rgb, shape: int) -> Gray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, _element(picture, shape)).astype(np.uint8, copy=False)


def _element(picture: Rgb, shape: int) -> Gray:
    side = max(5, round(ELEMENT_PER_SIDE * max(picture.shape[:2])) | 1)
    return cv2.getStructuringElement(shape, (side, side)).astype(np.uint8, copy=False)
