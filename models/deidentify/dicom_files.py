"""A DICOM file without what tells who the patient is: the data set, the file's own header, and the comments inside its pictures."""

import io
from collections.abc import Collection
from dataclasses import dataclass

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames

from models.deidentify.dicom import Done, deidentify
from models.deidentify.secret import Secret
from models.deidentify.table import DEFAULT, Option
from models.pictures import jpeg
from models.pictures.dicom import JPEG, JPEG_LOSSLESS
from models.pictures.errors import PictureRefused, RefusalReason, refusing

DEFLATED = "1.2.840.10008.1.2.1.99"
J2K, J2K_COMMENT, J2K_TILE = b"\xff\x4f", 0x64, 0x90
JLS, JLS_SCAN = b"\xff\xd8", 0xDA


@dataclass(frozen=True, slots=True)
class DicomFile:
    """The new file, its SOP Instance UID, and what was done."""

    data: bytes
    uid: str
    done: Done


def deidentify_file(data: bytes, *, secret: Secret, options: Collection[Option] = DEFAULT) -> DicomFile:
    """A file in DICOM's format → the same object without identity; its compressed pixels stay bit by bit.

    The preamble (128 bytes that may hold anything) is emptied. Raises PictureRefused for what cannot be read or holds no picture.
    """
    with refusing():
        dataset = pydicom.dcmread(io.BytesIO(data))
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        if syntax == DEFLATED or not syntax:
            raise PictureRefused(RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX, f"Transfer syntax {syntax or 'missing'}.")
        if "PixelData" not in dataset or not dataset.PixelData:
            raise PictureRefused(RefusalReason.NO_PIXEL_DATA)
        done = deidentify(dataset, secret=secret, options=options)
        dataset.file_meta = _meta(dataset, syntax)
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            _clean_frames(dataset, syntax)
        dataset.preamble = b"\0" * 128
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=True)
        return DicomFile(written.getvalue(), str(dataset.SOPInstanceUID), done)


def _meta(dataset: Dataset, syntax: str) -> FileMetaDataset:
    """Only what the format needs: no application entity, no private information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    return meta


def _clean_frames(dataset: Dataset, syntax: str) -> None:
    """Cameras write EXIF into the picture itself, and DICOM takes it along."""
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)))
    cleaned = [without_comments(frame, syntax) for frame in frames]
    if cleaned != frames:
        dataset.PixelData = encapsulate(cleaned)
        dataset["PixelData"].is_undefined_length = True
        for offsets in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if offsets in dataset:
                del dataset[offsets]


def without_comments(frame: bytes, syntax: str) -> bytes:
    """A compressed frame without EXIF and comments; the entropy-coded bytes stay. Other syntaxes than JPEG's have none."""
    if syntax in JPEG | JPEG_LOSSLESS:
        return jpeg.without_metadata(frame, jpeg.read_header(frame))
    if frame.startswith(J2K):
        return _without(frame, J2K, ends=J2K_TILE, dropped=frozenset({J2K_COMMENT}))
    if frame.startswith(JLS):
        return _without(frame, JLS, ends=JLS_SCAN, dropped=frozenset({0xFE, *range(0xE0, 0xF0)}) - {0xE8})
    return frame


def _without(frame: bytes, start: bytes, *, ends: int, dropped: frozenset[int]) -> bytes:
    """The frame without the dropped segments of its main header. Raises PictureRefused where the header is damaged."""
    kept, position = [start], len(start)
    while position + 4 <= len(frame):
        marker, end = frame[position + 1], position + 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
        if frame[position] != 0xFF or end <= position + 3:
            break
        if marker == ends:
            return b"".join((*kept, frame[position:]))
        if marker not in dropped:
            kept.append(frame[position:end])
        position = end
    raise PictureRefused(RefusalReason.DAMAGED, "The header of the compressed picture cannot be read.")
