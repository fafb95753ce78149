"""A picture that did not come as DICOM, as a DICOM photograph: what segmentation and measurements refer to.

Dermoscopic Photography (PS3.3 A.32.11) for dermoscopic pictures, VL Photographic (A.32.4) for others. A baseline JPEG goes in as the
camera wrote it, stream and all: no pixel is touched. Everything else is stored without loss (JPEG-LS), upright and in sRGB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless

from services.exchange.codes import Coded, side_code, site_code
from services.exchange.dicom_files import (
    Made,
    concept,
    date_instance,
    equip,
    finish,
    local,
    long_string,
    moment,
    new_study,
    schemes,
    tell_side,
    time_of,
    uid_of,
)
from services.records.states import Modality, VisitSource
from services.records.views import CaseView, ImageView

DERMOSCOPIC_PHOTOGRAPHY_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.7"
VL_PHOTOGRAPHIC_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.4"
SERIES_NUMBER = 1


@dataclass(frozen=True, slots=True)
class JpegStream:
    """A whole baseline JPEG (ITU-T T.81 process 1, 8 bit) without EXIF that needs no turning: ``width``×``height`` px.

    ``colour_model``: MONOCHROME2, or how the three components are to be read: RGB, or YBR_FULL_422, which is DICOM's name for YCbCr in
    lossy JPEG whatever the chroma's sampling (PS3.3 C.8.12.1.1.1, PS3.5 8.2.1). ``icc``: the colour profile, empty where there is none.
    """

    data: bytes
    width: int
    height: int
    colour_model: str
    icc: bytes = b""


@dataclass(frozen=True, slots=True)
class Pixels:
    """An upright H×W×3 uint8 sRGB picture. ``lossy``: its file had lost something (JPEG, HEIC); None: nobody knows (PNG, TIFF, WebP)."""

    rgb: NDArray[np.uint8]
    lossy: bool | None = None


def photograph(*, case: CaseView, image: ImageView, picture: JpegStream | Pixels, anonymous: bool) -> Made:
    """The DICOM photograph of one picture of a case, in the case's own study.

    Args:
        anonymous: somebody or something has looked whether the picture shows who it is, and it does not.

    Raises:
        ValueError: the picture has another size than the image.
    """
    dataset = new_study(case)
    _identify(dataset, case, image)
    _describe(dataset, case, image)
    if image.modality is Modality.DERMOSCOPIC:
        _dermoscopic(dataset, case)
    dataset.RecognizableVisualFeatures = "NO" if anonymous else "YES"
    if anonymous:
        dataset.BurnedInAnnotation = "NO"
    if isinstance(picture, JpegStream):
        _check_size(image, picture.width, picture.height)
        return finish(_with_stream(dataset, picture), JPEGBaseline8Bit)
    _check_size(image, picture.rgb.shape[1], picture.rgb.shape[0])
    return finish(_with_pixels(dataset, picture), JPEGLSLossless)


def _check_size(image: ImageView, width: int, height: int) -> None:
    if (width, height) != (image.width, image.height):
        raise ValueError(f"The stored picture has {width}×{height} px, the record says {image.width}×{image.height}.")


def _identify(dataset: Dataset, case: CaseView, image: ImageView) -> None:
    dermoscopic = image.modality is Modality.DERMOSCOPIC
    dataset.SOPClassUID = DERMOSCOPIC_PHOTOGRAPHY_STORAGE if dermoscopic else VL_PHOTOGRAPHIC_STORAGE
    dataset.SOPInstanceUID = uid_of(image.id, "photograph")
    # One series holds one modality (PS3.3 C.7.3.1).
    dataset.Modality = "DMS" if dermoscopic else "XC"
    dataset.SeriesInstanceUID = uid_of(case.id, "photographs", dataset.Modality)
    dataset.SeriesNumber = SERIES_NUMBER
    dataset.SeriesDescription = "Dermoscopic photographs" if dermoscopic else "Photographs"
    dataset.InstanceNumber = image.position + 1
    equip(dataset)


def _describe(dataset: Dataset, case: CaseView, image: ImageView) -> None:
    date_instance(dataset, case.received_at)
    dataset.PatientOrientation = ""
    dataset.AcquisitionContextSequence = []
    if case.visit_source is not VisitSource.RECEIPT:
        at = local(dataset, case.visited_at)
        dataset.AcquisitionDateTime = moment(dataset, case.visited_at)
        dataset.AcquisitionDate, dataset.AcquisitionTime = at.date(), time_of(at)
    used: list[Coded] = []
    if site := site_code(case.body_site):
        item, side = concept(site), side_code(case.laterality)
        if side:
            item.AnatomicRegionModifierSequence = [concept(side)]
            used.append(side)
        dataset.AnatomicRegionSequence = [item]
        used.append(site)
    tell_side(dataset, case.laterality)
    if spacing := image.ruler_mm_per_px or image.pixel_spacing_mm:
        dataset.PixelSpacing = [f"{spacing:.10g}"] * 2
    schemes(dataset, used)


def _dermoscopic(dataset: Dataset, case: CaseView) -> None:
    """Dermoscopic Image Module (PS3.3 C.8.12.13): how it was lit and touched, no portal says.

    The frame of reference is there because checkers after Supplement 221 ask for one; it relates this picture to nothing else.
    """
    dataset.FrameOfReferenceUID = uid_of(dataset.SOPInstanceUID, "frame")
    dataset.PositionReferenceIndicator = ""
    for keyword in ("LightSourcePolarization", "EmitterColorTemperature", "ContactMethod", "OpticalMagnificationFactor"):
        setattr(dataset, keyword, None)
    dataset.TrackingID = long_string(str(case.lesion_id))
    dataset.TrackingUID = case.tracking_uid


def _with_stream(dataset: Dataset, picture: JpegStream) -> Dataset:
    samples = 1 if picture.colour_model == "MONOCHROME2" else 3
    _image_pixel(dataset, rows=picture.height, columns=picture.width, samples=samples, colour_model=picture.colour_model)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.LossyImageCompressionRatio = f"{samples * picture.width * picture.height / len(picture.data):.2f}"
    if picture.icc:
        dataset.ICCProfile = picture.icc
    dataset.PixelData = encapsulate([picture.data])
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _with_pixels(dataset: Dataset, picture: Pixels) -> Dataset:
    height, width = picture.rgb.shape[:2]
    _image_pixel(dataset, rows=height, columns=width, samples=3, colour_model="RGB")
    # Turned upright, or its colours brought to sRGB: not the samples that the camera wrote.
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.DerivationDescription = "Upright and in sRGB, stored without loss"
    dataset.LossyImageCompression = "01" if picture.lossy else ""
    dataset.compress(JPEGLSLossless, picture.rgb, generate_instance_uid=False)
    return dataset


def _image_pixel(dataset: Dataset, *, rows: int, columns: int, samples: int, colour_model: str) -> None:
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = samples, colour_model
    if samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
