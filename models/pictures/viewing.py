"""The rendition that people see and that is kept for viewing: upright, without metadata, readable by every browser."""

from typing import NamedTuple

from models.pictures import jpeg, png
from models.pictures.decode import decode
from models.pictures.errors import refusing
from models.pictures.info import DEFAULT_MAX_PIXELS, MediaType, PictureInfo


class View(NamedTuple):
    """``changed`` is false when the original bytes already are such a rendition, so that they need to be kept only once."""

    data: bytes
    media_type: MediaType
    changed: bool


def viewing(data: bytes, info: PictureInfo, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> View:
    """Verify that every pixel of an inspected file can be decoded, and make its rendition for viewing.

    Upright JPEG and opaque PNG keep their compressed pixels and colour profile and lose only metadata; everything else
    becomes a JPEG (quality 95, full chroma, sRGB). Raises PictureRefused (truncated, damaged, …).
    """
    with refusing():
        if info.media_type is MediaType.JPEG and info.orientation == 1:
            return _jpeg(data, info, max_pixels)
        picture = decode(data, max_pixels=max_pixels)
        if info.media_type is MediaType.PNG and info.orientation == 1 and info.opaque:
            return View(_png(data) if info.has_metadata else data, MediaType.PNG, changed=info.has_metadata)
        return View(jpeg.encode(picture.rgb), MediaType.JPEG, changed=True)


def _jpeg(data: bytes, info: PictureInfo, max_pixels: int) -> View:
    header = jpeg.read_header(data)
    if len(header.component_ids) == 4:
        # Browsers disagree about CMYK.
        return View(jpeg.encode(decode(data, max_pixels=max_pixels).rgb), MediaType.JPEG, changed=True)
    # 1/8 scale reads every entropy-coded bit and skips most of the arithmetic.
    jpeg.decode_pixels(data, header, factor=8)
    return View(jpeg.without_metadata(data, header) if info.has_metadata else data, MediaType.JPEG, changed=info.has_metadata)


def _png(data: bytes) -> bytes:
    return png.without_metadata(data, png.read_header(data))
