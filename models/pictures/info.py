"""What a file says about itself before its pixels are decoded, and what decoding gives."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.pictures.dicom_facts import DicomFacts
from models.pictures.types import Rgb

# 100 megapixels: twice the largest dermatology camera; 300 MB decoded.
DEFAULT_MAX_PIXELS = 100_000_000


class MediaType(StrEnum):
    """The accepted formats by their registered media types."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    TIFF = "image/tiff"
    HEIC = "image/heic"
    DICOM = "application/dicom"


class Modality(StrEnum):
    """How the picture was taken, as far as the file tells."""

    DERMOSCOPIC = "dermoscopic"
    CLINICAL = "clinical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureInfo:
    """The header of an acceptable file.

    ``width`` and ``height`` are those of the upright picture in pixels; ``orientation`` is the EXIF value 1..8 still to be
    applied; ``has_metadata`` is true when the bytes hold more than the pixels, colour profile and structure need;
    ``pixel_spacing_mm`` is the side of one pixel on the skin; ``acquired_at`` is when the file says it was taken, with its zone;
    ``dicom`` is what the header of a DICOM file says beside its pixels.
    """

    media_type: MediaType
    width: int
    height: int
    orientation: int = 1
    has_metadata: bool = False
    opaque: bool = True
    modality: Modality = Modality.UNKNOWN
    pixel_spacing_mm: float | None = None
    acquired_at: datetime | None = None
    dicom: DicomFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Decoded pixels: ``rgb`` H×W×3 uint8 sRGB, upright, possibly smaller than ``full_width``×``full_height`` pixels.

    ``declares_identity``: the file itself says that writing is burnt in, or that a face can be recognised.
    """

    rgb: Rgb
    full_width: int
    full_height: int
    media_type: MediaType
    pixel_spacing_mm: float | None = None
    declares_identity: bool = False
