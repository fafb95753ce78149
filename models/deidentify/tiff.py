"""A TIFF written anew around its own compressed strips or tiles: only what the pixels and their colours need (TIFF 6.0, classic)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from models.pictures.errors import PictureRefused, RefusalReason

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value, by field type
SHORT, LONG = 3, 4
COMPRESSION, OLD_JPEG = 259, 6
OFFSETS = {273: 279, 324: 325}  # strips and tiles: where they are → how long they are
# Size, samples, compression, photometry, orientation, resolution, predictor, palette, tiles, JPEG's tables, YCbCr, ICC profile.
NEEDED = frozenset(
    {254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320, 322, 323, 324, 325, 338, 339, 347}
    | {529, 530, 531, 532, 34675}
)
MAX_ENTRIES = 4_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: its tag, type, number of values, and the values' bytes."""

    tag: int
    kind: int
    count: int
    value: bytes


def without_metadata(data: bytes) -> bytes:
    """The same compressed pixels without EXIF, GPS, XMP, IPTC, descriptions, previews and whatever lies between.

    Raises PictureRefused: damaged, a BigTIFF, or with JPEG of the old style, which cannot be told from other bytes.
    """
    if data[2:4] not in (b"*\0", b"\0*"):
        raise PictureRefused(RefusalReason.UNSUPPORTED_FORMAT, "This is a BigTIFF, whose metadata cannot be taken out.")
    endian: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    kept = {entry.tag: entry for entry in _entries(data, endian) if entry.tag in NEEDED}
    if _numbers(kept.get(COMPRESSION), endian) == [OLD_JPEG]:
        raise PictureRefused(RefusalReason.UNSUPPORTED_FORMAT, "This TIFF holds JPEG of the old style.")
    return _written(data, kept, endian)


def _entries(data: bytes, endian: Literal["little", "big"]) -> Iterator[Entry]:
    """The fields of the first page."""
    start = int.from_bytes(data[4:8], endian)
    count = int.from_bytes(data[start : start + 2], endian)
    if not 0 < count <= MAX_ENTRIES or start + 2 + 12 * count > len(data):
        raise PictureRefused(RefusalReason.DAMAGED, "The list of fields of the TIFF cannot be read.")
    for index in range(count):
        raw = data[start + 2 + 12 * index : start + 14 + 12 * index]
        tag, kind, number = int.from_bytes(raw[:2], endian), int.from_bytes(raw[2:4], endian), int.from_bytes(raw[4:8], endian)
        size = SIZES.get(kind, 1) * number
        place = int.from_bytes(raw[8:12], endian)
        value = raw[8 : 8 + size] if size <= 4 else data[place : place + size]
        if len(value) != size:
            raise PictureRefused(RefusalReason.TRUNCATED, f"Field {tag} of the TIFF ends outside the file.")
        yield Entry(tag, kind, number, value)


def _numbers(entry: Entry | None, endian: Literal["little", "big"]) -> list[int]:
    if entry is None:
        return []
    size = SIZES.get(entry.kind, 1)
    return [int.from_bytes(entry.value[at : at + size], endian) for at in range(0, len(entry.value), size)]


def _written(data: bytes, kept: dict[int, Entry], endian: Literal["little", "big"]) -> bytes:
    """Header, pixels, long values, list of fields."""
    out = bytearray((b"II" if endian == "little" else b"MM") + (42).to_bytes(2, endian) + b"\0\0\0\0")
    for tag, lengths in OFFSETS.items():
        if tag in kept:
            kept[tag] = _moved(data, out, kept[tag], _numbers(kept.get(lengths), endian), endian)
    fields = bytearray()
    for tag in sorted(kept):
        entry = kept[tag]
        value = entry.value.ljust(4, b"\0")
        if len(entry.value) > 4:
            value = len(out).to_bytes(4, endian)
            out += entry.value + b"\0" * (len(entry.value) % 2)
        fields += tag.to_bytes(2, endian) + entry.kind.to_bytes(2, endian) + entry.count.to_bytes(4, endian) + value
    out[4:8] = len(out).to_bytes(4, endian)
    return bytes(out + len(kept).to_bytes(2, endian) + fields + b"\0\0\0\0")


def _moved(data: bytes, out: bytearray, places: Entry, lengths: list[int], endian: Literal["little", "big"]) -> Entry:
    """Copy strips or tiles behind each other, and return where they are now."""
    starts = _numbers(places, endian)
    if len(starts) != len(lengths) or any(start + length > len(data) for start, length in zip(starts, lengths, strict=True)):
        raise PictureRefused(RefusalReason.TRUNCATED, "The pixels of the TIFF end outside the file.")
    moved = bytearray()
    for start, length in zip(starts, lengths, strict=True):
        moved += len(out).to_bytes(4, endian)
        out += data[start : start + length] + b"\0" * (length % 2)
    return Entry(places.tag, LONG, places.count, bytes(moved))
