"""What would go wrong in hours of training, found before: missing and unreadable files, masks, classes, duplicates."""

import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.progress import track

from models.datasets.types import DatasetError, Record, Split
from models.taxonomy import suggestion, taxonomy_of

# Pictures and masks may be stored at different sizes; their proportions agree within this.
PROPORTION_TOLERANCE = 0.02
# JPEG is decoded at an eighth of its side: all of the coded data is read, a sixty-fourth of the pixels is made.
_DRAFT = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence that says what is wrong, where, and how to mend it. ``fatal`` ones stop a training."""

    sentence: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What reading a picture has shown: why it failed (None: it did not), its size, and whether it is all black."""

    fault: str | None
    width: int
    height: int
    black: bool


def check_records(records: Sequence[Record], *, masks: bool = False, decode: bool = True, title: str = "Checking") -> list[Problem]:
    """Problems of the records by themselves, the fatal ones first.

    Fatal: no records, missing files, unknown classes, and with ``decode`` pictures that cannot be read to their end. ``masks`` asks
    for outlines as well: none at all, unreadable ones and ones of another proportion are fatal; pictures without one, and masks
    without a single lesion pixel, are named only. Cost of ``decode``: 4 ms per JPEG of a megapixel and core.
    """
    if not records:
        return [Problem("There are no records: give a folder that holds pictures, or other sources.", fatal=True)]
    problems = [*_unknown_classes(records), *_missing_files(records)]
    if masks:
        problems += _missing_masks(records)
    if decode:
        problems += _unreadable(records, masks=masks, title=title)
    return sorted(problems, key=lambda problem: not problem.fatal)


def check_parts(parts: Mapping[Split, Sequence[Record]], *, codes: Sequence[str] = ()) -> list[Problem]:
    """Problems of a split, the fatal ones first: empty parts, classes of ``codes`` that a part lacks, one file in two parts.

    A class that training or validation lacks is fatal: it could not be learnt, or nothing could be chosen by it. Leave out of
    ``parts`` what is not used.
    """
    problems = [
        Problem(f"No picture falls into {split}: add pictures, or choose other shares or another seed.", fatal=True)
        for split, part in parts.items()
        if not part
    ]
    for split, part in parts.items():
        counts = Counter(record.diagnosis for record in part)
        lacking = [code for code in codes if not counts[code]]
        if part and lacking:
            sentence = (
                f"{split} has no picture of {_listed(lacking)}, of {len(part)} pictures: add some, choose other shares or another "
                "seed, or a taxonomy without it."
            )
            problems.append(Problem(sentence, fatal=split is not Split.TEST))
    return sorted([*problems, *_same_files(parts)], key=lambda problem: not problem.fatal)


def refuse(problems: Iterable[Problem]) -> None:
    """Raises DatasetError with the sentences of all fatal problems, one per line; returns when there is none."""
    fatal = [problem.sentence for problem in problems if problem.fatal]
    if fatal:
        raise DatasetError("\n".join(fatal))


def _unknown_classes(records: Sequence[Record]) -> list[Problem]:
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.diagnosis is not None and record.diagnosis not in taxonomy_of(record.taxonomy):
            found[record.taxonomy, record.diagnosis].append(record)
    return [
        Problem(
            f"Pictures of a class {code!r}, which {taxonomy} does not have: {len(bad)}, first {bad[0].image}; "
            f"{suggestion(taxonomy_of(taxonomy), code)} Correct the table of {bad[0].source or 'the data set'}.",
            fatal=True,
        )
        for (taxonomy, code), bad in found.items()
    ]


def _missing_files(records: Sequence[Record]) -> list[Problem]:
    def sentence(source: str, bad: list[Record], total: int) -> str:
        return (
            f"{len(bad)} of {total} pictures of {source} are missing, first {bad[0].image}: unpack all parts of the data set there, "
            "or take their rows out of its table."
        )

    missing = [record for record in records if not record.image.is_file()]
    return _by_source(records, missing, sentence, fatal=True)


def _missing_masks(records: Sequence[Record]) -> list[Problem]:
    missing = [record for record in records if record.mask is None or not record.mask.is_file()]
    if len(missing) == len(records):
        return [
            Problem(
                f"None of the {len(records)} pictures has a mask, first {missing[0].image}: put NAME.png into a folder masks beside "
                "the pictures, or NAME_segmentation.png.",
                fatal=True,
            )
        ]

    def sentence(source: str, bad: list[Record], total: int) -> str:
        return (
            f"{len(bad)} of {total} pictures of {source} have no mask, first {bad[0].image}: they take no part in learning outlines; "
            "put NAME.png into a folder masks beside the pictures to use them."
        )

    return _by_source(records, missing, sentence, fatal=False)


def _unreadable(records: Sequence[Record], *, masks: bool, title: str) -> list[Problem]:
    present = [record for record in records if record.image.is_file()]
    # Warnings (odd EXIF, huge pictures) are no faults; the filter is the process's, so it is set here and not in the threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        answers = pool.map(lambda record: _faults(record, masks=masks), present)
        found = list(track(answers, title, total=len(present), transient=True))
    kinds: dict[str, list[tuple[Record, str]]] = defaultdict(list)
    for record, faults in zip(present, found, strict=True):
        for kind, detail in faults.items():
            kinds[kind].append((record, detail))
    return [_SENTENCES[kind](bad) for kind, bad in kinds.items()]


def _faults(record: Record, *, masks: bool) -> dict[str, str]:
    """Kind of fault → detail, for one record."""
    picture = look_at(record.image)
    if picture.fault is not None:
        return {"picture": picture.fault}
    if not masks or record.mask is None or not record.mask.is_file():
        return {}
    mask = look_at(record.mask, whole=True)
    if mask.fault is not None:
        return {"mask": mask.fault}
    if abs(mask.width * picture.height / (mask.height * picture.width) - 1) > PROPORTION_TOLERANCE:
        return {"proportion": f"{mask.width}×{mask.height} beside {picture.width}×{picture.height}"}
    return {"empty": ""} if mask.black else {}


def look_at(path: Path, *, whole: bool = False) -> Look:
    """Reads a picture to its end; ``whole`` at its full size, as ``black`` asks for every pixel."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if not whole:
                picture.draft(None, (max(width // _DRAFT, 1), max(height // _DRAFT, 1)))
            picture.load()
            return Look(None, width, height, black=whole and picture.convert("L").getbbox() is None)
    except Exception as error:  # noqa: BLE001  a broken file makes Pillow raise whatever its parser stumbles over
        return Look(str(error) or type(error).__name__, 0, 0, black=False)


def _unreadable_picture(bad: list[tuple[Record, str]]) -> Problem:
    first, why = bad[0]
    mend = "fetch the data set again, or take them out of its table."
    return Problem(f"Pictures that cannot be read: {len(bad)}, first {first.image} ({why}); {mend}", fatal=True)


def _unreadable_mask(bad: list[tuple[Record, str]]) -> Problem:
    first, why = bad[0]
    return Problem(f"Masks that cannot be read: {len(bad)}, first {first.mask} ({why}); fetch them again, or remove them.", fatal=True)


def _other_proportion(bad: list[tuple[Record, str]]) -> Problem:
    first, sizes = bad[0]
    sentence = (
        f"Masks of other proportions than their pictures: {len(bad)}, first {first.mask} ({sizes} pixels); they belong to other "
        "pictures or to another cut; replace or remove them."
    )
    return Problem(sentence, fatal=True)


def _empty_mask(bad: list[tuple[Record, str]]) -> Problem:
    first, _ = bad[0]
    return Problem(
        f"Masks that mark no lesion at all: {len(bad)}, first {first.mask}; look at them, and remove the wrong ones.", fatal=False
    )


_SENTENCES: dict[str, Callable[[list[tuple[Record, str]]], Problem]] = {
    "picture": _unreadable_picture,
    "mask": _unreadable_mask,
    "proportion": _other_proportion,
    "empty": _empty_mask,
}


def _same_files(parts: Mapping[Split, Sequence[Record]]) -> list[Problem]:
    """Files of the same content in two parts. Only files of the same length are read."""
    by_length: dict[int, list[tuple[Split, Path]]] = defaultdict(list)
    for split, part in parts.items():
        for record in part:
            if record.image.is_file():
                by_length[record.image.stat().st_size].append((split, record.image))
    pairs: list[tuple[Path, Path]] = []
    for alike in by_length.values():
        if len({split for split, _ in alike}) > 1:
            pairs += _copies(alike)
    if not pairs:
        return []
    one, other = pairs[0]
    sentence = (
        f"Pictures that stand in two parts of the split under two names: {len(pairs)}, first {one} and {other}; remove one of each two, "
        "or the figures come out too good."
    )
    return [Problem(sentence, fatal=False)]


def _copies(alike: Sequence[tuple[Split, Path]]) -> list[tuple[Path, Path]]:
    first: dict[bytes, tuple[Split, Path]] = {}
    pairs = []
    for split, path in alike:
        known_split, known = first.setdefault(hashlib.sha256(path.read_bytes()).digest(), (split, path))
        if known_split is not split:
            pairs.append((known, path))
    return pairs


def _by_source(
    records: Sequence[Record], bad: Sequence[Record], sentence: Callable[[str, list[Record], int], str], *, fatal: bool
) -> list[Problem]:
    totals = Counter(record.source for record in records)
    grouped: dict[str, list[Record]] = defaultdict(list)
    for record in bad:
        grouped[record.source].append(record)
    return [Problem(sentence(source or "the data set", group, totals[source]), fatal=fatal) for source, group in grouped.items()]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
