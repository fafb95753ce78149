"""Tiny data sets in the published layouts, drawn in place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np


def draw(path: Path, *, side: int = 24, seed: int = 0) -> Path:
    """A picture of noise; the seed makes its content its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def draw_mask(path: Path, *, width: int = 24, height: int = 24, empty: bool = False) -> Path:
    """A square lesion in the middle, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((height, width), np.uint8)
    if not empty:
        mask[height // 4 : -height // 4, width // 4 : -width // 4] = 255
    assert cv2.imwrite(str(path), mask)
    return path


def table(path: Path, *lines: str) -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def pictures(folder: Path, names: Sequence[str], *, suffix: str = ".jpg") -> None:
    """One picture per name."""
    for index, name in enumerate(names):
        draw(folder / f"{name}{suffix}", seed=index)


def masks(folder: Path, names: Sequence[str], *, end: str = "_segmentation.png") -> None:
    """One mask per name."""
    for name in names:
        draw_mask(folder / f"{name}{end}")


def folders(root: Path, classes: Mapping[str, int]) -> Path:
    """So many pictures in a folder per class."""
    for order, (name, count) in enumerate(classes.items()):
        for index in range(count):
            draw(root / name / f"{index}.jpg", seed=1000 * order + index)
    return root
