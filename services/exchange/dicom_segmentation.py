"""The outline of a lesion as a DICOM Segmentation (PS3.3 A.51): one binary segment, pixel by pixel the picture's.

highdicom costs 90 MB: only the process that makes results imports this module.
"""

from datetime import datetime
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from services.exchange.codes import ABNORMAL_STRUCTURE, ARTIFICIAL_INTELLIGENCE, LESION, SKIN, Coded, side_code, site_code
from services.exchange.dicom_files import (
    MANUFACTURER,
    MODEL,
    Made,
    concept,
    finish,
    highdicoms_words,
    long_string,
    nameless,
    person_name,
    settle,
    software_version,
    uid_of,
)
from services.exchange.result import CaseResult
from services.records.states import ModelKind
from services.records.views import ImageView

SERIES_NUMBER = 901
# Drawn in this colour where a viewer asks (CIELAB): a light blue that skin does not have.
COLOUR = hd.color.CIELabColor(72.0, -20.0, -35.0)


def segmentation(*, result: CaseResult, image: ImageView, source: Dataset, mask: NDArray[np.uint8]) -> Made | None:
    """The segmentation of one picture's lesion; None where nothing is outlined.

    Args:
        source: of the instance that holds the picture (see ``dicom_files.referred``), Rows×Columns px.
        mask: Rows×Columns, 0 outside and 255 inside, in the frame of the instance's pixels.

    Raises:
        ValueError: mask and instance differ in size.
    """
    if mask.shape != (source.Rows, source.Columns):
        raise ValueError(f"The outline has {mask.shape[1]}×{mask.shape[0]} px, the instance {source.Columns}×{source.Rows}.")
    if not mask.any():
        return None
    decision = result.decision
    dataset = hd.seg.Segmentation(
        source_images=[nameless(source)],
        pixel_array=mask > 0,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(result, image)],
        series_instance_uid=uid_of(decision.id, "segmentations", source.StudyInstanceUID),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid_of(decision.id, "segmentation", image.id),
        instance_number=image.position + 1,
        content_label="LESION",
        content_description=f"Outline of the lesion, decision {result.version}",
        content_creator_name=person_name(image.outline.author) if image.outline else None,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Lesion outlines",
        **highdicoms_words(),
    )
    settle(dataset, source, at=_outlined_at(result, image))
    dataset.PatientOrientation = ""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid_of(dataset.SOPInstanceUID, "dimensions")
    return finish(dataset, ExplicitVRLittleEndian)


def _outlined_at(result: CaseResult, image: ImageView) -> datetime:
    outlined = image.outline or image.analysis
    return outlined.created_at if outlined else result.decision.created_at


def _segment(result: CaseResult, image: ImageView) -> Any:
    manual = image.outline is not None
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lesion",
        segmented_property_category=code(ABNORMAL_STRUCTURE),
        segmented_property_type=code(LESION),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL if manual else hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=None if manual else _algorithm(result, image),
        tracking_uid=result.case.tracking_uid,
        tracking_id=long_string(str(result.case.lesion_id)),
        anatomic_regions=[code(site_code(result.case.body_site) or SKIN)],
        display_color=COLOUR,
    )
    if side := side_code(result.case.laterality):
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [concept(side)]
    return description


def _algorithm(result: CaseResult, image: ImageView) -> Any:
    name, version = model_of(result, image, ModelKind.SEGMENTER)
    return hd.AlgorithmIdentificationSequence(name=name, family=code(ARTIFICIAL_INTELLIGENCE), version=version, source=MANUFACTURER)


def model_of(result: CaseResult, image: ImageView, kind: ModelKind) -> tuple[str, str]:
    """Name and version of the model that answered about a picture; the pipeline's where nobody registered the model."""
    pipeline = image.analysis.pipeline_version if image.analysis else ""
    parts = {part for part in pipeline.split("-")[1:] if part}
    for model in result.models:
        if model.kind is kind and any(model.digest.startswith(part) for part in parts):
            return long_string(model.name), long_string(f"{model.version} ({model.digest[:8]})")
    return f"{MODEL} {kind.value}", long_string(pipeline) or software_version()


def code(coded: Coded) -> Code:
    """A concept as highdicom takes it."""
    return Code(coded.code, coded.scheme.value, coded.meaning)
