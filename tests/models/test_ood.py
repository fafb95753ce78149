"""Calibrated probabilities, the dual criterion, and what a bundle keeps of a detector."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.ood import (
    DEFAULT,
    OodError,
    Thresholds,
    detector_of,
    fit_familiarity,
    fit_ood,
    fit_temperature,
    fit_thresholds,
    judge,
    normalised_entropy,
    probabilities_of,
)

LOGITS = arrays(np.float64, (5, 8), elements=st.floats(-30, 30))


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows as the packaging gathers them."""

    logits: np.ndarray
    features: np.ndarray
    labels: np.ndarray


def lesions(count: int, *, seed: int, centre: float = 0.0) -> Seen:
    """Three classes that the first three of 20 features tell apart; the others hardly vary, ``centre`` moves them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    features = generator.normal(size=(count, 20)) + 2 * np.eye(20)[labels]
    features[:, 3:] *= 0.4
    features[:, 3:] += centre
    return Seen(logits=3 * features[:, :3].astype(np.float32), features=features.astype(np.float32), labels=labels)


@given(logits=LOGITS, temperature=st.floats(0.2, 5))
def test_probabilities_sum_to_one_and_keep_the_order_of_the_logits(logits: np.ndarray, temperature: float) -> None:
    probabilities = probabilities_of(logits, temperature=temperature)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.max(axis=1) == probabilities[np.arange(5), logits.argmax(axis=1)]).all()


@given(logits=LOGITS)
def test_entropy_lies_between_certain_and_uniform(logits: np.ndarray) -> None:
    entropy = normalised_entropy(probabilities_of(logits, temperature=1))
    assert ((entropy >= -1e-9) & (entropy <= 1 + 1e-9)).all()


def test_entropy_is_one_for_uniform_and_zero_for_certain() -> None:
    certain = np.eye(8)[:1]
    assert normalised_entropy(np.full((1, 8), 1 / 8))[0] == pytest.approx(1)
    assert normalised_entropy(certain)[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("probabilities", "accepted"),
    [
        ([0.9, 0.1, 0.0, 0.0], True),  # sure
        ([0.5, 0.5, 0.0, 0.0], True),  # torn between two known classes: low maximum but low entropy too
        ([0.3, 0.3, 0.2, 0.2], False),  # low maximum and spread over everything
    ],
)
def test_a_picture_is_rejected_only_when_both_criteria_fail(probabilities: list[float], accepted: bool) -> None:
    (ood,) = judge(np.array([probabilities]), np.array([1.0]), thresholds=Thresholds(max_softmax=0.6, entropy=0.8, distance=2.0))
    assert ood.in_distribution is accepted


def test_a_sure_answer_far_from_training_is_rejected() -> None:
    (ood,) = judge(np.array([[0.99, 0.01]]), np.array([2.1]), thresholds=Thresholds(max_softmax=0.6, entropy=0.8, distance=2.0))
    assert not ood.in_distribution


def test_fitted_temperature_cools_an_overconfident_model() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 4, 4_000)
    honest = generator.normal(size=(4_000, 4)) + 1.5 * np.eye(4)[labels]
    logits = (3 * honest).astype(np.float32)
    temperature = fit_temperature(logits, labels)
    probabilities = probabilities_of(logits, temperature=temperature)
    confidence, right = probabilities.max(axis=1).mean(), (probabilities.argmax(axis=1) == labels).mean()
    assert temperature > 1.5
    assert abs(confidence - right) < 0.02


def test_fitted_thresholds_accept_the_asked_share() -> None:
    probabilities = probabilities_of(np.random.default_rng(2).normal(size=(10_000, 8)) * 3, temperature=1)
    distances = np.random.default_rng(3).exponential(size=10_000)
    thresholds = fit_thresholds(probabilities, distances, accepted=0.95, near=0.98)
    assert (distances <= thresholds.distance).mean() == pytest.approx(0.98, abs=0.001)
    assert (probabilities.max(axis=1) >= thresholds.max_softmax).mean() == pytest.approx(0.95, abs=0.001)
    assert (normalised_entropy(probabilities) <= thresholds.entropy).mean() == pytest.approx(0.95, abs=0.001)


def test_familiarity_is_near_one_for_its_own_kind_and_grows_in_every_other_direction() -> None:
    generator = np.random.default_rng(5)
    mixing = generator.normal(size=(8, 60))

    def kin(count: int) -> np.ndarray:
        return generator.normal(size=(count, 8)) @ mixing + 0.3 * generator.normal(size=(count, 60)) + 4

    known = fit_familiarity(kin(4_000), directions=8)
    assert known.distance(kin(500)).mean() == pytest.approx(1, abs=0.05)
    strangers = 4 + 2 * generator.normal(size=(500, 60))  # no larger than the kin, but outside of their few directions
    assert known.distance(strangers).min() > known.distance(kin(500)).max()


def test_what_is_fitted_refuses_strangers_and_no_more_lesions_than_asked() -> None:
    validation, held_out = lesions(1_000, seed=2), lesions(1_000, seed=3)
    strangers = lesions(400, seed=4, centre=2)
    card, tensors = fit_ood(known=lesions(1_000, seed=1), validation=validation, strangers=strangers, temperature=0.8, refused=0.04)
    assert card["detector"] == DEFAULT
    detector, thresholds = detector_of(card, tensors), Thresholds(**card["thresholds"])

    def refused(rows: Seen) -> float:
        probabilities = probabilities_of(rows.logits, temperature=0.8)
        return float(np.mean([not ood.in_distribution for ood in judge(probabilities, detector.score(rows), thresholds=thresholds)]))

    assert 0.03 < refused(validation) <= 0.04
    assert refused(held_out) < 0.06
    assert refused(lesions(400, seed=5, centre=2)) > 0.95


def test_no_source_of_lesions_pays_for_another() -> None:
    odd = lesions(100, seed=6, centre=0.5)
    usual = lesions(1_000, seed=7)
    both = Seen(*(np.concatenate([getattr(usual, name), getattr(odd, name)]) for name in ("logits", "features", "labels")))
    sources = ["usual"] * 1_000 + ["odd"] * 100
    common: dict[str, Any] = {
        "known": lesions(1_000, seed=1),
        "validation": both,
        "strangers": lesions(400, seed=4, centre=2),
        "temperature": 1.0,
    }
    shares = []
    for names in (None, sources):
        card, tensors = fit_ood(**common, sources=names, refused=0.04)
        shares.append(float((detector_of(card, tensors).score(odd) > card["thresholds"]["distance"]).mean()))
    assert shares[0] > 0.1
    assert shares[1] <= 0.04


def test_the_card_is_plain_json_and_the_tensors_bear_their_own_prefix() -> None:
    rows = lesions(300, seed=1)
    card, tensors = fit_ood(known=rows, validation=rows, strangers=lesions(90, seed=4, centre=2), temperature=1.0)
    assert json.loads(json.dumps(card)) == card
    assert tensors
    assert all(name.startswith("ood.") and tensor.dtype == torch.float32 for name, tensor in tensors.items())


def test_validation_smaller_than_the_share_refuses_none_of_it() -> None:
    rows = lesions(4, seed=1)
    card, tensors = fit_ood(known=lesions(300, seed=2), validation=rows, strangers=lesions(90, seed=4, centre=2), temperature=1.0)
    assert (detector_of(card, tensors).score(rows) <= card["thresholds"]["distance"] + 1e-6).all()


def test_a_bundle_from_before_detectors_had_names_still_has_its_gaussian() -> None:
    known = fit_familiarity(lesions(300, seed=1).features.astype(np.float64), directions=4)
    arrays = {"mean": known.mean, "basis": known.basis, "variances": known.variances, "residual": np.array([known.residual])}
    extras = {name: torch.from_numpy(np.ascontiguousarray(values)).float() for name, values in arrays.items()}
    rows = lesions(10, seed=2)
    score = detector_of({"thresholds": {}}, extras).score(rows)
    assert score == pytest.approx(known.distance(rows.features.astype(np.float64)), rel=1e-4)


def test_what_cannot_be_fitted_or_read_says_how_to_mend_it() -> None:
    rows = lesions(60, seed=1)
    common: dict[str, Any] = {"known": rows, "validation": rows, "temperature": 1.0}
    with pytest.raises(OodError, match="made_strangers"):
        fit_ood(**common, strangers=None)
    with pytest.raises(OodError, match="choose one of exposure"):
        fit_ood(**common, strangers=rows, detector="divination")
    with pytest.raises(OodError, match="no validation pictures"):
        fit_ood(known=rows, validation=Seen(rows.logits[:0], rows.features[:0], rows.labels[:0]), strangers=rows, temperature=1.0)
    with pytest.raises(OodError, match="package the bundle anew"):
        detector_of({"detector": "divination"}, {})
    with pytest.raises(OodError, match=r"extra\.ood\.bias"):
        detector_of({"detector": "exposure"}, {"ood.weights": torch.zeros(20)})
