"""Masks as the page sends them: small greyscale PNGs, read without any picture library and written anew before they are kept."""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 512 * 1024
MAX_SIDE = 1024
MIN_SIDE = 256  # of the long side, where the picture has as many: a coarser outline would not be worth its name
GREYSCALE = (8, 0, 0, 0, 0)  # bits, colour type, compression, filter method, no interlace
UNFILTERED = 0
LESION = 255


class InvalidMask(Exception):
    """What was sent is no mask of the picture. The message says why, and what is expected."""


def read_mask(data: bytes, *, width: int, height: int) -> bytes:
    """A mask PNG as sent → the PNG to keep: the same h×w pixels, 0 or 255, one channel, nothing else in the file.

    Args:
        width, height: of the upright picture, px; the mask has the same shape and at most MAX_SIDE px on its long side.

    Raises:
        InvalidMask: too large, damaged, another kind of PNG or shape, other values than 0 and 255, or nothing or everything is lesion.
    """
    if len(data) > MAX_BYTES:
        raise InvalidMask(f"The mask has more than {MAX_BYTES // 1024} kB.")
    columns, rows, packed = _parts(data)
    _check_shape(columns, rows, width, height)
    lines = _lines(packed, columns, rows)
    lesion = lines.count(LESION)
    if lesion == 0:
        raise InvalidMask("The outline is empty: draw the lesion, or leave the editor to keep the outline there is.")
    if lesion == columns * rows:
        raise InvalidMask("The outline covers the whole picture: no border is left to be measured.")
    return write_mask(lines, columns, rows)


def write_mask(lines: bytes, columns: int, rows: int) -> bytes:
    """PNG of ``rows`` lines, each a filter byte 0 and ``columns`` grey values."""
    header = struct.pack(">II5B", columns, rows, *GREYSCALE)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _parts(data: bytes) -> tuple[int, int, bytes]:
    """Columns, rows and the compressed lines."""
    if not data.startswith(SIGNATURE):
        raise InvalidMask("The mask is not a PNG.")
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise InvalidMask("The mask is a damaged PNG: it has no header.")
    columns, rows, *kind = struct.unpack(">II5B", chunks[0][1])
    if tuple(kind) != GREYSCALE:
        raise InvalidMask("The mask is another kind of PNG: send 8-bit greyscale, not interlaced.")
    return columns, rows, b"".join(body for name, body in chunks if name == b"IDAT")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position) if position + 12 <= len(data) else (len(data), b"")
        end = position + 12 + length
        if end > len(data):
            raise InvalidMask("The mask is a damaged PNG: its end is missing.")
        body = data[position + 8 : end - 4]
        if zlib.crc32(name + body) != int.from_bytes(data[end - 4 : end], "big"):
            raise InvalidMask("The mask is a damaged PNG: a checksum does not fit.")
        yield name, body
        if name == b"IEND":
            return
        position = end
    raise InvalidMask("The mask is a damaged PNG: its end is missing.")


def _check_shape(columns: int, rows: int, width: int, height: int) -> None:
    side = max(columns, rows)
    if not min(MIN_SIDE, max(width, height)) <= side <= MAX_SIDE:
        raise InvalidMask(f"The mask is {columns} × {rows} px: its long side must have {MIN_SIDE} to {MAX_SIDE} px.")
    scale = side / max(width, height)
    if abs(columns - width * scale) > 1 or abs(rows - height * scale) > 1:
        raise InvalidMask(f"A mask of {columns} × {rows} px has not the shape of a picture of {width} × {height} px.")


def _lines(packed: bytes, columns: int, rows: int) -> bytes:
    """The uncompressed lines, never more than their size says."""
    size = rows * (columns + 1)
    reader = zlib.decompressobj()
    try:
        lines = reader.decompress(packed, size + 1)
    except zlib.error as error:
        raise InvalidMask("The mask is a damaged PNG: its pixels cannot be read.") from error
    if len(lines) != size:
        raise InvalidMask("The mask is a damaged PNG: it has more or fewer pixels than its header says.")
    if any(lines[:: columns + 1]):
        raise InvalidMask("The mask's rows are filtered: send a PNG whose rows have filter 0.")
    if lines.translate(None, bytes((UNFILTERED, LESION))):
        raise InvalidMask("The mask has grey values: every pixel must be 0 or 255.")
    return lines
