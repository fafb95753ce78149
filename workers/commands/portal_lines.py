"""A file of JSON lines that only grows, and survives being killed at any moment: every line is whole and on disk, or it is not there."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHUNK_BYTES = 64 * 1024


class LinesInUse(Exception):
    """Another process writes this file."""


class LineFile:
    """Opened for one writer; what a killed writer left of its last line is cut off."""

    def __init__(self, path: Path) -> None:
        """Creates the file where there is none. Raises LinesInUse, OSError."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise LinesInUse(f"{path} is in use: another command writes it. Wait for it, or name another file.") from error
        os.ftruncate(self._descriptor, _whole(self._descriptor))
        _sync_folder(path.parent)

    def __enter__(self) -> Self:
        """Use it within a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def read(self) -> Iterator[dict[str, Any]]:
        """The lines that are there, one at a time. Raises ValueError where a line is no JSON object: the file is not one of ours."""
        return read_lines(self.path)

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines; they are on disk when it returns."""
        if not lines:
            return
        data = memoryview("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that another process may be writing. Raises ValueError, OSError."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            found = json.loads(line) if line.startswith(b"{") else None
            if not isinstance(found, dict):
                raise ValueError(f"{path}, line {number}: this is no journal of dermatrail.")
            yield found


def _whole(descriptor: int) -> int:
    """Where the last whole line ends."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - CHUNK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    # A new file's name is on disk only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
