"""The outline drawn onto the picture, as a Secondary Capture (PS3.3 A.8): for viewers that show no segmentations."""

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import JPEGLSLossless

from services.exchange.dicom_files import Made, date_instance, equip, finish, settle, tell_side, uid_of
from services.exchange.result import CaseResult
from services.records.views import ImageView

SECONDARY_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"
SERIES_NUMBER = 903
# Light blue, which skin is not, on a dark rim, so that it shows on any ground.
LINE, RIM = (90, 200, 255), (10, 30, 60)
# Width of the line as a share of the picture's long side.
SHARE = 300


def capture(*, result: CaseResult, image: ImageView, source: Dataset, rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Made:
    """The capture of one picture.

    Args:
        source: of the instance that holds the picture (see ``dicom_files.referred``).
        rgb: H×W×3 uint8 sRGB, upright, of any size.
        mask: H×W, 0 outside and 255 inside.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = source.SpecificCharacterSet
    dataset.SOPClassUID = SECONDARY_CAPTURE_STORAGE
    dataset.SOPInstanceUID = uid_of(result.decision.id, "capture", image.id)
    dataset.SeriesInstanceUID = uid_of(result.decision.id, "captures", source.StudyInstanceUID)
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBER, image.position + 1
    dataset.SeriesDescription = "Pictures with outlines"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = ""
    tell_side(dataset, result.case.laterality)
    equip(dataset)
    settle(dataset, source, at=result.decision.created_at)
    date_instance(dataset, result.decision.created_at)
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    dataset.SourceImageSequence = [reference]
    dataset.LossyImageCompression = "01"
    dataset.BurnedInAnnotation = "NO"
    dataset.Rows, dataset.Columns = rgb.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.compress(JPEGLSLossless, outlined(rgb, mask), generate_instance_uid=False)
    return finish(dataset, JPEGLSLossless)


def outlined(rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of H×W×3 uint8 with the edge of an H×W mask drawn on it."""
    width = max(1, max(mask.shape) // SHARE)
    inside = mask > 0
    drawn = rgb.copy()
    drawn[_grown(inside, 2 * width) & ~_shrunk(inside, 2 * width)] = RIM
    drawn[_grown(inside, width) & ~_shrunk(inside, width)] = LINE
    return drawn


def _grown(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Everything within ``width`` px along rows or columns, one after the other."""
    grown = inside
    for axis in (0, 1):
        spread = grown.copy()
        for step in range(1, width + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            spread[tuple(ahead)] |= grown[tuple(behind)]
            spread[tuple(behind)] |= grown[tuple(ahead)]
        grown = spread
    return grown


def _shrunk(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    return ~_grown(~inside, width)
