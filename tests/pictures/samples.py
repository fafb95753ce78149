"""Pictures and files that the tests build themselves."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.7"

Rgb = NDArray[np.uint8]


def gradient(width: int = 96, height: int = 64) -> Rgb:
    """Smooth and asymmetric: each corner has a colour of its own, so that a turned picture is recognised."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([230 - 150 * x, 60 + 150 * y, 40 + 100 * x * y], axis=2).astype(np.uint8)


def saved(rgb: Rgb, kind: str, *, mode: str = "RGB", **options: Any) -> bytes:
    """The picture in a format of Pillow's."""
    out = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(out, kind, **options)
    return out.getvalue()


def jpeg(rgb: Rgb | None = None, **options: Any) -> bytes:
    """JPEG, quality 92."""
    return saved(gradient() if rgb is None else rgb, "JPEG", **({"quality": 92} | options))


def exif(orientation: int = 1, *, gps: bool = True) -> Image.Exif:
    """EXIF with an orientation, a camera and a place."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "SECRETCAMERA"
    if gps:
        block.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return block


def chunk(name: bytes, body: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(side: int = 30_000) -> bytes:
    """A valid PNG of side×side white pixels in little more than its compressed rows."""
    rows = zlib.compressobj(9)
    row = b"\x00" + b"\xff" * ((side + 7) // 8)
    body = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def dataset(rgb: Rgb, *, sop_class: str = DERMOSCOPIC, syntax: str = ExplicitVRLittleEndian, **changes: Any) -> Dataset:
    """An uncompressed RGB object; ``changes`` replace attributes."""
    built = Dataset()
    built.file_meta = FileMetaDataset()
    built.file_meta.TransferSyntaxUID = UID(syntax)
    built.file_meta.MediaStorageSOPClassUID = built.SOPClassUID = UID(sop_class)
    built.file_meta.MediaStorageSOPInstanceUID = built.SOPInstanceUID = generate_uid()
    built.PatientName = "SECRET^NAME"
    built.Rows, built.Columns = rgb.shape[:2]
    built.SamplesPerPixel = 3 if rgb.ndim == 3 else 1
    built.PhotometricInterpretation = "RGB" if rgb.ndim == 3 else "MONOCHROME2"
    built.PlanarConfiguration = 0
    built.BitsAllocated = built.BitsStored = 8
    built.HighBit, built.PixelRepresentation = 7, 0
    built.PixelData = rgb.tobytes()
    for name, value in changes.items():
        setattr(built, name, value)
    return built


def dicom_bytes(built: Dataset) -> bytes:
    """The file of an object."""
    out = io.BytesIO()
    built.save_as(out, enforce_file_format=True)
    return out.getvalue()


def dicom(rgb: Rgb | None = None, **changes: Any) -> bytes:
    """A DICOM file."""
    return dicom_bytes(dataset(gradient() if rgb is None else rgb, **changes))


def encapsulated(stream: bytes, *, width: int, height: int, syntax: str = JPEGBaseline8Bit, **changes: Any) -> bytes:
    """A DICOM file around a compressed stream."""
    blank = np.zeros((height, width, 3), np.uint8)
    told = {"PhotometricInterpretation": "YBR_FULL_422", "PixelData": encapsulate([stream])} | changes
    built = dataset(blank, syntax=syntax, **told)
    built["PixelData"].VR = "OB"
    built["PixelData"].is_undefined_length = True
    return dicom_bytes(built)
