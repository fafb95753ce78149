"""The pictures of a case as DICOM results need them: the stream or the pixels to encapsulate, and outlines in the picture's own pixels."""

import cv2
import numpy as np

from models.pictures import jpeg
from models.pictures.decode import decode
from models.pictures.info import MediaType
from models.pictures.masks import decode_png, enlarge
from models.pictures.types import Gray, Rgb
from services.exchange.dicom_photograph import JpegStream, Pixels
from services.records.views import ImageView

BASELINE = 0xC0
LOSSY = frozenset({MediaType.JPEG, MediaType.HEIC})
RGB_NAMES = (0x52, 0x47, 0x42)
# Long side of the picture on which the outline is drawn for viewers.
CAPTURE_SIDE = 1024


def picture_of(data: bytes, *, max_pixels: int) -> JpegStream | Pixels:
    """A picture file → its own JPEG stream without metadata where DICOM can hold it as it is, else its upright pixels.

    Raises PictureRefused.
    """
    if data.startswith(b"\xff\xd8"):
        header = jpeg.read_header(data)
        if model := encapsulable(header):
            profile = header.icc if model != "MONOCHROME2" else b""
            return JpegStream(jpeg.without_metadata(data, header), header.width, header.height, model, profile)
    picture = decode(data, max_pixels=max_pixels)
    return Pixels(picture.rgb, lossy=True if picture.media_type in LOSSY else None)


def encapsulable(header: jpeg.JpegHeader) -> str | None:
    """DICOM's photometric interpretation of a JPEG that can be encapsulated unchanged; None where it cannot.

    It cannot where a reader would see something else than we do: DICOM knows no EXIF orientation, its baseline transfer syntax no
    progressive scans and no four components; and markers that contradict each other are read differently by different libraries.
    """
    if header.frame_marker != BASELINE or header.bits != 8 or header.orientation != 1:
        return None
    if len(header.component_ids) == 1:
        return "MONOCHROME2"
    if len(header.component_ids) != 3:
        return None
    named_rgb, adobe = header.component_ids == RGB_NAMES, header.adobe_transform
    if header.jfif:
        return "YBR_FULL_422" if adobe in (None, 1) and not named_rgb else None
    if adobe is None:
        return "RGB" if named_rgb and not header.subsampled else None if named_rgb else "YBR_FULL_422"
    return {0: "RGB", 1: "YBR_FULL_422"}.get(adobe)


def mask_of(data: bytes, image: ImageView) -> Gray:
    """A stored outline → height×width of the upright picture, 0 or 255: what pages and portals get, too. ValueError where it is none."""
    return enlarge(decode_png(data), image.width, image.height)


def drawing_of(data: bytes, mask: Gray, *, max_pixels: int) -> tuple[Rgb, Gray]:
    """Picture and outline at ``CAPTURE_SIDE`` px at most. Raises PictureRefused."""
    rgb = decode(data, min_side=CAPTURE_SIDE, max_pixels=max_pixels).rgb
    scale = min(1.0, CAPTURE_SIDE / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), enlarge(mask, *size)
