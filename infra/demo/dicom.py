"""A DICOM file around a picture, as a dermoscope's software sends it: Dermoscopic Photography, JPEG-compressed YBR."""

import io
from datetime import UTC, datetime

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit, generate_uid

DERMOSCOPIC_PHOTOGRAPHY = UID("1.2.840.10008.5.1.4.1.1.77.1.7")


def dermoscopic_dicom(*, rgb: NDArray[np.uint8], pixel_spacing_mm: float, patient_id: str, body_site: str) -> bytes:
    """H×W×3 uint8 RGB → DICOM Part 10 bytes. ``patient_id`` is a pseudonym; every UID follows from it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DERMOSCOPIC_PHOTOGRAPHY
    meta.MediaStorageSOPInstanceUID = _uid(patient_id, "instance")
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _identify(dataset, patient_id=patient_id, body_site=body_site)
    _add_pixels(dataset, rgb=rgb, pixel_spacing_mm=pixel_spacing_mm)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _identify(dataset: Dataset, *, patient_id: str, body_site: str) -> None:
    dataset.SOPClassUID = DERMOSCOPIC_PHOTOGRAPHY
    dataset.SOPInstanceUID = _uid(patient_id, "instance")
    dataset.StudyInstanceUID = _uid(patient_id, "study")
    dataset.SeriesInstanceUID = _uid(patient_id, "series")
    dataset.Modality = "DMS"
    dataset.PatientID = patient_id
    dataset.PatientName = ""
    dataset.BodyPartExamined = body_site.upper()
    moment = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    dataset.StudyDate = dataset.ContentDate = moment.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = moment.strftime("%H%M%S")
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Manufacturer = "Dermatrail demonstration"


def _add_pixels(dataset: Dataset, *, rgb: NDArray[np.uint8], pixel_spacing_mm: float) -> None:
    # OpenCV writes 4:2:0; DICOM names chroma that is halved in any direction YBR_FULL_422, and readers go by the JPEG's own header.
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = rgb.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelSpacing = [f"{pixel_spacing_mm:.6g}"] * 2
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.PixelData = encapsulate([jpeg.tobytes()])
    dataset["PixelData"].VR = "OB"


def _uid(patient_id: str, level: str) -> UID:
    return generate_uid(entropy_srcs=["dermatrail demonstration", patient_id, level])
