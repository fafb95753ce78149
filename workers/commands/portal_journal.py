"""What a submission has already brought about: a line for each case that was accepted or refused.

The journal saves work; that nothing is submitted twice is the idempotency key's doing. A line is written after the answer, so a command
that is killed in between submits a case again, and is answered with the case that it has already.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workers.commands.portal_lines import LineFile, read_lines
from workers.commands.portal_plan import Planned

VERSION = 1


class JournalError(Exception):
    """The journal belongs to something else. The message says to what, and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planned case: ``case_id`` where it was accepted; ``final``: False: nothing is known, send it again."""

    planned: Planned
    key: str = ""
    case_id: str | None = None
    replayed: bool = False
    reason: str | None = None
    detail: str | None = None
    final: bool = True


class Journal:
    """The journal of one folder or manifest and one Dermatrail."""

    def __init__(self, path: Path, *, url: str, again: bool = False) -> None:
        """Reads what is there. ``again``: cases that were refused are sent once more. Raises JournalError, LinesInUse, OSError."""
        self.path = path
        self._lines = LineFile(path)
        self._done: dict[str, bool] = {}
        try:
            self._read(url, again)
        except BaseException:
            self._lines.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        """Use it within a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        self._lines.__exit__(kind, error, trace)

    def seen(self, seal: str) -> bool | None:
        """Whether a case of this seal was accepted (True) or refused (False); None: neither."""
        return self._done.get(seal)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what is known for good; on disk when it returns."""
        final = [outcome for outcome in outcomes if outcome.final]
        self._lines.append([_line(outcome) for outcome in final])
        for outcome in final:
            self._done[seal_of(outcome.planned)] = outcome.case_id is not None

    def _read(self, url: str, again: bool) -> None:
        try:
            for number, line in enumerate(self._lines.read()):
                if number == 0:
                    _require_same(line, url, self.path)
                elif line["case"] or not again:
                    self._done[line["seal"]] = line["case"] is not None
        except (ValueError, KeyError) as error:
            raise JournalError(f"{self.path} is no journal of dermatrail submit: name another with --journal.") from error
        if not self.path.stat().st_size:
            self._lines.append([{"journal": VERSION, "url": url}])


def seal_of(planned: Planned) -> str:
    """What tells, without reading the files, that nothing has changed: the case, and names, sizes and times of its files."""
    said = [planned.case, [_stamp(picture.path) for picture in planned.pictures]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def accepted_cases(path: Path) -> list[str]:
    """The ids of the cases that a journal knows, in its order. Raises ValueError, OSError."""
    return list(dict.fromkeys(line["case"] for line in read_lines(path) if line.get("case")))


def _stamp(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


def _line(outcome: Outcome) -> dict[str, Any]:
    said = {"name": outcome.planned.name, "seal": seal_of(outcome.planned), "key": outcome.key, "case": outcome.case_id}
    return said if outcome.case_id else said | {"refused": outcome.reason, "detail": outcome.detail}


def _require_same(head: dict[str, Any], url: str, path: Path) -> None:
    if head.get("journal") != VERSION:
        raise ValueError("another version")
    if head["url"] != url:
        raise JournalError(f"{path} is the journal of a submission to {head['url']}: name another with --journal.")
