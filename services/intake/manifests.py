"""Manifests of batches, as JSON or CSV: valid as a whole or refused as a whole, with the line of every fault."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.case_columns import CASE_COLUMNS, IMAGE_COLUMNS
from services.intake.incoming import missing_upload, twice_named, unready_upload
from services.intake.problems import Fault, Problem
from services.intake.upload_schemas import BatchItemIn, ManifestIn, plain_case
from services.records.batches import NewBatchItem
from services.records.uploads import UploadView

MAX_BYTES = 16 * 2**20
# So many faults are told; who has more has one fault in a whole column.
TOLD = 100
# Of a batch's line: its pictures are uploads already, and it may bring a key of its own.
LINE_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "uploads": (("uploads",), str.split),
    "idempotency_key": (("idempotency_key",), str),
    **CASE_COLUMNS,
}
COLUMNS = (*LINE_COLUMNS, *IMAGE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is valid by itself."""

    number: int
    item: BatchItemIn


def read_manifest(body: bytes, *, mimetype: str, max_items: int) -> list[Line]:
    """Return the lines of a manifest. Raises Problem (415, 413, 422 with a fault for each line at fault)."""
    if mimetype == "application/json":
        lines = _from_json(body)
    elif mimetype == "text/csv":
        lines = _from_csv(body, max_items)
    else:
        raise Problem(415, "not_a_manifest", "Send the manifest as application/json or text/csv (UTF-8, with a head line).")
    if len(lines) > max_items:
        raise Problem(413, "too_many_items", f"{len(lines)} items were sent; at most {max_items} belong to one batch.")
    return lines


def require_uploads(lines: Sequence[Line], known: Mapping[UUID, UploadView], *, max_files: int) -> None:
    """Refuse a manifest that names uploads which are missing, not ready, used, or named twice. Raises Problem (422)."""
    _refuse(list(_upload_faults(lines, known, max_files)))


def batch_item(line: Line) -> NewBatchItem:
    """The line as the records keep it."""
    said = plain_case(line.item).model_dump(mode="json", exclude_defaults=True)
    return NewBatchItem(line.number, said, tuple(line.item.uploads), line.item.idempotency_key)


def _upload_faults(lines: Sequence[Line], known: Mapping[UUID, UploadView], max_files: int) -> Iterator[Fault]:
    named: set[UUID] = set()
    keys: set[str] = set()
    for line in lines:
        place = f"line {line.number}: uploads"
        if len(line.item.uploads) > max_files:
            yield Fault(location=place, reason="too_many_files", detail=f"At most {max_files} uploads belong to one case.")
        for upload_id in line.item.uploads:
            fault = _upload_fault(place, upload_id, known, named)
            if fault is not None:
                yield fault
            named.add(upload_id)
        key = line.item.idempotency_key
        if key in keys:
            detail = "A line before has the same key: each case has its own."
            yield Fault(location=f"line {line.number}: idempotency_key", reason="key_named_twice", detail=detail)
        if key is not None:
            keys.add(key)


def _upload_fault(place: str, upload_id: UUID, known: Mapping[UUID, UploadView], named: set[UUID]) -> Fault | None:
    if upload_id in named:
        return twice_named(place)
    if upload_id not in known:
        return missing_upload(place)
    return unready_upload(place, known[upload_id])


def _from_json(body: bytes) -> list[Line]:
    try:
        manifest = ManifestIn.model_validate_json(body)
    except ValidationError as error:
        _refuse([_json_fault(dict(fault)) for fault in error.errors(include_url=False, include_input=False, include_context=False)])
        raise
    return [Line(number, item) for number, item in enumerate(manifest.items, start=1)]


def _json_fault(fault: dict[str, Any]) -> Fault:
    place = fault["loc"]
    if len(place) > 1 and place[0] == "items" and isinstance(place[1], int):
        return Fault(location=f"line {place[1] + 1}: {_dotted(place[2:])}", reason=fault["type"], detail=fault["msg"])
    return Fault(location=_dotted(place) or "body", reason=fault["type"], detail=fault["msg"])


def _dotted(place: Sequence[Any]) -> str:
    return ".".join(map(str, place))


def _from_csv(body: bytes, max_items: int) -> list[Line]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = Fault(location=f"byte {error.start + 1}", reason="not_utf8", detail="Write the file in UTF-8.")
        raise Problem(422, "not_utf8", "The manifest is not UTF-8.", errors=[fault]) from error
    faults: list[Fault] = []
    lines: list[Line] = []
    for number, row in _rows(text, faults):
        if len(lines) > max_items or len(faults) > TOLD:
            break
        read = _line(number, row)
        if isinstance(read, Line):
            lines.append(read)
        else:
            faults += read
    _refuse(faults)
    if not lines:
        raise Problem(422, "no_items", "The manifest has no line behind its head.")
    return lines


def _rows(text: str, faults: list[Fault]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with its number in the file and its cells by column; empty lines are passed over."""
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        faults += _head_faults(names)
        if faults:
            return
        number = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, _cells(number, names, cells, faults)
            number = reader.line_num + 1
    except csv.Error as error:
        faults.append(Fault(location=f"line {reader.line_num}", reason="not_csv", detail=f"The line cannot be read as CSV: {error}."))


def _head_faults(names: Sequence[str]) -> list[Fault]:
    columns = ", ".join(COLUMNS)
    unknown = [name for name in names if name not in COLUMNS]
    faults = [Fault(location=f"line 1: {name[:50]}", reason="unknown_column", detail=f"Columns are {columns}.") for name in unknown]
    twice = [name for name in COLUMNS if names.count(name) > 1]
    faults += [Fault(location=f"line 1: {name}", reason="column_twice", detail="Name each column once.") for name in twice]
    missing = [name for name in ("uploads", "patient_reference") if name not in names]
    return faults + [Fault(location="line 1", reason="missing_column", detail=f"The column {name} is needed.") for name in missing]


def _cells(number: int, names: Sequence[str], cells: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    if len(cells) > len(names):
        detail = f"The line has {len(cells)} cells, the head {len(names)}: put quotes around cells with separators."
        faults.append(Fault(location=f"line {number}", reason="too_many_cells", detail=detail))
    return {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _line(number: int, row: Mapping[str, str]) -> Line | list[Fault]:
    said: dict[str, Any] = {"uploads": [], "patient": {}}
    images: dict[str, Any] = {}
    faults = []
    for name, cell in row.items():
        try:
            if name in IMAGE_COLUMNS:
                images[name] = IMAGE_COLUMNS[name](cell)
            else:
                _place(said, *LINE_COLUMNS[name], cell)
        except ValueError as error:
            faults.append(Fault(location=f"line {number}: {name}", reason="not_readable", detail=_why(error)))
    if images:
        said["images"] = [images] * len(said["uploads"])
    try:
        item = BatchItemIn.model_validate(said)
    except ValidationError as error:
        faults += [
            Fault(location=f"line {number}: {_dotted(fault['loc'])}", reason=fault["type"], detail=fault["msg"])
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        return faults
    return faults or Line(number, item)


def _place(said: dict[str, Any], path: tuple[str, ...], read: Callable[[str], Any], cell: str) -> None:
    for part in path[:-1]:
        said = said.setdefault(part, {})
    said[path[-1]] = read(cell)


def _why(error: ValueError) -> str:
    # Python's own words repeat the cell, which may be about a patient.
    return str(error) if "true or false" in str(error) else "This must be a number."


def _refuse(faults: list[Fault]) -> None:
    if faults:
        detail = f"{len(faults)} fault(s) in the manifest: nothing of it was taken. Mend these lines and send it again."
        raise Problem(422, "invalid_manifest", detail, errors=faults[:TOLD])
