"""Photographs without metadata: EXIF, GPS, XMP, IPTC, comments, previews. The compressed pixels stay, bit by bit, and so do the colours.

Orientation is kept: a picture that its camera turned by EXIF gets an EXIF block that says this and nothing else. HEIC alone is
written as PNG: its metadata is woven into the container, and what is decoded from it stays exactly.
"""

import io
import zlib
from typing import NamedTuple

from PIL import Image

from models.deidentify import tiff
from models.pictures import jpeg, png, raster, webp
from models.pictures.errors import refusing
from models.pictures.info import MediaType
from models.pictures.inspect import inspect

JFIF_LENGTH = 16  # of a JFIF segment without a preview
WEBP_NEEDED = frozenset({b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"})
WEBP_EXIF, WEBP_XMP = 0x08, 0x04


class Photograph(NamedTuple):
    """A file without metadata; ``suffix`` with its dot."""

    data: bytes
    suffix: str


def without_metadata(data: bytes) -> Photograph:
    """A JPEG, PNG, WebP, TIFF or HEIC without metadata. Raises PictureRefused for anything else, and for what cannot be cleaned."""
    info = inspect(data)
    with refusing():
        match info.media_type:
            case MediaType.JPEG:
                return Photograph(_jpeg(data), ".jpg")
            case MediaType.PNG:
                return Photograph(_png(data), ".png")
            case MediaType.WEBP:
                return Photograph(_webp(data), ".webp")
            case MediaType.TIFF:
                return Photograph(tiff.without_metadata(data), ".tif")
            case MediaType.HEIC:
                return Photograph(_as_png(data), ".png")
            case MediaType.DICOM:
                raise ValueError("a DICOM file is no photograph: use models.deidentify.dicom_files")


def exif_of(orientation: int) -> bytes:
    """A TIFF block with one field, the orientation 1..8."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + orientation.to_bytes(2, "big") + b"\0\0\0\0\0\0"


def _jpeg(data: bytes) -> bytes:
    header = jpeg.read_header(data)
    clean = jpeg.without_metadata(data, header)
    start = 2
    jfif = b""
    if clean[2:4] == b"\xff\xe0":
        start = 4 + int.from_bytes(clean[4:6], "big")
        # A JFIF segment may carry a preview of its own.
        jfif = b"\xff\xe0" + JFIF_LENGTH.to_bytes(2, "big") + clean[6:18] + b"\0\0"
    exif = b""
    if header.orientation != 1:
        block = b"Exif\0\0" + exif_of(header.orientation)
        exif = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    return b"".join((clean[:2], jfif, exif, clean[start:]))


def _png(data: bytes) -> bytes:
    header = png.read_header(data)
    clean = png.without_metadata(data, header)
    chunks = [(name, clean[start + 8 : end - 4]) for name, start, end in png.read_header(clean).chunks]
    if header.orientation != 1:
        chunks.insert(1, (b"eXIf", exif_of(header.orientation)))
    # A colour profile has a name that anybody may have chosen.
    named = [(name, b"icc" + body[body.index(b"\0") :] if name == b"iCCP" else body) for name, body in chunks]
    return clean[:8] + b"".join(_chunk(name, body) for name, body in named)


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _webp(data: bytes) -> bytes:
    *_, orientation = webp.read_header(data)
    chunks = [(name, bytearray(body)) for name, body in _riff(data) if name in WEBP_NEEDED]
    for name, body in chunks:
        if name == b"VP8X":
            body[0] = body[0] & ~(WEBP_EXIF | WEBP_XMP) | (WEBP_EXIF if orientation != 1 else 0)
    if orientation != 1:
        chunks.append((b"EXIF", bytearray(exif_of(orientation))))
    packed = b"".join(name + len(body).to_bytes(4, "little") + bytes(body) + b"\0" * (len(body) % 2) for name, body in chunks)
    return b"RIFF" + (len(packed) + 4).to_bytes(4, "little") + b"WEBP" + packed


def _riff(data: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    position = 12
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end and len(found) < webp.MAX_CHUNKS:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        found.append((data[position : position + 4], data[position + 8 : position + 8 + length]))
        position += 8 + length + (length & 1)
    return found


def _as_png(data: bytes) -> bytes:
    written = io.BytesIO()
    Image.fromarray(raster.decode_heic(data)).save(written, "PNG")
    return written.getvalue()
