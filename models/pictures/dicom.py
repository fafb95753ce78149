"""DICOM: which objects are accepted, checked on the header before any pixel is decoded.

pydicom is loaded only when a DICOM file arrives: it costs 0.4 s and 40 MB, and most portals never send one.
"""

import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from models.pictures.dicom_facts import DicomFacts, keep_silent, read_facts
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.info import Modality

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

# DICOM PS3.4 B.5: the objects that hold one photograph.
SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.77.1.4": Modality.CLINICAL,  # VL Photographic Image Storage
    "1.2.840.10008.5.1.4.1.1.77.1.7": Modality.DERMOSCOPIC,  # Dermoscopic Photography Storage
    "1.2.840.10008.5.1.4.1.1.7": Modality.UNKNOWN,  # Secondary Capture Image Storage
}
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
JPEG = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_JPEG_LS = {"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}
_RLE = {"1.2.840.10008.1.2.5"}
# Deflated Explicit VR (1.2.840.10008.1.2.1.99) is left out: its data set inflates without a bound.
TRANSFER_SYNTAXES = NATIVE | JPEG | JPEG_LOSSLESS | _JPEG_LS | _JPEG_2000 | _RLE
COLOUR_MODELS = frozenset({
    "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR", "MONOCHROME1", "MONOCHROME2",
})  # fmt: skip


EARLIEST_YEAR = 1900


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomHeader:
    """An acceptable object: ``columns``×``rows`` px, one frame."""

    columns: int
    rows: int
    bits_allocated: int
    bits_stored: int
    samples: int
    transfer_syntax: str
    colour_model: str
    modality: Modality
    pixel_spacing_mm: float | None
    acquired_at: datetime | None
    facts: DicomFacts


def read(data: bytes) -> tuple["Dataset", DicomHeader]:
    """Parse and check. Raises PictureRefused with the reason that a portal can act on."""
    import pydicom

    keep_silent()
    syntax = _transfer_syntax(data)
    dataset = pydicom.dcmread(io.BytesIO(data))
    if "PixelData" not in dataset or not dataset.PixelData:
        raise PictureRefused(RefusalReason.NO_PIXEL_DATA)
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise PictureRefused(RefusalReason.MULTI_FRAME, f"This DICOM object holds {dataset.NumberOfFrames} frames.")
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class not in SOP_CLASSES:
        raise PictureRefused(RefusalReason.UNSUPPORTED_SOP_CLASS, f"SOP class {_printable(sop_class)}.")
    return dataset, _header(dataset, syntax, SOP_CLASSES[sop_class])


def _transfer_syntax(data: bytes) -> str:
    """Read the file meta group alone, so that a deflated data set is refused before it is inflated."""
    from pydicom.filereader import read_dataset

    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_after_file_meta)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax not in TRANSFER_SYNTAXES:
        raise PictureRefused(RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX, f"Transfer syntax {_printable(syntax)}.")
    return syntax


def _after_file_meta(tag: "BaseTag", vr: str | None, length: int) -> bool:  # noqa: ARG001
    return tag.group > 0x0002


def _header(dataset: "Dataset", syntax: str, modality: Modality) -> DicomHeader:
    header = DicomHeader(
        columns=int(dataset.Columns),
        rows=int(dataset.Rows),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.get("BitsStored") or dataset.BitsAllocated),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        transfer_syntax=syntax,
        colour_model=str(dataset.get("PhotometricInterpretation", "")),
        modality=modality,
        pixel_spacing_mm=_spacing(dataset.get("PixelSpacing")),
        acquired_at=_acquired(dataset),
        facts=read_facts(dataset, transfer_syntax=syntax),
    )
    if header.colour_model not in COLOUR_MODELS:
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, f"Photometric interpretation {_printable(header.colour_model)}.")
    if header.bits_allocated not in (8, 16) or not 1 <= header.bits_stored <= header.bits_allocated:
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, f"{header.bits_allocated} bits allocated per sample.")
    if header.bits_allocated != 8 and syntax in JPEG | JPEG_LOSSLESS:
        raise PictureRefused(RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX, "JPEG with more than 8 bits per sample.")
    return header


def _spacing(value: Any) -> float | None:
    """The side of a pixel in mm; None where it is absent, not square within 1 % or not a positive number."""
    try:
        row, column = (float(side) for side in value)
    except (TypeError, ValueError):
        return None
    if not (math.isfinite(row) and math.isfinite(column) and 0 < row < 100 and abs(row - column) <= 0.01 * row):
        return None
    return (row + column) / 2


def _acquired(dataset: "Dataset") -> datetime | None:
    """When the picture was taken (PS3.3 C.7.6.1, C.12.1.1.1): in UTC where the file names no zone; None where it names no possible day."""
    from pydicom.valuerep import DA, DT, TM

    try:
        if moment := dataset.get("AcquisitionDateTime"):
            found: datetime | None = DT(str(moment))
        else:
            prefix = next(name for name in ("Acquisition", "Content") if dataset.get(f"{name}Date"))
            day, clock = DA(str(dataset[f"{prefix}Date"].value)), TM(str(dataset.get(f"{prefix}Time") or "000000"))
            found = datetime.combine(day, clock) if day and clock else None
        zone = timezone(_offset(str(dataset.get("TimezoneOffsetFromUTC") or "+0000")))
    except (StopIteration, ValueError, TypeError):
        return None
    if found is None or found.year < EARLIEST_YEAR:
        return None
    plain = datetime(found.year, found.month, found.day, found.hour, found.minute, found.second, found.microsecond, found.tzinfo or zone)
    return plain.astimezone(UTC)


def _offset(text: str) -> timedelta:
    """``&ZZXX`` (PS3.3 C.12.1.1.8)."""
    signed = datetime.strptime(text.strip(), "%z").utcoffset()
    return signed or timedelta()


def _printable(value: str) -> str:
    """A value from the file, safe to show: bounded and without control characters."""
    return "".join(c for c in value[:64] if c.isprintable()) or "missing"
