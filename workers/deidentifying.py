"""``dermatrail deidentify``: a folder of pictures without what tells who the patients are, and a list of what was done to each file.

Every file is written whole or not at all. What may still identify a patient (writing in the picture, the file's own word, a kind that
cannot be looked at) goes into ``held/`` for a human. The list names the sources: it leads back to the patients, so it lies beside
the new folder, never in it. An interrupted run goes on where it stopped.
"""

import csv
import fcntl
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.deidentify.dicom_files import deidentify_file
from models.deidentify.photographs import without_metadata
from models.deidentify.secret import Secret
from models.deidentify.table import DEFAULT, Option
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.identity import SIDE, VERSION, look
from models.pictures.info import MediaType
from models.pictures.sniff import media_type_of

HELD = "held"
# Files that are bound to lie in folders of pictures and hold none.
PASSED_OVER = frozenset({"dicomdir", "thumbs.db", ".ds_store", "desktop.ini"})
FORMAT = 1


class Outcome(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    HELD = "held"
    REFUSED = "refused"


class DeidentifyRefused(Exception):
    """The folder cannot be written. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One file: what became of it, where it is now (relative to the new folder) and why. ``size`` bytes, ``changed`` ns: of the source."""

    source: str
    outcome: Outcome
    target: str = ""
    why: str = ""
    done: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """From where to where, with which secret and options."""

    source: Path
    target: Path
    secret: Secret
    options: frozenset[Option] = DEFAULT

    @property
    def journal(self) -> Path:
        """The list while it grows, one JSON line a file."""
        return self.target.with_name(f"{self.target.name}.deidentified.jsonl")

    @property
    def agreed(self) -> dict[str, object]:
        """What must be the same when a run goes on."""
        return {"format": FORMAT, "secret": self.secret.fingerprint(), "options": sorted(self.options), "method": VERSION}


def deidentify_folder(job: Job, *, tell: Callable[[int, int], None] = lambda _done, _all: None) -> Counter[Outcome]:
    """Every file below the source; return how many became what. ``tell`` hears how many are done, of how many.

    Raises DeidentifyRefused: one folder lies in the other, another run is at it, or it was begun with another secret or other options.
    """
    source, target = job.source.resolve(), job.target.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise DeidentifyRefused(f"{job.target} and {job.source} lie in each other: choose a folder beside.")
    files = list(pictures_below(source))
    with _journal(job) as (known, write):
        lines = {line.source: line for line in known}
        for number, path in enumerate(files):
            name, at = path.relative_to(source).as_posix(), path.stat()
            kept = lines.get(name)
            if kept is None or (kept.size, kept.changed) != (at.st_size, at.st_mtime_ns) or not _is_there(job.target, kept):
                lines[name] = replace(one_file(job, path, name, before=kept), size=at.st_size, changed=at.st_mtime_ns)
                write(lines[name])
            tell(number + 1, len(files))
    present = {path.relative_to(source).as_posix() for path in files}
    write_lists(job, [line for name, line in sorted(lines.items()) if name in present])
    return Counter(line.outcome for name, line in lines.items() if name in present)


def pictures_below(source: Path) -> Iterator[Path]:
    """Every regular file, in order; links and files that only systems write are passed over."""
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if name.lower() not in PASSED_OVER and not path.is_symlink() and path.is_file():
                yield path


def one_file(job: Job, path: Path, name: str, *, before: Line | None = None) -> Line:
    """De-identify one file and write it, or say why not. What an earlier run made of an older state of the file (``before``) goes."""
    if before and before.target:
        (job.target / before.target).unlink(missing_ok=True)
    data = path.read_bytes()
    with warnings.catch_warnings():
        # What pydicom thinks of values that are about to go is nobody's concern, and may quote them.
        warnings.simplefilter("ignore")
        try:
            dicom = media_type_of(data) is MediaType.DICOM
            clean, target, done = _dicom(job, data) if dicom else _photograph(job, data, name)
        except PictureRefused as refused:
            return Line(name, Outcome.REFUSED, why=str(refused))
        why = _may_identify(clean)
    outcome = Outcome.HELD if why else Outcome.WRITTEN
    place = _free(job, f"{HELD}/{target}" if why else target, name)
    _write_whole(job.target / place, clean)
    return Line(name, outcome, place, why, done)


def _free(job: Job, place: str, name: str) -> str:
    """The place, or one beside it: two files may hold the same instance, compressed in two ways."""
    if not (job.target / place).exists():
        return place
    path = Path(place)
    return path.with_name(f"{path.stem}-{job.secret.name('file', name)}{path.suffix}").as_posix()


def _dicom(job: Job, data: bytes) -> tuple[bytes, str, Mapping[str, int]]:
    made = deidentify_file(data, secret=job.secret, options=job.options)
    return made.data, f"{made.done.pseudonym}/{job.secret.name('instance', made.uid)}.dcm", made.done.counts


def _photograph(job: Job, data: bytes, name: str) -> tuple[bytes, str, Mapping[str, int]]:
    """Photographs of one folder stay together; neither the folder's name nor the file's goes along."""
    clean, suffix = without_metadata(data)
    folder = job.secret.name("folder", Path(name).parent.as_posix())
    return clean, f"photographs/{folder}/{job.secret.name('file', name)}{suffix}", {"metadata_bytes": max(0, len(data) - len(clean))}


def _may_identify(clean: bytes) -> str:
    """Why a human should look at the picture; "" where nothing was seen."""
    try:
        picture = decode(clean, min_side=SIDE)
    except PictureRefused as refused:
        if refused.reason in (RefusalReason.TRUNCATED, RefusalReason.DAMAGED):
            return "the pixels are damaged, so nobody could look at the whole picture"
        return f"it cannot be looked at by a machine: {refused.detail or refused.reason}"
    if picture.declares_identity:
        return "the file says that writing is burnt in or a face can be recognised"
    seen = look(picture.rgb)
    return f"possible text in the picture ({len(seen)} places)" if seen else ""


def _is_there(target: Path, line: Line) -> bool:
    return line.outcome is Outcome.REFUSED or (target / line.target).is_file()


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def _journal(job: Job) -> Iterator[tuple[Sequence[Line], Callable[[Line], None]]]:
    """The lines of an earlier run, and what adds one; locked, readable by its owner alone."""
    job.target.mkdir(parents=True, exist_ok=True)
    if not job.journal.exists() and any(job.target.iterdir()):
        raise DeidentifyRefused(f"{job.target} holds files of which there is no list: give a folder that is new or empty.")
    with os.fdopen(os.open(job.journal, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeidentifyRefused(f"Another run writes {job.target}: wait for it, or choose another folder.") from None
        known = _known(job, file.read().splitlines())
        if known is None:
            file.seek(0)
            file.truncate()
            file.write(json.dumps(job.agreed) + "\n")
        for left in job.target.rglob(".*.part"):
            left.unlink()

        def write(line: Line) -> None:
            file.write(json.dumps(asdict(line)) + "\n")
            file.flush()

        yield known or [], write


def _known(job: Job, lines: Sequence[str]) -> list[Line] | None:
    """What an earlier run did; None where there was none. The last line may have been cut off in the middle of its writing."""
    if not lines or _parsed(lines[0]) is None:
        return None
    if _parsed(lines[0]) != json.loads(json.dumps(job.agreed)):
        raise DeidentifyRefused(f"{job.target} was begun with another secret, other options or another version: choose a new folder.")
    parsed = (_parsed(line) for line in lines[1:])
    return [Line(**{**one, "outcome": Outcome(one["outcome"])}) for one in parsed if one is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        read: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return read


def write_lists(job: Job, lines: Iterable[Line]) -> None:
    """The list as CSV and as JSON beside the folder, readable by their owner alone."""
    rows = [asdict(line) for line in lines]
    table = job.target.with_name(f"{job.target.name}.deidentified.csv")
    with os.fdopen(os.open(table, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "outcome", "target", "why", "done"])
        for row in rows:
            done = " ".join(f"{what}={count}" for what, count in sorted(row["done"].items()))
            writer.writerow([row["source"], row["outcome"], row["target"], row["why"], done])
    whole = job.target.with_name(f"{job.target.name}.deidentified.json")
    counts = Counter(str(row["outcome"]) for row in rows)
    said = {**job.agreed, "counts": counts, "files": rows}
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
