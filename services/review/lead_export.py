"""A table of statistics as a CSV file: every figure with its interval and the number of cases behind it."""

import csv
import io

from services.review.lead_view import Cell, Kind, Table

# What a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(table: Table) -> str:
    """Return the table as CSV: figures are 0..1 where the page shows percentages, and empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_header(table))
    for row in table.rows:
        values = [value for column, cell in zip(table.columns, row.cells, strict=True) for value in _values(cell, column.kind)]
        writer.writerow([_harmless(value) for value in (row.head, *values)])
    return out.getvalue()


def _header(table: Table) -> list[str]:
    header = [table.head or "Rows"]
    for column in table.columns:
        header.append(column.label)
        if column.kind is Kind.FIGURE:
            header += [f"{column.label}, low", f"{column.label}, high", f"{column.label}, n"]
    return header


def _values(cell: Cell, kind: Kind) -> list[object]:
    return [cell.value, cell.low, cell.high, cell.total] if kind is Kind.FIGURE else [cell.value]


def _harmless(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return round(value, 4)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
