"""A picture as a stranger sends it, made safe: really a picture, upright, of bounded size, without anything but its pixels.

The desk must not import the models' decoder. Pillow reads the few formats that browsers and telephones write.
"""

import io
import threading

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_BYTES = 12 * 1024 * 1024
# A JPEG is decoded at reduced scale, which costs little memory; the others only whole.
MAX_PIXELS = {"JPEG": 120_000_000, "MPO": 120_000_000, "PNG": 20_000_000, "WEBP": 20_000_000}
FORMATS = ("JPEG", "PNG", "WEBP")
MIN_SIDE, MAX_SIDE = 64, 2048
QUALITY = 92
MAX_PROFILE_BYTES = 1024 * 1024
SRGB = ImageCms.createProfile("sRGB")
# Pixels take memory: one picture at a time, and the others wait their turn for a fraction of a second.
_decoding = threading.Semaphore(1)


class PictureRefused(Exception):
    """The file cannot be used; the message tells the visitor why, and what to do."""


def cleaned(data: bytes) -> bytes:
    """Return the picture as a JPEG in sRGB, upright, long side ≤ 2048 px, without metadata.

    Raises:
        PictureRefused: too large, not a picture, damaged, or too small to show anything.
    """
    if not data:
        raise PictureRefused("No picture was sent. Choose a file, or take a picture with the camera.")
    if len(data) > MAX_BYTES:
        raise PictureRefused(f"The file is larger than {MAX_BYTES // 2**20} MB. Send a smaller copy of it.")
    with _decoding:
        try:
            return _encoded(_decoded(data))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise PictureRefused("The picture has too many pixels. Send a smaller copy of it.") from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
            raise PictureRefused("This file is not a picture that can be read, or it is damaged. Send a JPEG, PNG or WebP.") from error


def _decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        if file.width * file.height > MAX_PIXELS.get(file.format or "", 0):
            raise PictureRefused("The picture has too many pixels. Send a smaller copy of it.")
        if min(file.size) < MIN_SIDE:
            raise PictureRefused(f"The picture is smaller than {MIN_SIDE} × {MIN_SIDE} pixels. Send a larger one.")
        file.draft("RGB", (MAX_SIDE, MAX_SIDE))
        file.load()
        upright = ImageOps.exif_transpose(file)
        upright.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        return _srgb(_opaque(upright), file.info.get("icc_profile"))


def _opaque(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture if picture.mode == "CMYK" else picture.convert("RGB")
    layers = picture.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(ground, layers).convert("RGB")


def _srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Telephones write wide colours: without their profile, skin would turn pale."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, own, SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return picture.convert("RGB")


def _encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    # Only the pixels: what else the file held, the place and the telephone among it, is not written.
    plain = Image.frombytes("RGB", picture.size, picture.tobytes())
    plain.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()
