"""From findings to rows: what each outcome leaves in the columns that the worklist reads."""

import uuid
from typing import Any

import pytest

from models.finding import Finding, Identity, Ood, Outcome, Quality
from models.pictures.identity import TextBox
from services.records.identity import Box
from services.records.jobs import AnalysisResult, ClaimedJob
from services.records.states import IdentityKind
from services.records.states import Outcome as Recorded
from workers.results import analysis_result, answer_files, flags_of

ID = uuid.UUID(int=1)
JOB = ClaimedJob(
    job_id=ID,
    image_id=ID,
    tenant_id=ID,
    case_id=ID,
    original_key="o",
    view_key="v",
    media_type="image/jpeg",
    attempts=1,
    urgency_rank=2,
)
INSIDE = Ood(
    in_distribution=True,
    max_softmax=0.5,
    entropy=0.5,
    max_softmax_threshold=0.4,
    entropy_threshold=0.9,
    distance=0.1,
    distance_threshold=1.0,
)


def finding(outcome: Outcome, *classes: str, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "prediction": classes[0] if outcome is Outcome.PREDICTION else None,
        "classes": classes,
        "probabilities": {"MEL": 0.5, "NV": 0.4, "BKL": 0.1},
        "malignant_probability": 0.5,
        "ood": INSIDE,
        "quality": Quality(acceptable=True, issues=(), sharpness=9, brightness=99, clipped_share=0, hair_share=0),
    }
    return Finding(outcome=outcome, pipeline_version="p1", **{**values, **changes})


def row(found: Finding) -> AnalysisResult:
    return analysis_result(job=JOB, finding=found, keys=answer_files(job=JOB, finding=found).keys)


def test_a_prediction_names_its_class_and_probability() -> None:
    found = row(finding(Outcome.PREDICTION, "MEL", heatmap_jpeg=b"jpeg", hairfree_jpeg=b"jpeg2"))
    assert (found.outcome, found.classes, found.top_class, found.top_probability) == (Recorded.PREDICTION, ("MEL",), "MEL", 0.5)
    assert found.heatmap_key == f"{JOB.tenant_id}/{JOB.case_id}/{JOB.image_id}/p1/answer#0+4"
    assert found.hairfree_key == f"{JOB.tenant_id}/{JOB.case_id}/{JOB.image_id}/p1/answer#4+5"


def test_a_set_names_its_classes_and_no_single_one() -> None:
    found = row(finding(Outcome.SET, "MEL", "NV", coverage=0.9))
    assert (found.outcome, found.classes, found.top_class, found.top_probability) == (Recorded.SET, ("MEL", "NV"), None, None)
    assert found.finding["coverage"] == 0.9
    assert (found.heatmap_key, found.hairfree_key) == (None, None)


def test_an_abstention_names_nothing() -> None:
    found = row(finding(Outcome.ABSTAIN))
    assert (found.outcome, found.classes, found.top_class) == (Recorded.ABSTAIN, (), None)


@pytest.mark.parametrize(("suspicious", "flagged"), [(True, True), (False, False), (None, False)])
def test_the_worklist_marks_what_is_suspicious(suspicious: bool | None, *, flagged: bool) -> None:
    assert ("suspicious" in flags_of(finding(Outcome.PREDICTION, "MEL", suspicious=suspicious))) is flagged


def test_a_bundle_without_a_detector_flags_no_stranger() -> None:
    assert "out_of_distribution" not in flags_of(finding(Outcome.PREDICTION, "MEL", ood=None))


def test_what_may_identify_is_kept_apart_from_the_models_answer() -> None:
    seen = Identity("text-1", (TextBox(0.1, 0.2, 0.3, 0.05, 0.9),), declared=True)
    kept = row(finding(Outcome.PREDICTION, "MEL", identity=seen))
    assert kept.identity is not None
    assert kept.identity.version == "text-1"
    assert [(one.kind, one.score, one.box) for one in kept.identity.seen] == [
        (IdentityKind.DECLARED, 1.0, None),
        (IdentityKind.TEXT, 0.9, Box(0.1, 0.2, 0.3, 0.05)),
    ]
    assert "identity" not in kept.finding
    assert "identity" not in kept.flags


def test_a_picture_in_which_nobody_looked_is_not_called_clear() -> None:
    assert row(finding(Outcome.PREDICTION, "MEL")).identity is None
