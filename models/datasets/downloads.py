"""Downloads that survive a broken line: resumed by range, checked by sha256, put in place in one step, unpacked once.

A file is written to ``NAME.part`` beside its target, with the server's version of it (ETag) in ``NAME.part.tag``; a later call goes on
where it stopped, unless the server has another version by then. Only a whole and verified file gets its name.
"""

import difflib
import hashlib
import shutil
import time
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from models.datasets.catalogue import CATALOGUE, PublicFile, PublicSet
from models.datasets.types import DatasetError

CHUNK = 1 << 18
TIMEOUT = urllib3.Timeout(connect=15, read=60)
# Tries in a row that bring no byte; every byte that comes starts the count anew.
ATTEMPTS = 6
# Answers that another try may change: too many requests and faults of the server.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MARK = ".fetched"


class DownloadFailed(DatasetError):
    """A file that could not be got, or that is not what it should be."""


class _Interrupted(Exception):
    """The line broke; trying again may help."""


@dataclass(slots=True)
class _Download:
    """One file on its way."""

    file: PublicFile
    target: Path
    progress: Progress | None
    pool: urllib3.PoolManager
    task: TaskID = field(default=TaskID(0))

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag(self) -> Path:
        return self.target.with_name(self.target.name + ".part.tag")

    @property
    def length(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def fetch(name: str, folder: Path, *, catalogue: Mapping[str, PublicSet] = CATALOGUE, quiet: bool = False, pause: float = 1.0) -> Path:
    """Downloads a public data set into ``folder/NAME`` and unpacks it; what is there already is not fetched again.

    Archives are removed once they are unpacked. Returns ``folder/NAME``, which ``read(source=NAME, folder=folder)`` finds. ``pause``
    in seconds is the first wait after a broken line; it doubles up to 30 s. Raises DownloadFailed: no such set, no way to the server,
    a file that is gone or is not what it should be, no room on the disk.
    """
    if name not in catalogue:
        near = difflib.get_close_matches(name, catalogue, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(catalogue)}."
        raise DownloadFailed(f"There is no public data set {name!r}: {hint}")
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    with nullcontext() if quiet else _bars() as progress:
        for file in catalogue[name].files:
            mark = place / f".{file.name}{_MARK}"
            if mark.exists() and (place / file.name.removesuffix(".zip")).exists():
                continue
            found = download(file, place, page=catalogue[name].page, progress=progress, pause=pause)
            if file.name.endswith(".zip"):
                unpack(place / file.name)
            mark.write_text(f"{found}\n")
    return place


def download(file: PublicFile, folder: Path, *, page: str = "", progress: Progress | None = None, pause: float = 1.0) -> str:
    """Brings one file into ``folder``, going on with what an earlier call has left. Returns its sha256. Raises DownloadFailed."""
    target = folder / file.name
    if target.exists() and file.sha256 in (None, found := sha256_of(target)):
        return found
    with urllib3.PoolManager(retries=urllib3.Retry(total=None, connect=0, read=0, redirect=5, status=0), timeout=TIMEOUT) as pool:
        job = _Download(file, target, progress, pool)
        if progress is not None:
            job.task = progress.add_task(file.name, total=file.size)
        _bring(job, page=page, pause=pause)
    found = sha256_of(job.part)
    if file.sha256 not in (None, found):
        _forget(job)
        raise DownloadFailed(
            f"{file.url} has sha256 {found}, expected {file.sha256}: what came has been removed. Fetch it again; if that does not help, "
            f"the publisher has changed the file{f', see {page}' if page else ''}."
        )
    job.part.replace(target)
    job.tag.unlink(missing_ok=True)
    return found


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path) -> None:
    """Unpacks a ZIP, and the ZIPs inside it, into a folder with its name beside it, and removes it.

    A call that is killed leaves nothing but a folder ``.NAME.unpacking``, which the next one replaces. Raises DownloadFailed: the
    archive is damaged, or there is no room.
    """
    working = archive.with_name(f".{archive.stem}.unpacking")
    shutil.rmtree(working, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as contents:
            _need_room(archive.parent, sum(item.file_size for item in contents.infolist()), archive.name)
            contents.extractall(working)  # members with ".." or absolute names stay inside: zipfile cleans them
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        shutil.rmtree(working, ignore_errors=True)
        raise DownloadFailed(f"{archive} is damaged ({error}): remove it and fetch it again.") from error
    except OSError as error:
        shutil.rmtree(working, ignore_errors=True)
        raise DownloadFailed(f"{archive} cannot be unpacked ({error}): see to the disk and call again.") from error
    for inner in sorted(working.rglob("*.zip")):
        if not inner.name.startswith("."):
            unpack(inner)
    home = archive.with_suffix("")
    # Most archives hold one folder of their own name; the folder of the others gets it.
    named = working / home.name
    shutil.rmtree(home, ignore_errors=True)
    (named if named.is_dir() and len(list(working.iterdir())) == 1 else working).rename(home)
    shutil.rmtree(working, ignore_errors=True)
    archive.unlink()


def _bring(job: _Download, *, page: str, pause: float) -> None:
    fruitless = 0
    while True:
        before = job.length
        try:
            _go_on(job, page=page)
        except (_Interrupted, urllib3.exceptions.HTTPError) as error:
            fruitless = 0 if job.length > before else fruitless + 1
            if fruitless >= ATTEMPTS:
                raise DownloadFailed(
                    f"{job.file.url} could not be fetched, {ATTEMPTS} tries brought nothing ({error}). {job.length:,} bytes are kept in "
                    f"{job.part}; see to the connection and call again to go on."
                ) from error
            time.sleep(min(pause * 2**fruitless, 30 * pause))
        else:
            return


def _go_on(job: _Download, *, page: str) -> None:
    """One request for what is missing. Raises _Interrupted when less than the rest came, DownloadFailed when asking is in vain."""
    have = job.length
    headers = {"Accept-Encoding": "identity"}
    tag = job.tag.read_text() if job.tag.exists() else ""
    if have and tag:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    answer = job.pool.request("GET", job.file.url, headers=headers, preload_content=False, decode_content=False)
    try:
        if have and answer.status == 416 and answer.headers.get("Content-Range") == f"bytes */{have}":
            return  # all of it was here already
        start = _start_of(job, answer, page=page)
        total = _total_of(answer, start)
        _write(job, answer, start=start, total=total)
    finally:
        answer.close()
        answer.release_conn()
    if total is not None and job.length != total:
        raise _Interrupted(f"{job.length:,} of {total:,} bytes came")


def _start_of(job: _Download, answer: urllib3.BaseHTTPResponse, *, page: str) -> int:
    """Where the body of this answer belongs in the file. Raises _Interrupted, DownloadFailed."""
    if answer.status == 206:
        return _first_byte(answer.headers.get("Content-Range", ""), have=job.length)
    if answer.status == 200:
        return 0  # no range wanted, none supported, or the server has another version by now
    if answer.status == 416:
        _forget(job)
        raise _Interrupted("the part kept here is longer than the file; it starts anew")
    if answer.status in _PASSING:
        raise _Interrupted(f"the server answered {answer.status}")
    where = f" See {page} for its present address" if page else " Look for its present address"
    raise DownloadFailed(f"{job.file.url} answered {answer.status}.{where}, and put the file into {job.target.parent} yourself.")


def _first_byte(content_range: str, *, have: int) -> int:
    """From ``bytes 100-199/200``: 100. Raises _Interrupted when it is not what was asked for."""
    first = content_range.removeprefix("bytes ").partition("-")[0]
    if not first.isdigit() or int(first) != have:
        raise _Interrupted(f"the server sent {content_range!r} for a request from byte {have}")
    return have


def _total_of(answer: urllib3.BaseHTTPResponse, start: int) -> int | None:
    length = answer.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


def _write(job: _Download, answer: urllib3.BaseHTTPResponse, *, start: int, total: int | None) -> None:
    # A weak tag does not promise the same bytes and may not be used with If-Range (RFC 9110, 13.1.5): then it starts anew.
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    job.tag.write_text("" if tag.startswith("W/") else tag)
    if total is not None:
        _need_room(job.target.parent, total - start, job.file.name)
    if job.progress is not None:
        job.progress.update(job.task, total=total or job.file.size, completed=start)
    with job.part.open("r+b" if start else "wb") as out:
        out.seek(start)
        out.truncate()
        for chunk in answer.stream(CHUNK):
            out.write(chunk)
            if job.progress is not None:
                job.progress.advance(job.task, len(chunk))


def _need_room(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadFailed(
            f"{name} needs {needed / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} GB are free: make room or choose another disk."
        )


def _forget(job: _Download) -> None:
    job.part.unlink(missing_ok=True)
    job.tag.unlink(missing_ok=True)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), transient=False
    )
