"""Why a file is refused: one machine-readable reason and one sentence that says how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class RefusalReason(StrEnum):
    """The machine-readable reasons. They are part of the HTTP interface: never rename one."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TOO_COMPLEX = "too_complex"
    ANIMATED = "animated"
    MULTI_FRAME = "multi_frame"
    NO_PIXEL_DATA = "no_pixel_data"
    UNSUPPORTED_SOP_CLASS = "unsupported_sop_class"
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported_transfer_syntax"
    UNSUPPORTED_COLOUR = "unsupported_colour"


ACCEPTED = "JPEG, PNG, WebP, TIFF, HEIC or DICOM"

REMEDY: dict[RefusalReason, str] = {
    RefusalReason.EMPTY: "The file is empty. Upload it again.",
    RefusalReason.NOT_AN_IMAGE: f"The file is not a picture. Send {ACCEPTED}.",
    RefusalReason.UNSUPPORTED_FORMAT: f"This picture format is not accepted. Convert it to {ACCEPTED}.",
    RefusalReason.TRUNCATED: "The file ends early. Upload it again from the original.",
    RefusalReason.DAMAGED: "The file is damaged and cannot be decoded. Export it again from the original.",
    RefusalReason.TOO_MANY_PIXELS: "The picture has too many pixels. Reduce its size or crop it to the lesion.",
    RefusalReason.TOO_SMALL: "The picture is too small to assess. Send the camera's original.",
    RefusalReason.TOO_COMPLEX: "The file has more internal parts than any camera writes. Save it again as baseline JPEG or PNG.",
    RefusalReason.ANIMATED: "The file is an animation. Send one still picture.",
    RefusalReason.MULTI_FRAME: "The file holds several pictures. Send each picture as a file of its own.",
    RefusalReason.NO_PIXEL_DATA: "The DICOM object holds no pixel data. Send the image object, not a report or a plan.",
    RefusalReason.UNSUPPORTED_SOP_CLASS: (
        "Send VL Photographic Image, Dermoscopic Photography or Secondary Capture objects; other DICOM objects are not accepted."
    ),
    RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX: (
        "The DICOM transfer syntax cannot be read. Export as Explicit VR Little Endian, JPEG Baseline, JPEG 2000, JPEG-LS or RLE."
    ),
    RefusalReason.UNSUPPORTED_COLOUR: "The colour model or bit depth cannot be read. Export as 8-bit RGB.",
}


class PictureRefused(Exception):
    """A file that cannot be accepted as one still picture.

    ``reason`` is for machines, ``detail`` says what was found; ``str()`` gives the detail and the remedy.
    """

    def __init__(self, reason: RefusalReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{detail} {REMEDY[reason]}".strip())


@contextmanager
def refusing(reason: RefusalReason = RefusalReason.DAMAGED) -> Iterator[None]:
    """Turn whatever a codec raises into a refusal: on hostile bytes the codecs raise nearly any exception class."""
    try:
        yield
    except PictureRefused:
        raise
    except (MemoryError, ImportError):
        # Ours to bear, not the file's fault.
        raise
    except Exception as error:
        raise PictureRefused(reason) from error
