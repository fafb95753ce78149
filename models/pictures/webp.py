"""WebP: size, animation flag and orientation from the RIFF chunks (RFC 9649), before any decoder allocates a canvas."""

from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.exif import orientation_of

_ANIMATION = 0x02
MAX_CHUNKS = 1000


def read_header(data: bytes) -> tuple[int, int, int]:
    """(stored width, stored height, orientation). Raises PictureRefused (truncated, damaged, animated)."""
    if len(data) < 30 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise PictureRefused(RefusalReason.TRUNCATED)
    kind = data[12:16]
    if kind == b"VP8X":
        return _extended(data)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1, 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF, 1
    raise PictureRefused(RefusalReason.DAMAGED, "No picture chunk.")


def _extended(data: bytes) -> tuple[int, int, int]:
    if data[20] & _ANIMATION:
        raise PictureRefused(RefusalReason.ANIMATED, "This is an animated WebP.")
    width, height = (1 + int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
    return width, height, orientation_of(_exif(data))


def _exif(data: bytes) -> bytes:
    position = 12
    for _ in range(MAX_CHUNKS):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"EXIF":
            return data[position + 8 : position + 8 + length].removeprefix(b"Exif\x00\x00")
        position += 8 + length + (length & 1)
    return b""
