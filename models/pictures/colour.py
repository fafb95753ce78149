"""From what Pillow decodes to 8-bit sRGB: alpha, palettes, 16 bits, CMYK and colour profiles."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.types import Rgb

# Modes whose first three channels are already sRGB-like values once converted; others (F, I, LAB, …) are not photographs.
_ACCEPTED_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_GREY_16 = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
MAX_PROFILE_BYTES = 4 * 2**20


def to_rgb(image: Image.Image) -> Rgb:
    """A Pillow image of any accepted mode → H×W×3 uint8; transparency becomes white, 16 bits become the upper 8."""
    if image.mode in _GREY_16:
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode not in _ACCEPTED_MODES:
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, f"Pixel mode {image.mode}.")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = _over_white(image)
    return np.array(image.convert("RGB"))


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba)


def to_srgb(rgb: Rgb, icc: bytes) -> Rgb:
    """Apply an embedded RGB colour profile; pictures without one, with sRGB or with an unusable one stay as they are."""
    if not icc or len(icc) > MAX_PROFILE_BYTES or icc[16:20] != b"RGB ":
        return rgb
    transform = _transform(icc)
    if transform is None:
        return rgb
    converted = ImageCms.applyTransform(Image.fromarray(rgb), transform)
    return rgb if converted is None else np.array(converted)


@lru_cache(maxsize=8)
def _transform(icc: bytes) -> ImageCms.ImageCmsTransform | None:
    """None for sRGB itself (nearly all cameras) and for broken profiles, which viewers ignore too."""
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return None
        return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
