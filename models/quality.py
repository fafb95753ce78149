"""Is the picture good enough to be analysed? Cheap figures at working size."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.finding import Quality
from models.pictures.types import Gray, Rgb

# Under this long side even the segmenter's 192 px input is enlarged.
SMALL_SIDE = 160
DARK, CLIPPED = 40.0, 0.35
WHITE = (250, 250, 250)
SIDE = 256  # the Laplacian depends on the scale: everything is measured at this long side


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Fitted on validation data: pictures less sharp than ``sharpness`` are called blurred."""

    sharpness: float


def assess(picture: Rgb, *, hair: Gray, full_side: int, limits: QualityLimits) -> Quality:
    """H×W×3 uint8 working picture, its H×W hair mask and the long side of the original in px → quality."""
    small = _resized(picture)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    brightness = float(cv2.mean(grey)[0])
    clipped = cv2.countNonZero(cv2.inRange(small, WHITE, (255, 255, 255))) / grey.size
    sharp = sharpness(grey)
    issues = [
        name
        for name, present in (
            ("blurred", sharp < limits.sharpness),
            ("dark", brightness < DARK),
            ("overexposed", clipped > CLIPPED),
            ("small", full_side < SMALL_SIDE),
        )
        if present
    ]
    return Quality(
        acceptable=not issues,
        issues=tuple(issues),
        sharpness=sharp,
        brightness=brightness,
        clipped_share=clipped,
        hair_share=float(cv2.countNonZero(hair)) / hair.size,
    )


def sharpness(grey: Gray) -> float:
    """Standard deviation of the Laplacian (Pech-Pacheco 2000 uses its square) of H×W uint8 at SIDE px, in grey levels."""
    return float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))[1][0, 0])


def _resized(picture: Rgb) -> Rgb:
    scale = SIDE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8, copy=False)
