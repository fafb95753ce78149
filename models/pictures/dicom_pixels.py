"""DICOM pixels → 8-bit RGB, colours right.

The classic fault: the header says RGB while the compressed stream holds YCbCr, or the other way round. For JPEG the stream
itself is asked first (Adobe marker, JFIF marker, component names, subsampling); the header decides only where it is silent.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.pictures import colour, jpeg
from models.pictures.dicom import JPEG, JPEG_LOSSLESS, DicomHeader
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.types import Gray, Rgb

if TYPE_CHECKING:
    from pydicom import Dataset

_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
_ADOBE_YCC = _ADOBE_RGB[:-1] + b"\x01"
_RGB_NAMES = (0x52, 0x47, 0x42)


def decode_pixels(dataset: "Dataset", header: DicomHeader, *, min_side: int | None) -> Rgb:
    """The one frame as H×W×3 uint8 sRGB; JPEG frames at the reduced scale that ``min_side`` allows."""
    syntax = header.transfer_syntax
    if syntax in JPEG | JPEG_LOSSLESS and header.colour_model != "PALETTE COLOR":
        rgb = _jpeg_frame(dataset, header, min_side=min_side)
    else:
        rgb = _other_frame(dataset, header)
    return colour.to_srgb(rgb, _profile(dataset))


def _jpeg_frame(dataset: "Dataset", header: DicomHeader, *, min_side: int | None) -> Rgb:
    from pydicom.encaps import get_frame

    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    if not stream.startswith(b"\xff\xd8"):
        raise PictureRefused(RefusalReason.DAMAGED, "The pixel data are not a JPEG stream.")
    marks = jpeg.read_header(stream)
    if (marks.width, marks.height) != (header.columns, header.rows):
        raise PictureRefused(RefusalReason.DAMAGED, "Rows and Columns differ from the compressed picture.")
    factor = jpeg.scale_for(marks.width, marks.height, min_side) if header.transfer_syntax in JPEG else 1
    if len(marks.component_ids) == 3:
        stream = _with_colour_told(stream, marks, is_rgb=_stream_is_rgb(marks, header.colour_model))
    rgb = jpeg.decode_pixels(stream, marks, factor=factor)
    return 255 - rgb if header.colour_model == "MONOCHROME1" else rgb


def _stream_is_rgb(marks: jpeg.JpegHeader, colour_model: str) -> bool:
    if marks.adobe_transform is not None:
        return marks.adobe_transform == 0
    if marks.component_ids == _RGB_NAMES or marks.frame_marker == 0xC3:
        # Lossless JPEG has no colour transform of its own in practice: the samples are what the header says.
        return colour_model == "RGB"
    if marks.jfif or marks.subsampled:
        return False
    return colour_model == "RGB"


def _with_colour_told(stream: bytes, marks: jpeg.JpegHeader, *, is_rgb: bool) -> bytes:
    """The same stream with JFIF/Adobe markers that make libjpeg read the colours as decided."""
    told = {0xE0, 0xEE}
    kept = b"".join(stream[s.start : s.end] for s in marks.header_segments[:-1] if s.marker not in told)
    return b"".join((b"\xff\xd8", _ADOBE_RGB if is_rgb else _ADOBE_YCC, kept, stream[marks.header_segments[-1].start :]))


def _other_frame(dataset: "Dataset", header: DicomHeader) -> Rgb:
    from pydicom.pixels.decoders.base import get_decoder

    # raw=False: pydicom turns YBR_FULL and YBR_FULL_422 into RGB, and the JPEG 2000 plug-in undoes ICT and RCT.
    pixels, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, index=0, raw=False)
    if header.colour_model == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        return _to_8_bits(apply_color_lut(pixels, dataset), bits=_palette_bits(dataset))
    if pixels.ndim == 3:
        return _to_8_bits(pixels, bits=header.bits_stored)
    return np.repeat(_grey(pixels, dataset, header)[..., None], 3, axis=2)


def _palette_bits(dataset: "Dataset") -> int:
    return int(dataset.RedPaletteColorLookupTableDescriptor[2])


def _to_8_bits(pixels: NDArray[Any], *, bits: int) -> Rgb:
    if pixels.min(initial=0) < 0:
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, "Negative colour samples.")
    shifted = pixels >> (bits - 8) if bits > 8 else pixels
    return np.ascontiguousarray(shifted.clip(0, 255).astype(np.uint8))


def _grey(pixels: NDArray[Any], dataset: "Dataset", header: DicomHeader) -> Gray:
    """Grey values as a viewer shows them: the stored window where there is one, else the full range of the stored bits."""
    if "WindowCenter" in dataset and "WindowWidth" in dataset:
        from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

        shown = _stretched(apply_voi_lut(apply_modality_lut(pixels, dataset), dataset, index=0).astype(np.float32))
    elif header.bits_stored > 8 or pixels.dtype.kind == "i":
        low = -(1 << (header.bits_stored - 1)) if pixels.dtype.kind == "i" else 0
        shown = ((pixels.astype(np.float32) - low) * (255 / ((1 << header.bits_stored) - 1))).clip(0, 255)
    else:
        shown = pixels
    grey = shown.astype(np.uint8)
    return 255 - grey if header.colour_model == "MONOCHROME1" else grey


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(values.min()), float(values.max())
    return (values - low) * np.float32(255 / (high - low)) if high > low else np.zeros_like(values)


def _profile(dataset: "Dataset") -> bytes:
    return bytes(dataset.get("ICCProfile") or b"")
