"""What happens to an RGB picture before a network sees it. Never at native size: the working picture is ≤ 512 px."""

import cv2
import numpy as np
import torch

from models.pictures.types import Gray, Rgb

WORKING_SIDE = 512
# ImageNet statistics of RGB in [0, 1], as torchvision's weights expect them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# DullRazor-style black-hat: a 17 px element on a 512 px picture is wider than a terminal hair; 10 grey levels are visible.
HAIR_ELEMENT_PER_SIDE = 17 / 512
HAIR_THRESHOLD = 10


def to_working_size(picture: Rgb, *, side: int = WORKING_SIDE) -> Rgb:
    """H×W×3 uint8 → the same picture with its long side at most ``side`` px; never enlarged."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def hair_mask(picture: Rgb) -> Gray:
    """H×W×3 uint8 → H×W uint8, 255 where a dark thread-like structure lies (black-hat, Lee et al. 1997)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    blackhat = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, _hair_element(picture))
    _, mask = cv2.threshold(cv2.GaussianBlur(blackhat, (3, 3), 0), HAIR_THRESHOLD, 255, cv2.THRESH_BINARY)
    return mask.astype(np.uint8, copy=False)


def remove_hair(picture: Rgb) -> tuple[Rgb, Gray]:
    """H×W×3 uint8 → (picture with hair pixels replaced by a morphological closing, hair mask H×W uint8 0/255)."""
    mask = hair_mask(picture)
    if not mask.any():
        return picture, mask
    filled = cv2.medianBlur(cv2.morphologyEx(picture, cv2.MORPH_CLOSE, _hair_element(picture)), 3)
    clean = picture.copy()
    cv2.copyTo(filled, mask, clean)
    return clean, mask


def _hair_element(picture: Rgb) -> Gray:
    side = max(5, round(HAIR_ELEMENT_PER_SIDE * max(picture.shape[:2])) | 1)
    return cv2.getStructuringElement(cv2.MORPH_RECT, (side, side)).astype(np.uint8, copy=False)


def to_square(picture: Rgb, *, side: int) -> Rgb:
    """H×W×3 uint8 → side×side×3 uint8. The aspect ratio is not kept: the segmenter is trained with squeezed pictures."""
    if picture.shape[:2] == (side, side):
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def normalise(batch: torch.Tensor) -> torch.Tensor:
    """N×3×H×W uint8 or float in 0..255 → float32, ImageNet-normalised."""
    mean = torch.tensor(IMAGENET_MEAN, device=batch.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=batch.device).view(1, 3, 1, 1) * 255
    return (batch.float() - mean) / std
