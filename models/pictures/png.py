"""PNG: chunk walk (size, animation, metadata) without decoding, and removal of metadata chunks."""

from dataclasses import dataclass

from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.exif import orientation_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What the pixels and their colours need (W3C PNG, 3rd edition); everything else may carry text, times or EXIF.
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"pHYs"})
MAX_CHUNKS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader:
    """``chunks`` are (type, start, end) in the file, in order; ``end`` is the first byte after IEND."""

    orientation: int
    opaque: bool
    chunks: tuple[tuple[bytes, int, int], ...]
    end: int


def read_size(data: bytes) -> tuple[int, int]:
    """(stored width, stored height) from the first chunk alone. Raises PictureRefused (truncated, damaged)."""
    if len(data) < 33:
        raise PictureRefused(RefusalReason.TRUNCATED)
    if data[12:16] != b"IHDR":
        raise PictureRefused(RefusalReason.DAMAGED, "No PNG header.")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def read_header(data: bytes) -> PngHeader:
    """Walk the chunks. Raises PictureRefused (truncated, animated, too_complex)."""
    chunks = tuple(_chunks(data))
    names = {name for name, _, _ in chunks}
    if b"acTL" in names:
        raise PictureRefused(RefusalReason.ANIMATED, "This is an animated PNG.")
    exif = next((data[start + 8 : end - 4] for name, start, end in chunks if name == b"eXIf"), b"")
    return PngHeader(
        orientation=orientation_of(exif),
        opaque=data[25] in (0, 2, 3) and b"tRNS" not in names,
        chunks=chunks,
        end=chunks[-1][2],
    )


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    found: list[tuple[bytes, int, int]] = []
    position = len(_SIGNATURE)
    while len(found) < MAX_CHUNKS:
        name = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if len(name) < 4 or end > len(data):
            raise PictureRefused(RefusalReason.TRUNCATED)
        found.append((name, position, end))
        if name == b"IEND":
            return found
        position = end
    raise PictureRefused(RefusalReason.TOO_COMPLEX, f"More than {MAX_CHUNKS} chunks.")


def has_metadata(data: bytes, header: PngHeader) -> bool:
    """True when chunks or trailing bytes hold more than the pixels and their colours need."""
    return header.end != len(data) or any(name not in _NEEDED for name, _, _ in header.chunks)


def without_metadata(data: bytes, header: PngHeader) -> bytes:
    """The same compressed pixels without text, time, EXIF and unknown chunks and without trailing bytes."""
    kept = (data[start:end] for name, start, end in header.chunks if name in _NEEDED)
    return b"".join((_SIGNATURE, *kept))
