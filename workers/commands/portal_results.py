"""Results as files: a line for each case, and what belongs to it beside it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from services.client.client import Client
from services.client.errors import Conflict, NotFound, Refused
from services.client.model import Case
from workers.commands.portal_journal import accepted_cases
from workers.commands.portal_lines import LineFile

FILE = "results.jsonl"
DECIDED = "reviewed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to write beside the lines."""

    undecided: bool = False
    masks: bool = False
    reports: bool = False
    language: str | None = None


@dataclass(slots=True)
class Written:
    """How many cases were written, were as before, wait for their decision, or are not handed out (such as after a withdrawn consent)."""

    written: int = 0
    known: int = 0
    open: int = 0
    withheld: int = 0


def write_results(client: Client, out: Path, *, journal: Path | None, since: datetime | None, wanted: Wanted) -> Written:
    """Write what has changed since the last time. A line is written after the files that belong to it.

    Raises:
        DermatrailError, OSError, LinesInUse; ValueError: a file that is there is none of ours.
    """
    counted = Written()
    with LineFile(out / FILE) as lines:
        known = {line["id"]: _version(line.get("decision"), line["status"]) for line in lines.read()}
        for case_id in _cases(client, journal, since, wanted, counted):
            try:
                case = client.case(case_id)
            except (NotFound, Refused):
                counted.withheld += 1
                continue
            if case.decision is None and not wanted.undecided:
                counted.open += 1
            elif known.get(str(case_id)) == _version(case.raw["decision"], case.status):
                counted.known += 1
            elif _write_files(client, out, case, wanted):
                lines.append([case.raw])
                counted.written += 1
            else:
                counted.open += 1
    return counted


def replace(file: Path, data: bytes) -> None:
    """Write a whole file, or leave what was there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _cases(client: Client, journal: Path | None, since: datetime | None, wanted: Wanted, counted: Written) -> Iterator[UUID]:
    mine = set(accepted_cases(journal)) if journal else None
    for line in client.cases(since=since):
        if mine is not None and str(line.id) not in mine:
            continue
        if line.status == DECIDED or wanted.undecided:
            yield line.id
        else:
            counted.open += 1


def _version(decision: object, status: str) -> tuple[object, ...]:
    """What changes when a case does: its state, and which decision stands."""
    return (status, decision.get("decided_at") if isinstance(decision, dict) else None)


def _write_files(client: Client, out: Path, case: Case, wanted: Wanted) -> bool:
    """Write what belongs to the case. False: its decision may still be taken back, so there is no report; the next run asks again."""
    if wanted.masks:
        for number, image in enumerate(case.images, start=1):
            if image.mask_url:
                replace(out / "masks" / f"{case.id}-{number}.png", client.download(image.mask_url))
    if wanted.reports and case.decision is not None:
        try:
            report = client.report(case.id, language=wanted.language)
        except (Conflict, NotFound):
            return False
        replace(out / "reports" / f"{case.id}.pdf", report)
    return True
