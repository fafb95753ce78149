"""The lesions of the trail's benchmark: real ones by part, and drawn ones; and what each process needs to look at them."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from models.analyzer import Analyzer
from models.datasets import DatasetError, Record, Split, partition, read
from models.explain import HeatMaps
from models.inputs import after_steps
from models.masks import mask_of
from models.pictures.decode import decode
from models.pictures.types import Gray, Rgb
from models.preprocess import to_square, to_working_size
from models.synthetic import Kind, draw

Part = Literal["development", "test"]
SETS = ("ham10000", "isic2018_task1", "uda1_originals")
LESIONS = (Kind.NAEVUS, Kind.MELANOMA, Kind.KERATOSIS, Kind.BCC)
MOST_PIXELS = 40_000_000
LARGEST_SIDE = 1024  # px: larger pictures are reduced, as a comparison does


@dataclass(frozen=True, slots=True)
class Subject:
    """A lesion's picture: a file with its mask's file, or one to be drawn (``image`` None). ``number`` seeds what happens to it."""

    name: str
    lesion: str
    source: str
    number: int
    image: Path | None = None
    mask: Path | None = None

    def picture(self) -> Rgb:
        """Upright H×W×3 uint8, long side at most 1024 px."""
        if self.image is None:
            return _drawn(self.number)[0]
        picture = decode(self.image.read_bytes(), max_pixels=MOST_PIXELS).rgb
        return to_working_size(picture, side=LARGEST_SIDE)

    def data(self) -> bytes:
        """The file; nothing for a drawn one."""
        return self.image.read_bytes() if self.image else b""

    def outline(self, picture: Rgb) -> Gray:
        """The true outline in that picture, 0/255; empty where none is on file."""
        if self.image is None:
            return _drawn(self.number)[1]
        size = (picture.shape[1], picture.shape[0])
        mask = cv2.imread(str(self.mask), cv2.IMREAD_GRAYSCALE) if self.mask else None
        if mask is None:
            return np.zeros(picture.shape[:2], np.uint8)
        return np.where(np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)) > 127, 255, 0).astype(np.uint8)


def _drawn(number: int) -> tuple[Rgb, Gray]:
    kind = LESIONS[number % len(LESIONS)]
    picture = draw(seed=7_000 + number, kind=kind, width=1024, height=768, area=0.03 + 0.02 * (number % 5), fitzpatrick=1 + number % 4)
    return picture.rgb, picture.mask


def drawn_subjects(count: int) -> list[Subject]:
    """Naevi, melanomas, keratoses and basal cell carcinomas in turn."""
    return [Subject(f"drawn-{number}", f"drawn-{number}", "drawn", number) for number in range(count)]


def real_records(folder: Path | None, part: Part) -> list[Record]:
    """The pictures of the test part, or of all others, by the split that the shipped models were trained with. Empty without a folder."""
    records = []
    for source in SETS if folder else ():
        try:
            records += read(source=source, folder=folder)  # type: ignore[arg-type]  # not None: see above
        except DatasetError:
            continue
    parts = partition(records) if records else {}
    wanted = (Split.TEST,) if part == "test" else (Split.TRAIN, Split.VALIDATION)
    return [record for split in wanted for record in parts.get(split, [])]


def one_a_lesion(records: Sequence[Record]) -> list[Subject]:
    """The first picture of each lesion."""
    first = {record.lesion: record for record in reversed(records)}
    return [_subject(record, number) for number, record in enumerate(sorted(first.values(), key=lambda record: record.image.name))]


def several_of_a_lesion(records: Sequence[Record]) -> list[tuple[Subject, Subject]]:
    """Two pictures of each lesion of HAM10000 that has several, in the order of their names.

    The other sets have the same picture at two sizes, which is no second visit.
    """
    members: dict[str, list[Record]] = defaultdict(list)
    for record in (record for record in records if record.source == "ham10000"):
        members[record.lesion].append(record)
    pairs = [sorted(group, key=lambda record: record.image.name)[:2] for _, group in sorted(members.items()) if len(group) > 1]
    return [(_subject(one, number), _subject(other, number)) for number, (one, other) in enumerate(pairs)]


def _subject(record: Record, number: int) -> Subject:
    return Subject(record.image.stem, record.lesion, record.source, number, record.image, record.mask)


@cache
def analyzer() -> Analyzer:
    """The shipped pair on one thread, once a process."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    return Analyzer.load(device="cpu", heatmaps=HeatMaps.OFF)


def outline_of(picture: Rgb) -> Gray:
    """The shipped segmenter's outline, at working size: what the product would go by."""
    found = analyzer()
    small = to_working_size(picture)
    _, (cleaned,) = after_steps(small, (found.outline_plan.steps,))
    logits = found.segmenter(np.stack([to_square(cleaned, side=found.segmenter_side)]))[:, 0]
    return mask_of(logits[0], width=small.shape[1], height=small.shape[0])


def processes() -> int:
    """One a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
