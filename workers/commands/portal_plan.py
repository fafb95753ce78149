"""Which cases a folder, files or a manifest are, in an order that is the same in every run."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.case_columns import CASE_COLUMNS, IMAGE_COLUMNS
from services.client.model import Picture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".dcm", ".dicom"})
# What the API takes of a reference.
MAX_REFERENCE = 200


class ManifestError(Exception):
    """The manifest cannot be used; one line for each fault."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A case to submit, as JSON, with its pictures. ``name``: what people know it by."""

    name: str
    case: Mapping[str, Any]
    pictures: tuple[Picture, ...]


FILES = "files"


def plan_folder(folder: Path, *, by_folder: bool) -> Iterator[Planned]:
    """A case for each picture below ``folder``, or for each folder with pictures in it, in the order of their names.

    The file's name without its ending, or the folder's name, is the patient's reference; the path is the case's.
    """
    for where, folders, names in os.walk(folder):
        folders.sort()
        pictures = sorted(name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."))
        if by_folder and pictures:
            yield _named(Path(where), folder, [Path(where) / name for name in pictures])
        elif not by_folder:
            yield from (_named(Path(where) / name, folder, [Path(where) / name]) for name in pictures)


def plan_files(files: Sequence[Path]) -> Iterator[Planned]:
    """A case for each file."""
    return (_named(file, file.parent, [file]) for file in files)


def plan_manifest(manifest: Path, *, root: Path) -> list[Planned]:
    """A case for each line of a CSV file; paths in ``files`` (several separated by "|") are relative to ``root``.

    Raises:
        ManifestError: with every fault, before anything is sent.
        OSError: the file cannot be read.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
            return _planned_lines(reader, root)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{manifest} cannot be read as CSV in UTF-8: {error}") from error


def _planned_lines(reader: Any, root: Path) -> list[Planned]:
    names = [name.strip() for name in next(reader, [])]
    faults = _head_faults(names)
    planned: list[Planned] = []
    number = reader.line_num + 1
    for cells in [] if faults else reader:
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
        if len(cells) > len(names):
            faults.append(f"line {number}: {len(cells)} cells, but {len(names)} columns")
        elif row:
            planned += _planned(number, row, root, faults)
        number = reader.line_num + 1
    if faults:
        raise ManifestError("\n".join(faults))
    return planned


def _head_faults(names: Sequence[str]) -> list[str]:
    known = (FILES, *CASE_COLUMNS, *IMAGE_COLUMNS)
    faults = [f"line 1: there is no column {name!r}; columns are {', '.join(known)}" for name in names if name not in known]
    return faults + [f"line 1: the column {name} is needed" for name in (FILES, "patient_reference") if name not in names]


def _planned(number: int, row: Mapping[str, str], root: Path, faults: list[str]) -> list[Planned]:
    case: dict[str, Any] = {}
    about: dict[str, Any] = {}
    before = len(faults)
    for name, cell in row.items():
        try:
            if name in IMAGE_COLUMNS:
                about[name] = IMAGE_COLUMNS[name](cell)
            elif name in CASE_COLUMNS:
                _place(case, *CASE_COLUMNS[name], cell)
        except ValueError:
            faults.append(f"line {number}: {name} cannot be {cell!r}")
    paths = [root / part.strip() for part in row.get(FILES, "").split("|") if part.strip()]
    faults += [f"line {number}: there is no file {path}" for path in paths if not path.is_file()]
    faults += [f"line {number}: {name} is missing" for name in (FILES, "patient_reference") if name not in row]
    if len(faults) > before:
        return []
    pictures = tuple(Picture(path=path, **about) for path in paths)
    if about:
        case["images"] = [picture.said() for picture in pictures]
    return [Planned(f"line {number}", case, pictures)]


def _place(case: dict[str, Any], path: tuple[str, ...], read: Callable[[str], Any], cell: str) -> None:
    for part in path[:-1]:
        case = case.setdefault(part, {})
    case[path[-1]] = read(cell)


def _named(what: Path, root: Path, paths: Sequence[Path]) -> Planned:
    name = str(what.relative_to(root)) if what != root else what.resolve().name
    patient = (what.stem if what in paths else what.resolve().name)[-MAX_REFERENCE:]
    case = {"patient": {"reference": patient}, "reference": name[-MAX_REFERENCE:]}
    return Planned(name, case, tuple(Picture(path=path) for path in paths))
