"""multipart/related (RFC 2387): read part by part as it comes in, bounded, and written part by part."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from services.intake.uploads import BoundedFile

CHUNK = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_BOUNDARY = 70


class Malformed(Exception):
    """The body is no multipart/related message with this boundary, or it breaks off."""


class TooManyParts(Exception):
    """The body has more parts than are read."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its media type in lower case without parameters ("" where it names none), and its bytes."""

    media_type: str
    file: BoundedFile


class RelatedReader:
    """Reads the parts of a body in order; holds a chunk of it at a time and the parts' files, which spill to disk."""

    def __init__(self, stream: IO[bytes], boundary: str, *, max_part_bytes: int, max_parts: int) -> None:
        if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
            raise Malformed("boundary")
        self._stream = stream
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first delimiter has no line before it.
        self._buffer = bytearray(b"\r\n")
        self._max_part_bytes = max_part_bytes
        self._max_parts = max_parts

    def parts(self) -> list[Part]:
        """All parts. A part beyond ``max_part_bytes`` is read to its end and not kept (``file.exceeded``).

        Raises:
            Malformed: the body is not as it should be.
            TooManyParts: there are more than ``max_parts``.
        """
        found: list[Part] = []
        self._copy_until(self._delimiter, BoundedFile(0))
        while not self._at_end():
            if len(found) == self._max_parts:
                raise TooManyParts
            found.append(self._part())
        return found

    def _part(self) -> Part:
        headers = BoundedFile(MAX_HEADER_BYTES)
        # The line end of the delimiter stays in front, so that a part without headers is one, too.
        self._copy_until(b"\r\n\r\n", headers)
        if headers.exceeded:
            raise Malformed("headers")
        headers.seek(0)
        file = BoundedFile(self._max_part_bytes)
        self._copy_until(self._delimiter, file)
        return Part(_media_type(headers.read()), file)

    def _at_end(self) -> bool:
        while len(self._buffer) < 2:
            if not self._fill():
                raise Malformed("end")
        return self._buffer.startswith(b"--")

    def _copy_until(self, mark: bytes, into: BoundedFile) -> None:
        """Move what lies before ``mark`` into a file, and pass over the mark."""
        while (at := self._buffer.find(mark)) < 0:
            # The mark may have begun in what is there.
            safe = max(0, len(self._buffer) - len(mark) + 1)
            into.write(bytes(self._buffer[:safe]))
            del self._buffer[:safe]
            if not self._fill():
                raise Malformed("end")
        into.write(bytes(self._buffer[:at]))
        del self._buffer[: at + len(mark)]

    def _fill(self) -> bool:
        chunk = self._stream.read(CHUNK)
        self._buffer += chunk
        return bool(chunk)


def _media_type(headers: bytes) -> str:
    for line in headers.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.split(";")[0].strip().lower()
    return ""


def new_boundary() -> str:
    """A boundary that no content holds, but by an accident of 1 in 2¹²⁸."""
    return secrets.token_hex(16)


def write_related(parts: Iterable[tuple[str, bytes]], boundary: str) -> Iterator[bytes]:
    """The body of a message with these parts, each with its Content-Type."""
    for content_type, data in parts:
        yield f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n".encode("ascii")
        yield data
    yield f"\r\n--{boundary}--\r\n".encode("ascii")
