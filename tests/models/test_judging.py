"""How an analysis ends: prediction, set, or an abstention with its reason and next step."""

from typing import Any

import numpy as np
import pytest
import torch

from models.bundle import Bundle, BundleError
from models.conformal import fit_conformal
from models.finding import AbstainReason, NextStep, Ood, Outcome, Quality
from models.judging import Judge, Judgement, answer_of
from tests.models.cards import classifier_card

# A class belongs to a set from probability 0.3 on.
CONFORMAL = {**fit_conformal(probabilities=np.eye(3), labels=np.arange(3), method="lac").as_json(), "thresholds": [0.7, 0.7, 0.7]}
THRESHOLDS = {"max_softmax": 0.4, "entropy": 0.9, "distance": 1.0}
# Energy needs no tensors: its score is minus the logarithm of the sum of exp(logits).
OOD = {"detector": "energy", "thresholds": THRESHOLDS}
FEATURES = np.zeros(4, np.float32)


def judge(extras: dict[str, torch.Tensor] | None = None, **changes: Any) -> Judge:
    calibration = {"temperature": 1.0, "ood": None, "conformal": None, "operating_point": None}
    card = classifier_card(classes=["MEL", "NV", "BKL"], **{**calibration, **changes})
    return Judge(Bundle(network=torch.nn.Identity(), card=card, extras=extras or {}))


def logits(*probabilities: float, shift: float = 0) -> np.ndarray:
    return np.log(np.array(probabilities, np.float32)) + np.float32(shift)


def quality(*, acceptable: bool = True) -> Quality:
    issues = () if acceptable else ("dark",)
    return Quality(acceptable=acceptable, issues=issues, sharpness=9, brightness=99, clipped_share=0, hair_share=0)


def ood(*, inside: bool, distance: float = 2) -> Ood:
    numbers = {"max_softmax": 0.5, "entropy": 0.5, "max_softmax_threshold": 0.4, "entropy_threshold": 0.6, "distance_threshold": 1.0}
    return Ood(in_distribution=inside, distance=distance, **numbers)


def judgement(stranger: Ood | None, *classes: str) -> Judgement:
    return Judgement(probabilities={}, malignant_probability=0.5, classes=classes or ("NV",), coverage=0.9, ood=stranger, suspicious=True)


@pytest.mark.parametrize(
    ("inside", "acceptable", "lesion", "reason", "step"),
    [
        (True, True, True, None, None),
        (False, True, True, AbstainReason.OUT_OF_DISTRIBUTION, NextStep.NOT_SKIN),
        (True, True, False, AbstainReason.NO_LESION_FOUND, NextStep.RETAKE),
        (True, False, True, AbstainReason.POOR_QUALITY, NextStep.RETAKE),
        (False, False, False, AbstainReason.POOR_QUALITY, NextStep.RETAKE),
        (False, True, False, AbstainReason.NO_LESION_FOUND, NextStep.RETAKE),
    ],
)
def test_every_doubt_has_its_reason_and_next_step(
    *, inside: bool, acceptable: bool, lesion: bool, reason: AbstainReason | None, step: NextStep | None
) -> None:
    answer = answer_of(judgement(ood(inside=inside)), quality=quality(acceptable=acceptable), lesion=lesion)
    assert (answer.reason, answer.next_step) == (reason, step)
    assert answer.outcome is (Outcome.ABSTAIN if reason else Outcome.PREDICTION)
    assert answer.classes == (() if reason else ("NV",))


def test_what_is_merely_hard_to_name_goes_to_a_dermatologist() -> None:
    answer = answer_of(judgement(ood(inside=False, distance=0.5)), quality=quality(), lesion=True)
    assert answer.next_step is NextStep.DERMATOLOGIST


def test_several_classes_are_a_set_and_one_is_a_prediction() -> None:
    assert answer_of(judgement(None, "MEL", "NV"), quality=quality(), lesion=True).outcome is Outcome.SET
    assert answer_of(judgement(None, "MEL"), quality=quality(), lesion=True).outcome is Outcome.PREDICTION


def test_a_set_holds_what_its_bundle_promises_likeliest_first() -> None:
    wide, narrow = (judge(conformal=CONFORMAL)(logits(*shares), FEATURES) for shares in ((0.35, 0.45, 0.2), (0.1, 0.85, 0.05)))
    assert (wide.classes, wide.coverage) == (("NV", "MEL"), 0.9)
    assert narrow.classes == ("NV",)


def test_without_conformal_calibration_the_top_class_answers_and_nothing_is_promised() -> None:
    said = judge()(logits(0.35, 0.45, 0.2), FEATURES)
    assert (said.classes, said.coverage, said.ood, said.suspicious) == (("NV",), None, None, None)


def test_temperature_flattens_probabilities_and_malignant_classes_are_summed() -> None:
    assert judge()(logits(0.8, 0.1, 0.1), FEATURES).malignant_probability == pytest.approx(0.8)
    warm = judge(temperature=2.0)(logits(0.8, 0.1, 0.1), FEATURES)
    assert warm.probabilities["MEL"] == pytest.approx(0.8**0.5 / (0.8**0.5 + 2 * 0.1**0.5))
    assert list(warm.probabilities) == ["MEL", "NV", "BKL"]


@pytest.mark.parametrize(("melanoma", "suspicious"), [(0.31, True), (0.29, False)])
def test_suspicious_is_what_reaches_the_operating_point(melanoma: float, *, suspicious: bool) -> None:
    point = {"malignant_probability": 0.3, "sensitivity": 0.9, "specificity": 0.7}
    rest = (1 - melanoma) / 2
    said = judge(operating_point=point)(logits(melanoma, rest, rest), FEATURES)
    assert said.suspicious is suspicious


def test_the_bundles_detector_says_what_is_strange() -> None:
    known = judge(ood=OOD)(logits(0.8, 0.1, 0.1), FEATURES)
    strange = judge(ood=OOD)(logits(0.8, 0.1, 0.1, shift=-5), FEATURES)
    assert known.ood is not None
    assert strange.ood is not None
    assert (known.ood.in_distribution, strange.ood.in_distribution) == (True, False)
    assert known.probabilities == pytest.approx(strange.probabilities)


@pytest.mark.parametrize(
    "changes",
    [
        {"ood": {"detector": "gaussian", "thresholds": THRESHOLDS}},  # its tensors are missing
        {"ood": {"detector": "crystal_ball", "thresholds": THRESHOLDS}},
        {"ood": {"detector": "energy"}},
        {"conformal": {**CONFORMAL, "method": "guess"}},
    ],
)
def test_a_calibration_that_cannot_be_read_is_refused_when_it_is_loaded(changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="calibration cannot be read"):
        judge(**changes)
