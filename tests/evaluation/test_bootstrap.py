"""Intervals draw whole lesions, agree with the plain slow way and do not pretend to know more than they do."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from models.evaluation.figures import classification_figures
from models.evaluation.figures.bootstrap import Bootstrap, interval, share_figures, share_interval
from models.evaluation.figures.confusion import drawn_balanced_accuracy
from models.evaluation.figures.ranking import DrawnCurves
from tests.evaluation.samples import noisy

lesions = st.lists(st.sampled_from("abcdefghijklmno"), min_size=12, max_size=60)


@given(groups=lesions, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_sums_over_draws_are_those_of_repeated_images(groups: list[str], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(len(groups), 2))
    bootstrap = Bootstrap(groups, draws=20, seed=seed)
    weights = np.concatenate(list(bootstrap.weights()))
    assert weights.shape == (20, len(groups))
    assert bootstrap.sums(values) == pytest.approx(weights @ values)
    for row in weights:  # images of one lesion are drawn equally often
        assert all(len({row[index] for index in range(len(groups)) if groups[index] == name}) == 1 for name in set(groups))


def test_the_interval_is_that_of_the_plain_loop() -> None:
    predictions = noisy(120, lesions=60)
    right = (predictions.predicted == predictions.labels).astype(np.float64)
    names = sorted(set(predictions.groups))
    members = [np.array([index for index, group in enumerate(predictions.groups) if group == name]) for name in names]
    generator = np.random.default_rng(0)
    plain = [right[np.concatenate([members[i] for i in generator.integers(0, len(names), len(names))])].mean() for _ in range(1_000)]
    expected = [np.quantile(plain, 0.025), np.quantile(plain, 0.975)]
    assert classification_figures(predictions)["accuracy_95"] == pytest.approx(expected)


@given(seed=st.integers(0, 200), levels=st.sampled_from([3, 10, 1_000_000]))
@settings(deadline=None, max_examples=30)
def test_drawn_curves_are_those_of_scikit_learn_with_weights(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    scores, positive = generator.integers(0, levels, 60) / levels, generator.random(60) < 0.4
    bootstrap = Bootstrap([str(index // 2) for index in range(60)], draws=8, seed=seed)
    areas, sensitivities, specificities = DrawnCurves(bootstrap, scores, positive).measured(specificities=(0.9,), sensitivities=(0.8,))
    for draw, weights in enumerate(np.concatenate(list(bootstrap.weights()))):
        kept = weights > 0
        if len(np.unique(positive[kept])) < 2:
            assert np.isnan([areas[draw], sensitivities[draw, 0], specificities[draw, 0]]).all()
            continue
        assert areas[draw] == pytest.approx(roc_auc_score(positive, scores, sample_weight=weights))
        fpr, tpr, _ = roc_curve(positive, scores, sample_weight=weights, drop_intermediate=False)
        assert sensitivities[draw, 0] == pytest.approx(tpr[fpr <= 0.1 + 1e-9].max())
        assert specificities[draw, 0] == pytest.approx(1 - fpr[tpr >= 0.8 - 1e-9].min())


def test_drawn_balanced_accuracy_is_that_of_scikit_learn_with_weights() -> None:
    predictions = noisy(80, lesions=40)
    bootstrap = Bootstrap(predictions.groups, draws=10, seed=3)
    for value, weights in zip(drawn_balanced_accuracy(predictions, bootstrap), np.concatenate(list(bootstrap.weights())), strict=True):
        expected = balanced_accuracy_score(predictions.labels, predictions.predicted, sample_weight=weights)
        assert value == pytest.approx(expected)


def test_copies_of_an_image_of_the_same_lesion_do_not_narrow_the_interval() -> None:
    one = noisy(60)
    three = one.take(np.tile(np.arange(60), 3))
    assert classification_figures(three)["accuracy_95"] == pytest.approx(classification_figures(one)["accuracy_95"])
    assert three.take(np.arange(180)).groups.count(one.groups[0]) >= 3


def test_the_order_of_the_images_does_not_matter() -> None:
    one = noisy(60, lesions=30)
    shuffled = one.take(np.random.default_rng(1).permutation(60))
    assert classification_figures(shuffled)["malignant_auroc_95"] == pytest.approx(classification_figures(one)["malignant_auroc_95"])


def test_under_ten_lesions_there_is_no_interval() -> None:
    draws = np.linspace(0, 1, 100)
    assert interval(draws, units=9) is None
    assert interval(draws, units=10) == pytest.approx([0.025, 0.975])
    assert interval(np.full(100, np.nan), units=50) is None


def test_a_share_of_all_or_none_has_the_exact_binomial_bound() -> None:
    assert share_interval(np.ones(100), units=10) == pytest.approx([0.025 ** (1 / 10), 1])  # 0.692
    assert share_interval(np.zeros(100), units=10) == pytest.approx([0, 1 - 0.025 ** (1 / 10)])
    assert share_interval(np.full(100, 0.5), units=10) == [0.5, 0.5]


def test_a_share_of_nothing_is_none() -> None:
    nobody = np.zeros(12, np.bool_)
    assert share_figures("recall", Bootstrap([str(i) for i in range(12)]), ~nobody, nobody) == {"recall": None, "recall_95": None}


def test_a_thousand_draws_over_two_thousand_images_take_under_three_seconds() -> None:
    predictions = noisy(2_000, classes=8, lesions=1_500)
    classification_figures(noisy(20))  # imports
    start = time.process_time()
    classification_figures(predictions, malignant_threshold=0.2)
    assert time.process_time() - start < 3
