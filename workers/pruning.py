"""Exported data sets and erased patients: a folder is asked what it must be rid of, and rid of it."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from models.datasets.own import EXPORTED
from services.records.audit import Actor
from services.records.datasets import erased_names, note_pruned

SUMMARY = "export.json"
Transaction = Callable[[], AbstractContextManager[Session]]


class NoExport(Exception):
    """The folder holds no data set of ours, or one from before exports were registered. The message says what to do."""


class ErasedInside(Exception):
    """A data set holds pictures of patients who were erased. The message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many pictures a folder was rid of, and how many it still holds."""

    removed: int
    left: int


def export_id_of(folder: Path) -> UUID:
    """The number of an exported data set. Raises NoExport."""
    path = folder / SUMMARY
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoExport(f"{folder} holds no {SUMMARY}: give a folder that dermatrail dataset export has written.") from None
    except ValueError:
        raise NoExport(f"{path} cannot be read as JSON: export the data set again.") from None
    try:
        return UUID(said["export"])
    except (KeyError, TypeError, ValueError):
        raise NoExport(f"{folder} was exported before exports were registered: delete it and export again.") from None


def exports_in(data: Path) -> list[Path]:
    """The exported data sets that are a folder, or lie in it."""
    return [folder for folder in (data, *sorted(path for path in data.iterdir() if path.is_dir())) if (folder / SUMMARY).is_file()]


def require_pruned(*, folders: Sequence[Path], transaction: Transaction) -> None:
    """Refuse data sets that hold pictures of erased patients. Raises ErasedInside, NoExport."""
    for folder in folders:
        with transaction() as session:
            erased = erased_names(session=session, export_id=export_id_of(folder))
        if erased:
            raise ErasedInside(
                f"{folder} holds {len(erased)} pictures of patients who were erased since: run dermatrail dataset prune {folder} first."
            )


def prune(*, folder: Path, transaction: Transaction, actor: Actor) -> Pruned:
    """Rid a folder of the pictures of erased patients: the table first, so that no reader finds a line without its file.

    Whoever dies on the way, the same again goes on: the register forgets a name only after its files are gone. Raises NoExport.
    """
    export_id = export_id_of(folder)
    with transaction() as session:
        erased = erased_names(session=session, export_id=export_id)
        left, table = _table_without(folder / EXPORTED, erased)
        if erased:
            _replace(folder / EXPORTED, table)
            _remove(folder, erased)
            _tell_summary(folder / SUMMARY, left)
            sha256 = hashlib.sha256(table).hexdigest()
            note_pruned(session=session, export_id=export_id, names=erased, sha256=sha256, actor=actor)
    return Pruned(len(erased), left)


def _table_without(path: Path, erased: set[str]) -> tuple[int, bytes]:
    """How many lines stay, and the table of them."""
    out = io.StringIO(newline="")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or [])
        rows = [row for row in reader if Path(row["image"]).stem not in erased]
    writer.writeheader()
    writer.writerows(rows)
    return len(rows), out.getvalue().encode()


def _remove(folder: Path, erased: set[str]) -> None:
    for kind in ("images", "masks"):
        for path in (folder / kind).glob("*"):
            if path.stem in erased:
                path.unlink()


def _tell_summary(path: Path, images: int) -> None:
    """The number of pictures is what is left; those of cases and patients were of the day of the export, and go."""
    said = json.loads(path.read_text(encoding="utf-8")) | {"images": images, "pruned": True}
    kept = {name: value for name, value in said.items() if name not in ("cases", "patients", "incomplete")}
    _replace(path, (json.dumps(kept, indent=1) + "\n").encode())


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all, also where the power fails in between."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
