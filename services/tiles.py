"""A picture's tiles in one object: an uncompressed ZIP, written whole and read by byte ranges.

One object is one PUT, and any program can open it. Its directory stands at the end and says where each tile's bytes are.
"""

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Enough for the directory of a 100-megapixel picture's tiles.
TAIL_BYTES = 64 * 1024

# PKWARE's APPNOTE 4.3: end of the directory, an entry of the directory, a file's header before its bytes.
_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
_ENTRY, _ENTRY_MARK = struct.Struct("<4s6H3L5H2L"), b"PK\x01\x02"
_FILE_HEADER_BYTES = 30
_STORED = 0
# Every entry has the same date: the same tiles give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


class DamagedTiles(ValueError):
    """The object is not a ZIP as `pack` writes it: make the tiles again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile's bytes lie in the object."""

    start: int
    length: int


def pack(tiles: Iterable[tuple[str, bytes]]) -> bytes:
    """The object of (name, bytes) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in tiles:
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)
    return out.getvalue()


def directory(tail: bytes) -> Mapping[str, Place]:
    """Name → place of every tile, from the object's last bytes (all of them, or at least TAIL_BYTES).

    Raises:
        DamagedTiles: these are not the last bytes of such an object.
    """
    end = len(tail) - _END.size
    if end < 0 or not tail.startswith(_END_MARK, end):
        raise DamagedTiles("there is no directory at its end")
    _, _, _, _, count, size, _, _ = _END.unpack_from(tail, end)
    position, places = end - size, dict[str, Place]()
    if position < 0:
        raise DamagedTiles(f"its directory is longer than {TAIL_BYTES} bytes")
    for _ in range(count):
        name, place, position = _entry(tail, position)
        places[name] = place
    return places


def _entry(tail: bytes, position: int) -> tuple[str, Place, int]:
    try:
        entry = _ENTRY.unpack_from(tail, position)
    except struct.error as error:
        raise DamagedTiles("its directory is cut off") from error
    mark, method, length, sizes, start = entry[0], entry[4], entry[9], entry[10:13], entry[16]
    if mark != _ENTRY_MARK or method != _STORED:
        raise DamagedTiles("its directory has an entry of another kind")
    name_at = position + _ENTRY.size
    name = tail[name_at : name_at + sizes[0]]
    # `pack` writes no extra fields, so a file's header is its fixed part and its name.
    return name.decode(), Place(start + _FILE_HEADER_BYTES + len(name), length), name_at + sum(sizes)
