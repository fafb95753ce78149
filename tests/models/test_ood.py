import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.ood import Thresholds, fit_familiarity, fit_temperature, fit_thresholds, judge, normalised_entropy, probabilities_of

LOGITS = arrays(np.float64, (5, 8), elements=st.floats(-30, 30))


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


def test_a_sure_answer_far_from_training_is_rejected() -> None:
    (ood,) = judge(np.array([[0.99, 0.01]]), np.array([2.1]), thresholds=Thresholds(max_softmax=0.6, entropy=0.8, distance=2.0))
    assert not ood.in_distribution


def test_familiarity_is_near_one_for_its_own_kind_and_grows_in_every_other_direction() -> None:
    generator = np.random.default_rng(5)
    mixing = generator.normal(size=(8, 60))

    def kin(count: int) -> np.ndarray:
        return generator.normal(size=(count, 8)) @ mixing + 0.3 * generator.normal(size=(count, 60)) + 4

    known = fit_familiarity(kin(4_000), directions=8)
    assert known.distance(kin(500)).mean() == pytest.approx(1, abs=0.05)
    strangers = 4 + 2 * generator.normal(size=(500, 60))  # no larger than the kin, but outside of their few directions
    assert known.distance(strangers).min() > known.distance(kin(500)).max()
