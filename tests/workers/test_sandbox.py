"""What the worker says of a sandbox's pictures."""

from dataclasses import replace

import pytest

from models.finding import Finding, Outcome
from services.records.jobs import JobFailure
from services.records.sandbox import SCRIPTS, Scenario
from tests.workers.test_results import JOB, finding
from workers.results import analysis_result
from workers.sandbox import VERSION, as_asked

REAL = finding(Outcome.ABSTAIN, reason="no_lesion_found", mask_png=b"mask", embedding=b"\0\0")


def asked(reference: str | None, real: Finding = REAL) -> Finding | JobFailure:
    return as_asked(replace(JOB, script=reference), real)


def test_a_real_portal_hears_the_models() -> None:
    assert asked(None) is REAL


def test_a_refused_picture_stays_refused() -> None:
    refused = replace(REAL, outcome=Outcome.FAILED, detail="not a picture")
    assert asked("melanoma", refused) is refused


@pytest.mark.parametrize("scenario", [scenario for scenario in Scenario if not SCRIPTS[scenario].fails])
def test_the_script_speaks_over_the_real_outline(scenario: Scenario) -> None:
    said = asked(f"{scenario}:7")
    assert isinstance(said, Finding)
    assert (said.pipeline_version, said.mask_png, said.embedding) == (VERSION, b"mask", b"")
    row = analysis_result(job=JOB, finding=said, keys={})
    script = SCRIPTS[scenario]
    assert (tuple(row.classes), row.malignant_probability) == (script.classes, script.malignant_probability)
    assert ("out_of_distribution" in row.flags, "blurred" in row.flags) == (
        scenario is Scenario.OUT_OF_DISTRIBUTION,
        scenario is Scenario.RETAKE,
    )


def test_it_can_be_asked_to_fail_and_is_not_tried_again() -> None:
    said = asked("failed")
    assert isinstance(said, JobFailure)
    assert not said.retry


def test_the_same_case_is_answered_the_same_whatever_the_models_say() -> None:
    one, other = (asked("set", finding(Outcome.PREDICTION, code)) for code in ("MEL", "NV"))
    assert one == other
