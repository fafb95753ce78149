"""What the analyzer sees of many records: files in, arrays out, so that every figure holds for what is served."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.analyzer import Analyzer, Inferred, Prepared, backend_of
from models.bundle import Bundle
from models.datasets import Record
from models.evaluation.figures import OutlineScores, attributes_of
from models.ood import made_strangers

BATCH = 8
File: TypeAlias = tuple[Record, Callable[[], bytes]]
Answer: TypeAlias = tuple[Record, Prepared, Inferred]


@dataclass(frozen=True, slots=True)
class Seen:
    """N pictures through the networks: logits N×C and features N×F float32, labels N int64 (index into the classes, -1: none),
    sharpness N float64, outlined N bool (a lesion was found).
    """

    records: Sequence[Record]
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    sharpness: NDArray[np.float64]
    outlined: NDArray[np.bool_]

    @property
    def lesions(self) -> list[str]:
        """Whose picture each is."""
        return [record.lesion for record in self.records]


def seen_by(analyzer: Analyzer, records: Sequence[Record], *, title: str) -> Seen:
    """Runs the records through prepare and infer. Raises PictureRefused for a file that is no picture."""
    files = ((record, record.image.read_bytes) for record in records)
    return _seen(analyzer, records, _answers(analyzer, files, title=title, total=len(records)))


def strangers_seen_by(analyzer: Analyzer, records: Sequence[Record], *, title: str) -> Seen:
    """The same of strangers made from the records, see models.ood.strangers; their labels are -1."""
    labelless = [replace(record, diagnosis=None) for record in records]
    made = ((record, lambda png=stranger.png: png) for record, stranger in zip(labelless, made_strangers(records), strict=True))
    return _seen(analyzer, labelless, _answers(analyzer, made, title=title, total=len(records)))


def _seen(analyzer: Analyzer, records: Sequence[Record], found: Iterator[Answer]) -> Seen:
    places = {code: index for index, code in enumerate(analyzer.codes)}
    answers = list(found)
    return Seen(
        records=records,
        logits=np.stack([inferred.logits for _, _, inferred in answers]),
        features=np.stack([inferred.features for _, _, inferred in answers]),
        labels=np.array([places.get(record.diagnosis or "", -1) for record in records], np.int64),
        sharpness=np.array([prepared.quality.sharpness for _, prepared, _ in answers]),
        outlined=np.array([bool(inferred.mask.any()) for _, _, inferred in answers]),
    )


def outlines_of(analyzer: Analyzer, records: Sequence[Record], *, title: str) -> OutlineScores:
    """Pixel counts of the analyzer's outlines against the records' masks, at the analyzer's working size."""
    files = ((record, record.image.read_bytes) for record in records)
    found = _answers(analyzer, files, title=title, total=len(records))
    pairs = [(inferred.mask, _truth(record, inferred.mask.shape)) for record, _, inferred in found]
    return OutlineScores.of_masks(
        predicted=(mask for mask, _ in pairs),
        truth=(truth for _, truth in pairs),
        groups=[record.lesion for record in records],
        attributes=attributes_of(records),
        images=[record.image.stem for record in records],
    )


def analyzer_of(*, segmenter: Bundle, classifier: Bundle) -> Analyzer:
    """An analyzer on this machine's processor or card from bundles that may not be calibrated yet."""
    return Analyzer(segmenter=segmenter, classifier=classifier, backend=partial(backend_of, device="cpu"))


def pictures_below(folder: Path) -> list[Record]:
    """Every picture of a folder as a record without diagnosis."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return [Record(image=path, mask=None, lesion=path.stem, diagnosis=None, taxonomy="isic2019", source=folder.name) for path in files]


def _truth(record: Record, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    mask = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise FileNotFoundError(f"{record.mask} is missing or is not a picture: unpack the data set again")
    full = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.where(full > 127, 255, 0).astype(np.uint8)


def _answers(analyzer: Analyzer, files: Iterable[File], *, title: str, total: int | None = None) -> Iterator[Answer]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        for part in batched(track(files, title, total=total), BATCH):
            prepared = list(pool.map(lambda file: analyzer.prepare(file[1]()), part))
            inferred = analyzer.infer(prepared)
            yield from ((record, one, answer) for (record, _), one, answer in zip(part, prepared, inferred, strict=True))


def batched(files: Iterable[File], size: int) -> Iterator[list[File]]:
    """Lists of ``size`` and a last shorter one (itertools has this from Python 3.12 on)."""
    rest = iter(files)
    while part := list(islice(rest, size)):
        yield part
