"""Prediction sets keep their promise on pictures that they were not fitted on."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.conformal import SCORES, Conformal, ConformalError, fit_conformal

CLASSES = 5
STRATA = (1, 0, 1, 0, 0)


def answers(count: int, *, seed: int, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """N×5 probabilities, overconfident, and labels; the first class is rarer and harder than the others."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(CLASSES, count, p=[0.1, 0.4, 0.2, 0.2, 0.1])
    strength = np.where(labels == 0, 0.4, 1.0) * sharpness
    logits = generator.normal(size=(count, CLASSES)) + strength[:, None] * np.eye(CLASSES)[labels]
    odds = np.exp(2 * logits)
    return odds / odds.sum(axis=1, keepdims=True), labels


def coverage(members: np.ndarray, labels: np.ndarray) -> float:
    return float(members[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("promised", [0.8, 0.9, 0.95])
def test_held_out_pictures_are_covered_as_promised(method: str, promised: float) -> None:
    probabilities, labels = answers(2_000, seed=1)
    fitted = fit_conformal(probabilities=probabilities, labels=labels, coverage=promised, method=method)
    others, truth = answers(4_000, seed=2)
    assert coverage(fitted.members(others), truth) == pytest.approx(promised, abs=0.02)
    assert fitted.cross_fitted["coverage"] == pytest.approx(promised, abs=0.02)


@pytest.mark.parametrize("strata", [STRATA, tuple(range(CLASSES))])
def test_the_promise_can_be_made_to_every_stratum_of_classes(strata: tuple[int, ...]) -> None:
    probabilities, labels = answers(6_000, seed=1)
    others, truth = answers(8_000, seed=2)
    at_large = fit_conformal(probabilities=probabilities, labels=labels, method="lac").members(others)
    within = fit_conformal(probabilities=probabilities, labels=labels, method="lac", strata=strata).members(others)
    hard = truth == 0
    assert coverage(at_large[hard], truth[hard]) < 0.8
    for stratum in set(strata):
        mine = np.array(strata)[truth] == stratum
        assert coverage(within[mine], truth[mine]) == pytest.approx(0.9, abs=0.04)
    assert within.sum() > at_large.sum()


def test_a_stratum_too_small_for_any_promise_is_in_every_set() -> None:
    probabilities, labels = answers(500, seed=1)
    labels[labels == 4] = 3
    labels[:8] = 4  # the ninth picture would allow 90 %
    fitted = fit_conformal(probabilities=probabilities, labels=labels, strata=range(CLASSES))
    assert fitted.members(answers(100, seed=2)[0])[:, 4].all()


@given(table=arrays(np.float64, (6, CLASSES), elements=st.floats(1e-6, 1)), method=st.sampled_from(sorted(SCORES)))
def test_sets_are_never_empty_begin_with_the_likeliest_and_fall(table: np.ndarray, method: str) -> None:
    probabilities = table / table.sum(axis=1, keepdims=True)
    fitted = fit_conformal(probabilities=answers(300, seed=1)[0], labels=answers(300, seed=1)[1], method=method)
    for row, chosen in zip(probabilities, fitted.sets(probabilities), strict=True):
        assert chosen
        assert row[chosen[0]] == row.max()
        assert (np.diff(row[list(chosen)]) <= 0).all()
        assert len(set(chosen)) == len(chosen)


def test_sets_and_members_say_the_same() -> None:
    probabilities, labels = answers(300, seed=1)
    fitted = fit_conformal(probabilities=probabilities, labels=labels)
    for chosen, inside in zip(fitted.sets(probabilities), fitted.members(probabilities), strict=True):
        assert sorted(chosen) == np.flatnonzero(inside).tolist()


def test_a_network_better_than_the_promise_gets_sets_of_one() -> None:
    probabilities, labels = answers(1_000, seed=1, sharpness=8)
    fitted = fit_conformal(probabilities=probabilities, labels=labels, coverage=0.8)
    assert (fitted.members(probabilities).sum(axis=1) == 1).all()


def test_the_smallest_sets_that_keep_the_promise_are_chosen() -> None:
    probabilities, labels = answers(2_000, seed=1)
    sizes = {m: fit_conformal(probabilities=probabilities, labels=labels, method=m).cross_fitted["mean_size"] for m in SCORES}
    assert fit_conformal(probabilities=probabilities, labels=labels).method == min(sizes, key=lambda name: sizes[name])


def test_pictures_of_one_lesion_stay_in_one_fold() -> None:
    probabilities, labels = answers(200, seed=1)
    twice, both = np.repeat(probabilities, 2, axis=0), np.repeat(labels, 2)
    grouped = fit_conformal(probabilities=twice, labels=both, groups=[f"lesion {i // 2}" for i in range(400)], method="lac")
    assert grouped.cross_fitted["coverage"] == pytest.approx(0.9, abs=0.04)
    alone = fit_conformal(probabilities=twice, labels=both, groups=["one lesion"] * 400, method="lac")
    assert 0 < alone.cross_fitted["coverage"] <= 1


def test_unlabelled_pictures_are_left_out() -> None:
    probabilities, labels = answers(400, seed=1)
    more, unknown = np.concatenate([probabilities, probabilities[:50]]), np.concatenate([labels, np.full(50, -1)])
    assert fit_conformal(probabilities=more, labels=unknown) == fit_conformal(probabilities=probabilities, labels=labels)


def test_a_card_brings_the_same_sets_back() -> None:
    probabilities, labels = answers(300, seed=1)
    fitted = fit_conformal(probabilities=probabilities, labels=labels, strata=STRATA)
    assert Conformal.from_json(json.loads(json.dumps(fitted.as_json()))) == fitted


def test_what_cannot_be_fitted_or_read_says_how_to_mend_it() -> None:
    probabilities, labels = answers(50, seed=1)
    with pytest.raises(ConformalError, match="no labelled validation pictures"):
        fit_conformal(probabilities=probabilities, labels=np.full(50, -1))
    with pytest.raises(ConformalError, match="between 0 and 1"):
        fit_conformal(probabilities=probabilities, labels=labels, coverage=1.0)
    with pytest.raises(ConformalError, match="one of lac, aps, raps"):
        fit_conformal(probabilities=probabilities, labels=labels, method="dice")
    card = fit_conformal(probabilities=probabilities, labels=labels).as_json()
    with pytest.raises(ConformalError, match="package the bundle again"):
        Conformal.from_json({name: value for name, value in card.items() if name != "thresholds"})
    with pytest.raises(ConformalError, match="unknown method 'dice'"):
        Conformal.from_json({**card, "method": "dice"})
