"""DICOM files out: their header as DICOM JSON, and their frames as they are stored.

pydicom is loaded with the first file that is read: it costs 0.4 s and 40 MB, and most portals never ask.
"""

import io
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.pictures.dicom_facts import keep_silent

if TYPE_CHECKING:
    from pydicom import Dataset

OCTETS = "application/octet-stream"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Everything but pixels is sent within the JSON: colour profiles and palettes are a few kilobytes.
INLINE = 10**9
_STREAMS = {
    "image/jpeg": ("4.50", "4.51", "4.57", "4.70"),
    "image/jls": ("4.80", "4.81"),
    "image/jp2": ("4.90", "4.91"),
    "image/jpx": ("4.92", "4.93"),
    "image/jphc": ("4.201", "4.202", "4.203"),
    "image/dicom-rle": ("5",),
}
# PS3.18 table 8.7.3-5: the media type of a frame by the transfer syntax; of every other one the samples are sent.
MEDIA_TYPES = {f"1.2.840.10008.1.2.{end}": media_type for media_type, ends in _STREAMS.items() for end in ends}


class NoSuchFrame(Exception):
    """The instance has no frame of this number, or none that can be sent by itself. The message says which."""


def frame_type(transfer_syntax_uid: str) -> str:
    """In which form the frames of such a file are."""
    return MEDIA_TYPES.get(transfer_syntax_uid, OCTETS)


def header_json(data: bytes, *, bulk_url: str) -> dict[str, Any]:
    """The data set in the DICOM JSON model; pixel data by address (``bulk_url`` and the tag)."""
    dataset = _opened(data)
    pixels = {f"{dataset[name].tag:08X}": dataset[name].VR for name in PIXELS if name in dataset}
    for name in PIXELS:
        if name in dataset:
            del dataset[name]
    found: dict[str, Any] = dataset.to_json_dict(bulk_data_threshold=INLINE, suppress_invalid_tags=True)
    pointers = {tag: {"vr": vr, "BulkDataURI": f"{bulk_url}/{tag}"} for tag, vr in pixels.items()}
    return dict(sorted((_finite(found) | {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}} | pointers).items()))


def _finite(value: Any) -> Any:
    """Numbers that JSON does not know as the text that PS3.18 F.2.3.1 gives them."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}inf"
    return value


def frames(data: bytes, numbers: Sequence[int]) -> list[bytes]:
    """Frames by their numbers, which begin with 1: compressed ones as their stream, others as little-endian samples.

    Raises:
        NoSuchFrame: there is no such frame.
    """
    dataset = _opened(data)
    if "PixelData" not in dataset:
        raise NoSuchFrame("The instance holds no pixel data.")
    count = int(dataset.get("NumberOfFrames") or 1)
    for number in numbers:
        if not 1 <= number <= count:
            raise NoSuchFrame(f"The instance has the frames 1 to {count}.")
    return [_frame(dataset, number - 1, count) for number in numbers]


def _opened(data: bytes) -> "Dataset":
    import pydicom

    keep_silent()
    return pydicom.dcmread(io.BytesIO(data))


def _frame(dataset: "Dataset", index: int, count: int) -> bytes:
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        from pydicom.encaps import get_frame

        return bytes(get_frame(dataset.PixelData, index, number_of_frames=count))
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1) * int(dataset.BitsAllocated)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    if bits % 8 and count > 1:
        raise NoSuchFrame("The frames share bytes: retrieve the whole instance.")
    size = (bits + 7) // 8
    found = bytes(dataset.PixelData[index * size : (index + 1) * size])
    return _swapped(found) if dataset.file_meta.TransferSyntaxUID == BIG_ENDIAN and dataset.BitsAllocated == 16 else found


def _swapped(samples: bytes) -> bytes:
    words = array("H", samples)
    words.byteswap()
    return words.tobytes()
