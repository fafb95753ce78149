"""CSV tables of data sets: their columns, their lines and the class names in them."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.datasets.types import DatasetError
from models.taxonomy import find, suggestion, taxonomy_of

# How many offenders a sentence names; the rest is counted.
SHOWN = 5
_DELIMITERS = ("\t", ";", ",")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ``cells`` are stripped, under lower-case column names; ``line`` counts from 1, the header included."""

    table: Path
    line: int
    cells: dict[str, str]

    def get(self, *columns: str) -> str:
        """The first of these columns that is there and filled, or the empty string."""
        return next((self.cells[column] for column in columns if self.cells.get(column)), "")


def read_table(path: Path, *, needs: Sequence[Sequence[str]] = (), header: Sequence[str] | None = None) -> list[Row]:
    """The rows of a comma-, semicolon- or tab-separated table.

    ``needs`` lists alternatives of columns of which one each must be there; ``header`` names the columns of a table without a
    header line. Raises DatasetError: no such file, not a table, a column missing, no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            columns = list(header) if header else [name.strip().lower() for name in next(reader, [])]
            rows = [Row(path, reader.line_num, _cells(columns, cells)) for cells in reader if any(cells)]
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: fetch the data set again, or give the folder that holds it.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a table of comma-separated values in UTF-8 ({error}): save it as one.") from error
    for alternatives in needs:
        if not set(alternatives) & set(columns):
            wanted = " or ".join(repr(name) for name in alternatives)
            raise DatasetError(f"{path} has no column {wanted}, only {', '.join(map(repr, columns))}: name the column so.")
    if not rows:
        raise DatasetError(f"{path} has no rows: fetch the data set again.")
    return rows


def codes_of(rows: Sequence[Row], *, columns: Sequence[str], taxonomy: str) -> list[str | None]:
    """Each row's diagnosis as a code of ``taxonomy``; None for an empty cell.

    Raises DatasetError that names every unknown class, its lines and the class that was probably meant.
    """
    known = taxonomy_of(taxonomy)
    codes: list[str | None] = []
    unknown: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        text = row.get(*columns)
        diagnosis = find(known, text) if text else None
        if text and diagnosis is None:
            unknown[text].append(row.line)
        codes.append(diagnosis.code if diagnosis else None)
    if unknown:
        raise DatasetError(_unknown_names(rows[0].table, unknown, taxonomy))
    return codes


def one_hot_code(row: Row, *, codes: Sequence[str]) -> str | None:
    """The class column with a 1, or None where all are 0. Raises DatasetError when there are several."""
    chosen = [code for code in codes if _is_one(row, code)]
    if len(chosen) > 1:
        raise DatasetError(f"{row.table}, line {row.line}: {' and '.join(chosen)} are both 1; a picture has one class, correct it.")
    return chosen[0] if chosen else None


def one_hot_codes(rows: Sequence[Row], *, taxonomy: str, others: Sequence[str]) -> list[str]:
    """The class columns of a table with one column per class. Raises DatasetError on columns that are no class of ``taxonomy``.

    ``others`` are the columns that may stand beside them.
    """
    known = taxonomy_of(taxonomy)
    columns = [column for column in rows[0].cells if column not in others]
    for column in columns:
        if column.upper() not in known:
            hint = suggestion(known, column)
            raise DatasetError(f"{rows[0].table}: column {column.upper()!r} is no class of {taxonomy}, {hint} Correct the header.")
    return [column.upper() for column in columns]


def shown(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _is_one(row: Row, code: str) -> bool:
    text = row.cells.get(code.lower(), "")
    try:
        return float(text or 0) >= 0.5
    except ValueError:
        raise DatasetError(f"{row.table}, line {row.line}: {text!r} in column {code} is neither 0 nor 1; correct it.") from None


def _unknown_names(table: Path, unknown: dict[str, list[int]], taxonomy: str) -> str:
    known = taxonomy_of(taxonomy)
    named = [
        f"{name!r} (line{'s' * (len(lines) > 1)} {shown([str(line) for line in lines])}), {suggestion(known, name)}"
        for name, lines in list(unknown.items())[:SHOWN]
    ]
    rest = len(unknown) - len(named)
    more = f" And {rest} more names." if rest > 0 else ""
    return f"{table} names classes that {taxonomy} does not have: {' '.join(named)}{more} Correct the names in the table."


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _cells(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
