"""What was measured, what the models answered and what the dermatologist decided, as a DICOM measurement report (PS3.16 TID 1500).

Groups of the report: the dermatologist's decision; then of each picture its outline with measures (TID 1410, referring to the
segmentation), and the model's answer (TID 1501). Everything carries the lesion's tracking identifier. The document is verified: it exists
only because a dermatologist has decided. highdicom costs 90 MB: only the process that makes results imports this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from services.exchange import codes
from services.exchange.codes import Coded
from services.exchange.dicom_files import (
    MANUFACTURER,
    MODEL,
    Made,
    finish,
    highdicoms_words,
    long_string,
    moment,
    nameless,
    our_scheme,
    person_name,
    settle,
    software_version,
    uid_of,
)
from services.exchange.dicom_segmentation import code, model_of
from services.exchange.result import CaseResult
from services.records.measures import measures_of
from services.records.states import Modality, ModelKind, Outcome
from services.records.views import ImageView

SERIES_NUMBER = 902
ONE, PERCENT = Code("1", "UCUM", "no units"), Code("%", "UCUM", "Percent")
MM, MM2 = Code("mm", "UCUM", "mm"), Code("mm2", "UCUM", "square millimeter")
PX, PX2 = Code("{pixels}", "UCUM", "pixels"), Code("{pixels}2", "UCUM", "square pixels")
MONTH = Code("mo", "UCUM", "month")
DELTA_E = Code("{delta_E}", "UCUM", "CIELAB colour difference")
# An error is one standard deviation; the range that is told holds the value 19 times of 20.
DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class Pictured:
    """A picture of the case with the instance that holds it (``dicom_files.referred``) and its segmentation's header, if any."""

    image: ImageView
    source: Dataset
    segmentation: Dataset | None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure of a measure: what it is, where it stands in the measures, where its error stands in a visit's."""

    concept: Coded
    name: str
    unit: Code
    error: str | None = None


IN_PIXELS = (
    Quantity(codes.AREA, "area_px", PX2, "area_px"),
    Quantity(codes.MAJOR_AXIS, "major_diameter_px", PX, "major_px"),
    Quantity(codes.MINOR_AXIS, "minor_diameter_px", PX, "minor_px"),
)
IN_MM = (
    Quantity(codes.AREA, "area_mm2", MM2, "area_px"),
    Quantity(codes.MAJOR_AXIS, "major_diameter_mm", MM, "major_px"),
    Quantity(codes.MINOR_AXIS, "minor_diameter_mm", MM, "minor_px"),
)
OTHERS = (
    Quantity(codes.PERIMETER, "perimeter_px", PX),
    Quantity(codes.ASYMMETRY, "asymmetry", ONE, "asymmetry"),
    Quantity(codes.COLOUR_ASYMMETRY, "colour_asymmetry", DELTA_E, "colour_asymmetry"),
    Quantity(codes.BORDER_IRREGULARITY, "border_irregularity", ONE, "border_irregularity"),
    Quantity(codes.ABRUPT_SEGMENTS, "abrupt_segments", ONE),
    Quantity(codes.COLOUR_COUNT, "colour_count", ONE),
    Quantity(codes.COLOUR_VARIEGATION, "colour_variegation", DELTA_E, "colour_variegation"),
)


def measurements(*, result: CaseResult, pictures: Sequence[Pictured], predecessor: Dataset | None = None) -> Made:
    """The report about all pictures of a case, in the study of the first of them.

    Args:
        pictures: the leading one first; at least one.
        predecessor: the report that this one replaces: its study, series, SOP class and instance UIDs.
    """
    source, decision = pictures[0].source, result.decision
    segmentations = [each.segmentation for each in pictures if each.segmentation is not None]
    dataset = hd.sr.ComprehensiveSR(
        evidence=[*(nameless(each.source) for each in pictures), *segmentations],
        content=_report(result, pictures),
        series_instance_uid=uid_of(result.case.id, "measurements", source.StudyInstanceUID),
        series_number=SERIES_NUMBER,
        sop_instance_uid=measurements_uid(result, pictures),
        instance_number=result.version,
        is_complete=True,
        is_final=True,
        is_verified=True,
        verifying_observer_name=person_name(decision.reviewer),
        verifying_organization=long_string(result.case.portal),
        previous_versions=[predecessor] if predecessor is not None else None,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Measurements and decision",
        **highdicoms_words(),
    )
    settle(dataset, source, at=decision.created_at)
    dataset.CodingSchemeIdentificationSequence = [our_scheme()]
    dataset.VerifyingObserverSequence[0].VerificationDateTime = moment(dataset, decision.created_at)
    return finish(dataset, ExplicitVRLittleEndian)


def measurements_uid(result: CaseResult, pictures: Sequence[Pictured]) -> str:
    """The SOP Instance UID: of this version of the decision, about these pictures."""
    return uid_of(result.decision.id, "measurements", *sorted(str(each.image.id) for each in pictures))


def _report(result: CaseResult, pictures: Sequence[Pictured]) -> Any:
    groups = [_decided(result, pictures[0])]
    for each in pictures:
        groups += [group for group in (_outlined(result, each), _answered(result, each)) if group is not None]
    dermoscopic = pictures[0].image.modality is Modality.DERMOSCOPIC
    return hd.sr.MeasurementReport(
        observation_context=_observers(result),
        procedure_reported=code(codes.DERMOSCOPIC_PHOTOGRAPHY if dermoscopic else codes.IMAGING_PROCEDURE),
        imaging_measurements=groups,
    )


def _observers(result: CaseResult) -> Any:
    person = hd.sr.PersonObserverIdentifyingAttributes(
        name=person_name(result.decision.reviewer), organization_name=long_string(result.case.portal)
    )
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=uid_of("device", software_version()), name=MODEL, manufacturer_name=MANUFACTURER, model_name=MODEL
    )
    return hd.sr.ObservationContext(
        observer_person_context=hd.sr.ObserverContext(
            observer_type=hd.sr.CodedConcept.from_code(code(codes.PERSON)), observer_identifying_attributes=person
        ),
        observer_device_context=hd.sr.ObserverContext(
            observer_type=hd.sr.CodedConcept.from_code(code(codes.DEVICE)), observer_identifying_attributes=device
        ),
    )


def _tracked(result: CaseResult) -> dict[str, Any]:
    """What every group says: which lesion, what it is, where it is."""
    site, side = codes.site_code(result.case.body_site), codes.side_code(result.case.laterality)
    place = hd.sr.FindingSite(anatomic_location=code(site or codes.SKIN), laterality=code(side) if side else None)
    return {
        "tracking_identifier": hd.sr.TrackingIdentifier(uid=result.case.tracking_uid, identifier=long_string(str(result.case.lesion_id))),
        "finding_type": code(codes.SKIN_LESION),
        "finding_sites": [place],
    }


def _source_images(pictured: Pictured) -> list[Any]:
    source = pictured.source
    return [hd.sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)]


def _decided(result: CaseResult, lead: Pictured) -> Any:
    """The dermatologist's word."""
    decision = result.decision
    said = [(codes.READERS_DECISION, codes.DECISIONS.get(decision.decision))]
    said.append((codes.DIAGNOSIS, codes.diagnosis_code(decision.diagnosis) if decision.diagnosis else None))
    said.append((codes.MANAGEMENT, codes.MANAGEMENTS[decision.management] if decision.management else None))
    months = decision.follow_up_months
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        **_tracked(result),
        qualitative_evaluations=[evaluation(name, value) for name, value in said if value],
        measurements=[number(codes.FOLLOW_UP_INTERVAL, months, MONTH)] if months else None,
        source_images=_source_images(lead),
    )


def _outlined(result: CaseResult, pictured: Pictured) -> Any | None:
    """The measures of the outline that counts: the reader's, else the model's."""
    measures, segmentation = measures_of(pictured.image), pictured.segmentation
    if not measures or segmentation is None:
        return None
    source = pictured.source
    referenced = hd.sr.ReferencedSegmentationFrame(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        frame_number=1,
        segment_number=1,
        source_image=hd.sr.SourceImageForSegmentation(source.SOPClassUID, source.SOPInstanceUID),
    )
    # The frame names the segment: with it, its number shall not be told again (PS3.3 C.18.4).
    del referenced[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        **_tracked(result),
        referenced_segment=referenced,
        algorithm_id=_measuring(result, pictured.image),
        measurements=_figures(measures, _errors(result, pictured.image)),
        qualitative_evaluations=[evaluation(codes.LIMIT, codes.LEAVES_PICTURE)] if measures.get("touches_border") else None,
    )


def _measuring(result: CaseResult, image: ImageView) -> Any:
    if image.outline:
        name, version, basis = f"{MODEL} measures", software_version(), "The outline was drawn by a reader"
    else:
        (name, version), basis = model_of(result, image, ModelKind.SEGMENTER), "The outline was drawn by the model"
    return hd.sr.AlgorithmIdentification(name=name, version=version, parameters=[basis], manufacturer=MANUFACTURER)


def _figures(measures: Mapping[str, Any], errors: Mapping[str, float]) -> list[Any]:
    """The measures that there are; sizes in mm where the scale is known, else in pixels of the picture."""
    scaled = measures.get("area_mm2") is not None and measures.get("area_px")
    scale = (measures["area_mm2"] / measures["area_px"]) ** 0.5 if scaled else 1.0
    powers = {MM2: scale**2, MM: scale}
    found = []
    for quantity in (*(IN_MM if scaled else IN_PIXELS), *OTHERS):
        value, error = measures.get(quantity.name), errors.get(quantity.error or "")
        if value is not None:
            found.append(number(quantity.concept, value, quantity.unit, error=error and error * powers.get(quantity.unit, 1.0)))
    return found


def _errors(result: CaseResult, image: ImageView) -> dict[str, float]:
    """One standard deviation of each figure, in pixels where it is a size; where the visit was measured with this outline."""
    visit = result.trail.visits[-1] if result.trail else None
    if visit is None or visit.image is None or visit.image.id != image.id or not visit.measures:
        return {}
    if bool(visit.measures.get("drawn")) is not bool(image.outline):
        return {}
    pairs = {name: value for name, value in visit.measures.items() if isinstance(value, list) and len(value) == 2}
    return {name: float(pair[1]) for name, pair in pairs.items() if isinstance(pair[1], int | float)}


def _answered(result: CaseResult, pictured: Pictured) -> Any | None:
    """What the classifier answered: the classes that it stands for, and every class's probability."""
    analysis = pictured.image.analysis
    if analysis is None:
        return None
    classes = analysis.classes or ((analysis.top_class,) if analysis.top_class else ())
    said = [codes.diagnosis_code(name) for name in classes] if analysis.outcome is not Outcome.ABSTAIN else [codes.NO_ANSWER]
    chances = [(codes.MALIGNANT_PROBABILITY, analysis.malignant_probability)]
    chances += [(codes.probability_code(name), value) for name, value in (analysis.finding.get("probabilities") or {}).items()]
    name, version = model_of(result, pictured.image, ModelKind.CLASSIFIER)
    pipeline = f"Pipeline {analysis.pipeline_version}"
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        **_tracked(result),
        algorithm_id=hd.sr.AlgorithmIdentification(
            name=name, version=version, parameters=[pipeline], family=code(codes.ARTIFICIAL_INTELLIGENCE), manufacturer=MANUFACTURER
        ),
        qualitative_evaluations=[evaluation(codes.IMPRESSION, each) for each in said],
        measurements=[number(concept, 100 * value, PERCENT) for concept, value in chances],
        source_images=_source_images(pictured),
    )


def evaluation(name: Coded, value: Coded) -> Any:
    """A qualitative evaluation: a coded question and its coded answer."""
    return hd.sr.QualitativeEvaluation(name=code(name), value=code(value))


def number(concept: Coded, value: float, unit: Code, *, error: float | None = None) -> Any:
    """A measurement (TID 300), to six digits; ``error``: one standard deviation in ``unit``."""
    properties = None
    if error:
        reach = _digits(DEVIATIONS * error)
        properties = hd.sr.MeasurementProperties(upper_measurement_uncertainty=reach, lower_measurement_uncertainty=reach)
        for item in properties:  # highdicom gives these no unit
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [hd.sr.CodedConcept.from_code(unit)]
    return hd.sr.Measurement(name=code(concept), value=_digits(value), unit=unit, properties=properties)


def _digits(value: float) -> float:
    return float(f"{value:.6g}")
