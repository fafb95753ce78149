"""Readers of the training folders, and splits that never put one lesion on both sides."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.pictures.types import Gray, Rgb
from models.preprocess import remove_hair
from models.taxonomy import CODES

SIDE = 256  # the pictures are held in memory at this size


class Split(StrEnum):
    """The parts of a data set: weights see TRAIN, every choice and threshold VALIDATION, the reported figure TEST."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled picture on disk. ``lesion`` groups pictures that must stay in one split."""

    image: Path
    mask: Path | None
    lesion: str
    diagnosis: str


@dataclass(frozen=True, slots=True)
class Samples:
    """Pictures in memory: N×SIDE×SIDE×3 uint8, masks N×SIDE×SIDE uint8 0/255, labels N int64 (index into CODES, -1: none)."""

    pictures: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int64]
    records: Sequence[Record]

    def __len__(self) -> int:
        return len(self.records)


def split_of(lesion: str) -> Split:
    """80 % train, 10 % validation, 10 % test, decided by a hash of the lesion alone: stable when data is added."""
    tenth = int.from_bytes(hashlib.sha256(lesion.encode()).digest()[:4], "big") % 10
    return {8: Split.VALIDATION, 9: Split.TEST}.get(tenth, Split.TRAIN)


def read_isic2018_task1(folder: Path) -> list[Record]:
    """ISIC 2018 Task 1 folder: ``labels.csv``, ``images/*.jpg``, ``masks/*.png``. A picture without lesion id is its own lesion."""
    return [
        Record(
            folder / "images" / f"{row['image_id']}.jpg",
            _mask(folder, row["image_id"]),
            row["lesion_id"] or row["image_id"],
            row["dx_isic2019"],
        )
        for row in _rows(folder)
    ]


def read_ham10000(folder: Path) -> list[Record]:
    """HAM10000 folder with the same layout; labels are the eight ISIC 2019 classes."""
    return [
        Record(folder / "images" / f"{row['image_id']}.jpg", _mask(folder, row["image_id"]), row["lesion_id"], row["dx_isic2019"])
        for row in _rows(folder)
        if (folder / "images" / f"{row['image_id']}.jpg").exists()
    ]


def of_split(records: Iterable[Record], split: Split) -> list[Record]:
    """The records whose lesion falls into ``split``."""
    return [record for record in records if split_of(record.lesion) is split]


def load(records: Sequence[Record], *, hair_free: bool, title: str) -> Samples:
    """Reads the records into memory on all cores. ``hair_free`` applies the same hair removal as the analyzer does."""
    pictures = np.empty((len(records), SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((len(records), SIDE, SIDE), np.uint8)

    def read(index: int) -> None:
        pictures[index], masks[index] = _read_one(records[index], hair_free=hair_free)

    with ThreadPoolExecutor() as pool:
        for _ in track(pool.map(read, range(len(records))), title, total=len(records)):
            pass
    labels = np.array([CODES.index(record.diagnosis) if record.diagnosis in CODES else -1 for record in records], np.int64)
    return Samples(pictures, masks, labels, records)


def _read_one(record: Record, *, hair_free: bool) -> tuple[Rgb, Gray]:
    bgr = cv2.imread(str(record.image), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"{record.image} is missing or is not a picture: unpack the data set again")
    picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    if hair_free:
        picture, _ = remove_hair(picture)
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    mask = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE) if record.mask else None
    if mask is None:
        return picture, np.zeros((SIDE, SIDE), np.uint8)
    mask = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return picture, np.where(mask > 127, 255, 0).astype(np.uint8)


def _rows(folder: Path) -> list[dict[str, str]]:
    labels = folder / "labels.csv"
    if not labels.exists():
        raise FileNotFoundError(f"{labels} is missing: give the folder that holds labels.csv, images/ and masks/")
    with labels.open(newline="") as file:
        return list(csv.DictReader(file))


def _mask(folder: Path, image_id: str) -> Path | None:
    path = folder / "masks" / f"{image_id}.png"
    return path if path.exists() else None
