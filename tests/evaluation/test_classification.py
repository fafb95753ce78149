"""Figures of a classifier, worked out by hand or held against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from models.evaluation.figures import ClassPredictions, card_figures, classification_figures
from tests.evaluation.samples import noisy, sure


def measured(labels: list[int], called: list[int]) -> dict[str, Any]:
    return classification_figures(sure(labels, called), draws=20)


def test_the_figures_of_a_small_matrix_worked_out_by_hand() -> None:
    # Truth: 4 MEL, 5 NV, 1 BCC. Called: MEL 3 of 4 (one NV), NV 4 of 5 (one MEL), BCC as NV.
    figures = measured([0, 0, 0, 0, 1, 1, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1, 1, 1, 0, 1])
    assert figures["confusion"] == [[3, 1, 0], [1, 4, 0], [0, 1, 0]]
    assert figures["accuracy"] == pytest.approx(0.7)
    assert figures["recall"] == {"MEL": 0.75, "NV": 0.8, "BCC": 0.0}
    assert figures["precision"] == {"MEL": 0.75, "NV": pytest.approx(4 / 6), "BCC": None}
    assert figures["f1"] == {"MEL": 0.75, "NV": pytest.approx(8 / 11), "BCC": 0.0}
    assert figures["balanced_accuracy"] == pytest.approx((0.75 + 0.8 + 0) / 3)
    assert figures["macro"]["precision"] == pytest.approx((0.75 + 4 / 6 + 0) / 3)
    assert figures["macro"]["f1"] == pytest.approx((0.75 + 8 / 11) / 3)
    assert figures["weighted"]["recall"] == pytest.approx(0.7)
    assert figures["weighted"]["f1"] == pytest.approx((4 * 0.75 + 5 * 8 / 11) / 10)
    assert figures["count"] == {"MEL": 4, "NV": 5, "BCC": 1}


def test_a_class_that_does_not_occur_has_no_recall_and_counts_in_no_mean() -> None:
    figures = measured([0, 0, 1, 1], [0, 2, 1, 1])
    assert figures["recall"] == {"MEL": 0.5, "NV": 1.0, "BCC": None}
    assert figures["precision"]["BCC"] == 0.0
    assert figures["balanced_accuracy"] == 0.75
    assert figures["auroc"]["BCC"] is None


def test_one_class_alone_has_no_curves_but_is_measured() -> None:
    figures = measured([1, 1, 1], [1, 1, 0])
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["malignant"] is None
    assert figures["malignant_auroc"] is None
    assert figures["macro"]["auroc"] is None
    assert figures["roc"] == {}


@given(seed=st.integers(0, 500), count=st.integers(12, 80))
@settings(deadline=None, max_examples=25)
def test_means_and_areas_are_those_of_scikit_learn(seed: int, count: int) -> None:
    predictions = noisy(count, seed=seed, skill=1.0)
    if len(set(predictions.labels.tolist())) < 3:
        return
    figures = classification_figures(predictions, draws=5)
    for average in ("macro", "weighted"):
        for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            expected = score(predictions.labels, predictions.predicted, average=average, zero_division=0)
            assert figures[average][name] == pytest.approx(expected)
        area = roc_auc_score(predictions.labels, predictions.probabilities, multi_class="ovr", average=average)
        assert figures[average]["auroc"] == pytest.approx(area)


def binary(scores: list[float], malignant: list[int]) -> ClassPredictions:
    return ClassPredictions(
        probabilities=np.array([[1 - score, score] for score in scores]),
        labels=np.array(malignant, np.int64),
        codes=["BENIGN", "MALIGNANT"],
        malignant=["MALIGNANT"],
        groups=[str(index) for index in range(len(scores))],
        images=[f"image {index}" for index in range(len(scores))],
    )


def test_rates_at_fixed_rates_worked_out_by_hand() -> None:
    # Benign 0.1 0.2 0.3 0.4 0.6; malignant 0.35 0.5 0.7 0.8 0.9. Ranking: 21 or more of 25 pairs right.
    predictions = binary([0.1, 0.2, 0.3, 0.4, 0.6, 0.35, 0.5, 0.7, 0.8, 0.9], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    malignant = classification_figures(predictions, malignant_threshold=0.5, draws=20)["malignant"]
    assert malignant["auroc"] == pytest.approx(22 / 25)
    at_specificity = {
        row["specificity"]: (row["sensitivity"], row["malignant_probability"]) for row in malignant["sensitivity_at_specificity"]
    }
    assert at_specificity[0.80] == (pytest.approx(0.8), pytest.approx(0.5))
    assert at_specificity[0.95] == (pytest.approx(0.6), pytest.approx(0.7))
    at_sensitivity = {row["sensitivity"]: row["specificity"] for row in malignant["specificity_at_sensitivity"]}
    assert at_sensitivity[0.90] == pytest.approx(0.6)
    point = malignant["operating_point"]
    assert (point["sensitivity"], point["specificity"]) == (pytest.approx(0.8), pytest.approx(0.8))
    assert point["positive_predictive_value"] == pytest.approx(4 / 5)


def test_specificity_that_no_threshold_reaches_flags_nobody() -> None:
    malignant = classification_figures(binary([0.9, 0.9, 0.9, 0.9], [0, 0, 1, 1]), draws=5)["malignant"]
    assert malignant["auroc"] == pytest.approx(0.5)
    assert malignant["sensitivity_at_specificity"][0]["sensitivity"] == 0
    assert malignant["sensitivity_at_specificity"][0]["malignant_probability"] is None


def test_the_least_suspected_malignant_images_come_first() -> None:
    missed = classification_figures(binary([0.3, 0.1, 0.2, 0.9], [0, 1, 1, 1]), draws=5)["missed"]
    assert [row["image"] for row in missed] == ["image 1", "image 2", "image 3"]
    assert missed[0] == {
        "image": "image 1",
        "lesion": "1",
        "diagnosis": "MALIGNANT",
        "predicted": "BENIGN",
        "malignant_probability": pytest.approx(0.1),
    }


def test_calibration_error_is_the_mean_gap_over_bins() -> None:
    # Ten images at confidence 0.8 of which 7 are right: one bin, gap 0.1.
    assert measured([0] * 7 + [1] * 3, [0] * 10)["expected_calibration_error"] == pytest.approx(0.1)
    figures = measured([0] * 8 + [1] * 2, [0] * 10)
    assert figures["expected_calibration_error"] == pytest.approx(0)
    (only,) = figures["reliability"]
    assert (only["images"], only["confidence"], only["accuracy"]) == (10, pytest.approx(0.8), pytest.approx(0.8))
    assert only["low"] <= 0.8 <= only["high"]


def test_the_interval_of_the_calibration_error_holds_the_error() -> None:
    figures = classification_figures(noisy(300))
    low, high = figures["expected_calibration_error_95"]
    assert 0 <= low <= figures["expected_calibration_error"] <= high


def test_intervals_hold_their_value_and_none_is_given_for_few_lesions() -> None:
    figures = classification_figures(noisy(300, lesions=200), malignant_threshold=0.5)
    for holder, name in ((figures, "accuracy"), (figures, "balanced_accuracy"), (figures, "malignant_auroc"), (figures["macro"], "f1")):
        low, high = holder[f"{name}_95"]
        assert low < holder[name] < high
    few = measured([0, 0, 1, 1], [0, 1, 1, 1])
    assert few["accuracy_95"] is None
    assert few["recall_95"] == {"MEL": None, "NV": None, "BCC": None}


def test_a_card_carries_figures_but_no_curves_and_no_images() -> None:
    card = card_figures(classification_figures(noisy(100), malignant_threshold=0.5, draws=20))
    assert {"accuracy", "accuracy_95", "recall", "macro", "malignant", "malignant_auroc"} <= set(card)
    assert not {"roc", "confusion", "reliability", "missed"} & set(card)
    assert card["accuracy"] == round(card["accuracy"], 4)
    assert "ISIC" not in str(card)
