"""Which format the bytes are in, by their first bytes: names and declared types of uploads are not to be trusted."""

import io

from PIL import Image

from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.info import MediaType

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_SEQUENCE_BRANDS = (b"hevc", b"hevx", b"msf1", b"heif-seq", b"avis")
_OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop",
}


def media_type_of(data: bytes) -> MediaType:
    """The media type, or PictureRefused: empty, not an image, an animation, or a format that is not accepted."""
    if not data:
        raise PictureRefused(RefusalReason.EMPTY)
    if data.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return MediaType.WEBP
    if data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+") and data[128:132] != b"DICM":
        return MediaType.TIFF
    if data[128:132] == b"DICM":
        return MediaType.DICOM
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    raise _refusal(data)


def _iso_media(data: bytes) -> MediaType:
    brand = data[8:12]
    if brand in _HEIC_BRANDS and b"avif" not in data[8 : min(64, int.from_bytes(data[:4], "big"))]:
        return MediaType.HEIC
    if brand in _SEQUENCE_BRANDS:
        raise PictureRefused(RefusalReason.ANIMATED, "This is an image sequence.")
    raise PictureRefused(RefusalReason.UNSUPPORTED_FORMAT, "This is a film or an AVIF picture.")


def _refusal(data: bytes) -> PictureRefused:
    if data.startswith(b"GIF8") and _is_animated_gif(data):
        return PictureRefused(RefusalReason.ANIMATED, "This is an animated GIF.")
    for magic, name in _OTHER_FORMATS.items():
        if data.startswith(magic):
            return PictureRefused(RefusalReason.UNSUPPORTED_FORMAT, f"This is a {name} file.")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return PictureRefused(RefusalReason.NOT_AN_IMAGE, "This is an SVG drawing.")
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return PictureRefused(RefusalReason.NOT_AN_IMAGE, "This is a web page or XML document.")
    return PictureRefused(RefusalReason.NOT_AN_IMAGE)


def _is_animated_gif(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["GIF"]) as image:
            image.seek(1)
    except (EOFError, OSError, ValueError):
        return False
    return True
