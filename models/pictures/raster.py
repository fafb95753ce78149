"""PNG, WebP, TIFF and HEIC: headers and pixels through Pillow and libheif."""

import io

from PIL import Image, ImageOps

from models.pictures import colour
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.info import MediaType
from models.pictures.types import Rgb

# Sizes are checked against our own limit from the header before any pixel is decoded (models.pictures.inspect).
Image.MAX_IMAGE_PIXELS = None

_PLUGIN = {MediaType.PNG: "PNG", MediaType.WEBP: "WEBP", MediaType.TIFF: "TIFF"}


def tiff_size(data: bytes) -> tuple[int, int]:
    """(width, height) upright: Pillow has applied the orientation. Raises PictureRefused (multi_frame, unsupported_colour)."""
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        size, mode = image.size, image.mode
        if _has_second_page(image):
            raise PictureRefused(RefusalReason.MULTI_FRAME, "This TIFF has several pages.")
    if mode in ("F", "I"):
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, "Floating-point or 32-bit samples.")
    return size


def _has_second_page(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except EOFError:
        return False
    return True


def decode_pixels(data: bytes, media_type: MediaType) -> Rgb:
    """The whole picture of a PNG, WebP or TIFF, upright, H×W×3 uint8 sRGB."""
    with Image.open(io.BytesIO(data), formats=[_PLUGIN[media_type]]) as image:
        image.load()
        icc = image.info.get("icc_profile") or b""
        upright = image if media_type is MediaType.TIFF else ImageOps.exif_transpose(image)
        return colour.to_srgb(colour.to_rgb(upright), icc)


def heic_size(data: bytes) -> tuple[int, int]:
    """(width, height) upright of a HEIC with exactly one picture."""
    # libheif is loaded only when a HEIC arrives: it costs 10 MB.
    import pi_heif

    container = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
    if len(container) != 1:
        raise PictureRefused(RefusalReason.MULTI_FRAME, f"This HEIC holds {len(container)} pictures.")
    width, height = container.size
    return width, height


def decode_heic(data: bytes) -> Rgb:
    """The primary picture of a HEIC, upright (libheif applies the container's own rotation), H×W×3 uint8 sRGB."""
    import pi_heif

    image = pi_heif.open_heif(data, convert_hdr_to_8bit=True).to_pillow()
    return colour.to_srgb(colour.to_rgb(image), image.info.get("icc_profile") or b"")
