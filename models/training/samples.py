"""Pictures in memory: read once on all cores, then every epoch draws its views from there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from models.crop import lesion_square
from models.datasets import Record
from models.inputs import WHOLE as WHOLE_SQUARE
from models.pictures.types import Gray, Rgb
from models.preprocess import apply_steps, to_working_size

SIDE = 256  # the pictures are held in memory at this size
WHOLE = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Samples:
    """Pictures N×SIDE×SIDE×3 uint8, masks N×SIDE×SIDE uint8 0/255 (all 0: none known), labels N int64 (-1: none).

    ``squares`` N×3 float32: what the network is shown of each, as centre x, centre y and half side in −1..1. ``frames`` N×4 float32:
    the same as it is in the picture that is not squeezed to SIDE×SIDE, with half width and half height; None: those of ``squares``.
    """

    pictures: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int64]
    squares: NDArray[np.float32]
    records: Sequence[Record]
    frames: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.records)


class Batches(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Samples as a dataset that is read a batch at a time."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """One batch: pictures N×3×H×W and masks N×1×H×W uint8, labels N, squares N×3, frames N×4."""
        samples = self.samples
        frames = samples.squares[:, [0, 1, 2, 2]] if samples.frames is None else samples.frames
        return {
            "pictures": torch.from_numpy(samples.pictures[indices]).permute(0, 3, 1, 2),
            "masks": torch.from_numpy(samples.masks[indices]).unsqueeze(1),
            "labels": torch.from_numpy(samples.labels[indices]),
            "squares": torch.from_numpy(samples.squares[indices]),
            "frames": torch.from_numpy(frames[indices]),
        }


def load(records: Sequence[Record], *, codes: Sequence[str], steps: Sequence[str], crop: str, title: str) -> Samples:
    """Reads the records into memory, with the preprocessing ``steps`` that the analyzer applies as well."""
    pictures = np.empty((len(records), SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((len(records), SIDE, SIDE), np.uint8)
    frames = np.empty((len(records), 4), np.float32)

    def read(index: int) -> None:
        pictures[index], masks[index], (width, height) = _read_one(records[index], steps=steps)
        square = WHOLE_SQUARE if crop == "whole" else lesion_square(masks[index], width=width, height=height)
        frames[index] = 2 * square.x - 1, 2 * square.y - 1, 2 * square.half_x, 2 * square.half_y

    with ThreadPoolExecutor() as pool:
        for _ in track(pool.map(read, range(len(records))), title, total=len(records)):
            pass
    places = {code: index for index, code in enumerate(codes)}
    labels = np.array([places.get(record.diagnosis or "", -1) for record in records], np.int64)
    return Samples(pictures, masks, labels, squares_of(masks, crop=crop), records, frames)


def squares_of(masks: NDArray[np.uint8], *, crop: str) -> NDArray[np.float32]:
    """N×3 float32: what a bundle with this ``crop`` shows of pictures with these masks."""
    if crop == "whole":
        return np.tile(np.array(WHOLE, np.float32), (len(masks), 1))
    squares = [lesion_square(mask, width=mask.shape[1], height=mask.shape[0]) for mask in masks]
    return np.array([[2 * square.x - 1, 2 * square.y - 1, 2 * square.half_x] for square in squares], np.float32).reshape(-1, 3)


def _read_one(record: Record, *, steps: Sequence[str]) -> tuple[Rgb, Gray, tuple[int, int]]:
    """Picture and mask, squeezed, and the width and height of the file."""
    bgr = cv2.imread(str(record.image), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"{record.image} is missing or is not a picture: unpack the data set again")
    size = (bgr.shape[1], bgr.shape[0])
    picture = apply_steps(to_working_size(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)), steps=tuple(steps))
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    mask = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE) if record.mask else None
    if mask is None:
        return picture, np.zeros((SIDE, SIDE), np.uint8), size
    mask = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return picture, np.where(mask > 127, 255, 0).astype(np.uint8), size
