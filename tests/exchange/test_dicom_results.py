"""Segmentation, measurement report and capture, read again by others' programs."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import pixel_array

from services.exchange.dicom_capture import capture
from services.exchange.dicom_files import Made, query_attributes, referred
from services.exchange.dicom_measurements import Pictured, measurements
from services.exchange.dicom_photograph import Pixels, photograph
from services.exchange.dicom_segmentation import segmentation
from services.exchange.result import CaseResult
from services.records.history import UsedModel
from services.records.states import Decision, Management, ModelKind, Outcome
from services.records.views import ImageView
from tests.exchange.dicom_samples import (
    HEIGHT,
    MEASURES,
    WIDTH,
    analysis_view,
    coloured,
    complaints,
    image_view,
    lesion,
    outline_view,
    result_of,
    review_view,
)

MODELS = (
    UsedModel(ModelKind.SEGMENTER, "abcdef12" + "0" * 56, "segmenter", "3", None),
    UsedModel(ModelKind.CLASSIFIER, "12345678" + "0" * 56, "classifier", "7", None),
)


FAMILY = "111000"


def source_of(result: CaseResult, image: ImageView) -> Dataset:
    made = photograph(case=result.case, image=image, picture=Pixels(coloured(image.width, image.height)), anonymous=True)
    return referred(made.header)


def pictured(result: CaseResult, image: ImageView, mask: np.ndarray | None = None) -> tuple[Pictured, Made]:
    source = source_of(result, image)
    made = segmentation(result=result, image=image, source=source, mask=lesion() if mask is None else mask)
    assert made is not None
    return Pictured(image, source, made.header), made


def report(result: CaseResult, *images: ImageView, predecessor: Dataset | None = None) -> tuple[Made, Any]:
    made = measurements(result=result, pictures=[pictured(result, image)[0] for image in images], predecessor=predecessor)
    return made, hd.sr.srread(io.BytesIO(made.data))


def test_the_outline_is_the_same_pixel_by_pixel() -> None:
    image = image_view()
    found, made = pictured(result_of(image), image)
    read = hd.seg.segread(io.BytesIO(made.data))
    pixels = read.get_pixels_by_source_instance([found.source.SOPInstanceUID])
    assert pixels.shape == (1, HEIGHT, WIDTH, 1)
    assert np.array_equal(pixels[0, ..., 0] > 0, lesion() > 0)


def test_the_segment_names_lesion_site_and_model() -> None:
    image = image_view()
    _, made = pictured(result_of(image, models=MODELS), image)
    segment = hd.seg.segread(io.BytesIO(made.data)).get_segment_description(1)
    assert segment.tracking_uid == "2.25.12345678901234567890"
    assert segment.segmented_property_type.meaning == "Lesion"
    assert segment.anatomic_regions[0].meaning == "Skin of back"
    assert segment.algorithm_type == hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
    identified = segment.algorithm_identification
    assert identified is not None
    assert (identified.name, identified.version) == ("segmenter", "3 (abcdef12)")


def test_what_a_reader_drew_is_manual_and_theirs() -> None:
    image = image_view(outline=outline_view())
    _, made = pictured(result_of(image, models=MODELS), image)
    read = hd.seg.segread(io.BytesIO(made.data))
    segment = read.get_segment_description(1)
    assert segment.algorithm_type == hd.seg.SegmentAlgorithmTypeValues.MANUAL
    assert segment.algorithm_identification is None
    assert str(read.ContentCreatorName) == "Dr Änne Lüders^"


def test_an_empty_outline_is_no_segmentation() -> None:
    image = image_view()
    result = result_of(image)
    assert segmentation(result=result, image=image, source=source_of(result, image), mask=np.zeros((HEIGHT, WIDTH), np.uint8)) is None


def test_an_outline_of_another_size_is_refused() -> None:
    image = image_view()
    result = result_of(image)
    with pytest.raises(ValueError, match="240×320 px, the instance 320×240"):
        segmentation(result=result, image=image, source=source_of(result, image), mask=lesion(HEIGHT, WIDTH))


def test_the_report_tells_measures_with_units() -> None:
    image = image_view()
    _, read = report(result_of(image), image)
    (group,) = read.content.get_planar_roi_measurement_groups()
    told = {each.name.meaning: (each.value, each.unit.value) for each in group.get_measurements()}
    assert told["Area"] == (2.0002, "mm2")
    assert told["Major Axis"] == (2.0, "mm")
    assert told["Perimeter"] == (300.2, "{pixels}")
    assert told["Asymmetry of shape"] == (0.1, "1")
    limits = [each.value.meaning for each in group.get_qualitative_evaluations()]
    assert limits == ["Lesion leaves the picture: sizes are lower bounds"]


def test_without_a_scale_sizes_are_in_pixels() -> None:
    plain = {**MEASURES, "area_mm2": None, "major_diameter_mm": None, "minor_diameter_mm": None, "touches_border": False}
    image = image_view(analysis=analysis_view(finding={"measures": plain}))
    _, read = report(result_of(image), image)
    (group,) = read.content.get_planar_roi_measurement_groups()
    told = {each.name.meaning: each.unit.value for each in group.get_measurements()}
    assert (told["Area"], told["Major Axis"]) == ("{pixels}2", "{pixels}")
    assert not group.get_qualitative_evaluations()


def uncertainties(group: Any, name: str) -> list[Any]:
    (found,) = [each for each in group.get_measurements() if each.name.meaning == name]
    items = [item for item in found[0].get("ContentSequence", ()) if "uncertainty" in item.ConceptNameCodeSequence[0].CodeMeaning]
    values = [item.MeasuredValueSequence[0] for item in items]
    return [(float(each.NumericValue), each.MeasurementUnitsCodeSequence[0].CodeValue) for each in values]


@pytest.mark.parametrize("drawn", [False, True])
def test_a_known_error_is_told_in_the_measures_unit(drawn: bool) -> None:
    """A scale of 0.02 mm a pixel: 50 px² are 0.02 mm²; the range holds 19 of 20. Only measures of the outline that counts have it."""
    image = image_view()
    errors = {"area_px": [5000.5, 50.0], "major_px": [100.0, 1.0], "asymmetry": [0.1, 0.01], "drawn": drawn}
    trail = SimpleNamespace(visits=[SimpleNamespace(image=SimpleNamespace(id=image.id), measures=errors)])
    _, read = report(result_of(image, trail=trail), image)
    (group,) = read.content.get_planar_roi_measurement_groups()
    if drawn:
        assert uncertainties(group, "Area") == []
        return
    assert uncertainties(group, "Area") == [(pytest.approx(1.96 * 0.02, rel=1e-3), "mm2")] * 2
    assert uncertainties(group, "Major Axis") == [(pytest.approx(1.96 * 0.02, rel=1e-3), "mm")] * 2
    assert uncertainties(group, "Asymmetry of shape") == [(pytest.approx(0.0196), "1")] * 2
    assert uncertainties(group, "Perimeter") == []


def answers(read: Any) -> list[dict[str, Any]]:
    """Of each group without a region: its evaluations, its numbers, its algorithm."""
    groups = read.content.get_image_measurement_groups()
    return [
        {
            "said": [(each.name.meaning, each.value.meaning) for each in group.get_qualitative_evaluations() if each.name.value != FAMILY],
            "numbers": {each.name.value: (each.value, each.unit.value) for each in group.get_measurements()},
            "text": [(item.name.meaning, item.value) for item in group[0].ContentSequence if item.ValueType == "TEXT"],
        }
        for group in groups
    ]


def test_the_report_tells_decision_and_answer_apart() -> None:
    image = image_view()
    _, read = report(result_of(image, models=MODELS, decision=review_view(decision=Decision.CORRECT, diagnosis="BKL")), image)
    decided, answered = answers(read)
    assert decided["said"] == [
        ("Decision of the dermatologist", "The model's answer is corrected"),
        ("Diagnosis", "Benign keratosis"),
        ("Management", "Follow-up"),
    ]
    assert decided["numbers"] == {"111055": (3.0, "mo")}
    assert answered["said"] == [("Differential Diagnosis/Impression", "Melanoma")]
    assert answered["numbers"]["P_MEL"] == (70.0, "%")
    assert answered["numbers"]["MALIGNANCY_RISK"] == (72.0, "%")
    assert ("Algorithm Name", "classifier") in answered["text"]
    assert ("Algorithm Version", "7 (12345678)") in answered["text"]


def test_an_abstention_and_a_picture_that_cannot_be_assessed_are_said_so() -> None:
    image = image_view(analysis=analysis_view(outcome=Outcome.ABSTAIN, classes=(), top_class=None))
    said = review_view(
        decision=Decision.NOT_ASSESSABLE, diagnosis=None, reason="blurred", management=Management.RETAKE, follow_up_months=None
    )
    _, read = report(result_of(image, decision=said), image)
    decided, answered = answers(read)
    assert decided["said"][0][1] == "The picture cannot be assessed"
    assert "Diagnosis" not in dict(decided["said"])
    assert answered["said"] == [("Differential Diagnosis/Impression", "The model stands for no class")]


def test_a_picture_without_an_analysis_has_the_decision_alone() -> None:
    image = image_view(analysis=None)
    result = result_of(image)
    made = measurements(result=result, pictures=[Pictured(image, source_of(result, image), None)])
    read: Any = hd.sr.srread(io.BytesIO(made.data))
    assert len(answers(read)) == 1
    assert not read.content.get_planar_roi_measurement_groups()


def test_the_report_is_verified_by_who_decided() -> None:
    image = image_view()
    made, _ = report(result_of(image), image)
    header = made.header
    assert (header.VerificationFlag, header.CompletionFlag, header.PreliminaryFlag) == ("VERIFIED", "COMPLETE", "FINAL")
    (observer,) = header.VerifyingObserverSequence
    assert (str(observer.VerifyingObserverName), observer.VerifyingOrganization) == ("Dr Änne Lüders^", "Portal North")
    assert observer.VerificationDateTime == "20260304050607+0000"


def test_an_amendment_names_its_predecessor() -> None:
    image = image_view()
    first, _ = report(result_of(image), image)
    second, _ = report(result_of(image), image, predecessor=first.header)
    series = second.header.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.header.SOPInstanceUID
    assert second.header.SOPInstanceUID != first.header.SOPInstanceUID


def test_several_pictures_have_a_segmentation_each_and_one_report() -> None:
    images = [image_view(position=place) for place in range(3)]
    made, read = report(result_of(*images), *images)
    groups = read.content.get_planar_roi_measurement_groups()
    assert len(groups) == 3
    assert {group.tracking_uid for group in groups} == {"2.25.12345678901234567890"}
    evidence = {uid for _, _, uid, _ in read.get_evidence()}
    assert len(evidence) == 6
    assert len(made.header.CurrentRequestedProcedureEvidenceSequence) == 1


def test_made_twice_results_are_the_same_to_the_byte() -> None:
    image = image_view(outline=outline_view())
    result = result_of(image)
    assert pictured(result, image)[1].data == pictured(result, image)[1].data
    assert report(result, image)[0].data == report(result, image)[0].data


def test_a_capture_shows_picture_and_outline() -> None:
    image = image_view()
    result, rgb = result_of(image), coloured()
    made = capture(result=result, image=image, source=source_of(result, image), rgb=rgb, mask=lesion())
    shown = pixel_array(io.BytesIO(made.data))
    changed = (shown != rgb).any(axis=2)
    assert 0.005 < changed.mean() < 0.1
    assert not changed[:40].any()


def test_queries_are_answered_without_names_and_pixels() -> None:
    image = image_view()
    _, made = pictured(result_of(image), image)
    told = query_attributes(made.header)
    assert told["00080018"]["Value"] == [made.header.SOPInstanceUID]
    assert told["00080060"]["Value"] == ["SEG"]
    assert not {"00100010", "00100030", "7FE00010", "00700084"} & set(told)
    assert Dataset.from_json(told).PatientID == "P-1042"


@pytest.mark.parametrize("outlined", [False, True])
def test_a_checker_of_others_finds_nothing_wrong(outlined: bool, tmp_path: Path) -> None:
    image = image_view(outline=outline_view() if outlined else None)
    second = image_view(position=1, analysis=analysis_view(outcome=Outcome.SET, classes=("MEL", "BKL"), top_class=None))
    result = result_of(image, second, models=MODELS)
    found, made = pictured(result, image)
    first, _ = report(result, image)
    amended, _ = report(result, image, second, predecessor=first.header)
    drawn = capture(result=result, image=image, source=found.source, rgb=coloured(), mask=lesion())
    assert [complaints(each, tmp_path) for each in (made, first, amended, drawn)] == [set()] * 4
    assert dcmread(io.BytesIO(drawn.data)).Modality == "OT"
