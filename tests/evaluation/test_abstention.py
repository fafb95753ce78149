"""Strangers and prediction sets; runs side by side."""

from typing import Any

import numpy as np
import pytest

from models.evaluation.figures import EvaluationError, comparison_figures, conformal_figures, history_figures, ood_figures
from models.evaluation.figures.comparison import HEADLINES

LESIONS = [f"lesion {index}" for index in range(20)]


def test_strangers_that_all_score_higher_are_told_apart_perfectly() -> None:
    figures = ood_figures(inside=np.arange(20.0), groups=LESIONS, outside={"photographs": np.arange(20.0) + 30}, threshold=25, draws=50)
    apart = figures["outside"]["photographs"]
    assert (apart["auroc"], apart["fpr_at_95_tpr"], apart["refused"]) == (1, 0, 1)
    assert figures["inside"]["refused"] == 0
    assert figures["inside"]["refused_95"][1] == pytest.approx(1 - 0.025 ** (1 / 20))  # none of twenty is not never
    assert sum(figures["inside"]["histogram"]) == pytest.approx(1)
    assert sum(apart["histogram"]) == pytest.approx(1)


def test_fpr_at_95_tpr_worked_out_by_hand() -> None:
    # 19 of 20 lesions (95 %) score 18 or less; of the strangers 5, 15, 25, 35 two do.
    figures = ood_figures(inside=np.arange(20.0), groups=LESIONS, outside={"skin": np.array([5.0, 15, 25, 35])}, draws=10)
    assert figures["outside"]["skin"]["fpr_at_95_tpr"] == pytest.approx(0.5)
    # Pairs with the stranger higher: 5 + ½, 15 + ½, 20, 20 of 80.
    assert figures["outside"]["skin"]["auroc"] == pytest.approx(61 / 80)
    assert "refused" not in figures["inside"]


def test_scores_that_cannot_be_ranked_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"'photographs'.*folder"):
        ood_figures(inside=np.arange(20.0), groups=LESIONS, outside={"photographs": np.empty(0)})
    with pytest.raises(EvaluationError, match="'inside'"):
        ood_figures(inside=np.full(20, np.inf), groups=LESIONS, outside={})
    with pytest.raises(EvaluationError, match="20 inside scores, but 3 groups"):
        ood_figures(inside=np.arange(20.0), groups=LESIONS[:3], outside={})


def test_prediction_sets_worked_out_by_hand() -> None:
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]], np.bool_)
    labels = np.array([0, 0, 1, 2])
    figures = conformal_figures(sets=sets, labels=labels, codes=["MEL", "NV", "BCC"], groups=list("abcd"), target=0.9, draws=10)
    assert (figures["coverage"], figures["mean_size"]) == (0.75, 1.25)
    assert (figures["singletons"], figures["empty"]) == (0.25, 0.25)
    assert figures["sizes"] == [1, 1, 2, 0]
    assert {code: row["coverage"] for code, row in figures["by_class"].items()} == {"MEL": 1, "NV": 0, "BCC": 1}
    assert [(row["size"], row["coverage"]) for row in figures["by_size"]] == [(0, 0), (1, 1), (2, 1)]
    with pytest.raises(EvaluationError, match="images × 2"):
        conformal_figures(sets=sets, labels=labels, codes=["MEL", "NV"], groups=list("abcd"), target=0.9)


def test_runs_are_compared_by_what_they_have() -> None:
    runs: dict[str, dict[str, Any]] = {
        "a": {"accuracy": 0.8, "accuracy_95": [0.7, 0.9], "macro": {"f1": 0.6, "f1_95": None}},
        "b": {"accuracy": 0.7},
    }
    figures = comparison_figures(
        runs=runs, reported={"b": {"accuracy": 0.75}, "paper": {"macro.f1": 0.78}}, protocols={"paper": "image split"}
    )
    assert figures["metrics"] == ["accuracy", "macro.f1"]  # none has the others
    assert [row["name"] for row in figures["runs"]] == ["a", "b", "paper"]
    assert figures["runs"][0]["values"]["macro.f1"] == {"value": 0.6, "interval": None}
    assert figures["runs"][2] == {
        "name": "paper",
        "protocol": "image split",
        "values": {name: {"value": None, "interval": None} for name in HEADLINES},
        "reported": {"macro.f1": 0.78},
    }
    with pytest.raises(EvaluationError, match="nothing to compare"):
        comparison_figures(runs={"a": {"dice": 1.0}})


def test_a_key_with_a_point_in_its_own_name_is_found() -> None:
    figures = comparison_figures(runs={"a": {"share_under_0.65": 0.1, "share_under_0.65_95": [0, 0.2]}}, metrics=["share_under_0.65"])
    assert figures["runs"][0]["values"]["share_under_0.65"] == {"value": 0.1, "interval": [0, 0.2]}


def test_curves_take_every_number_and_leave_gaps_open() -> None:
    history: list[dict[str, Any]] = [
        {"epoch": 1, "loss": 2.0, "note": "warm-up"},
        {"epoch": 2, "loss": 1.0, "accuracy": 0.5, "auroc": float("nan")},
    ]
    assert history_figures(history, best=2) == {
        "best": 2,
        "epochs": [1, 2],
        "curves": {"loss": [2.0, 1.0], "accuracy": [None, 0.5]},
    }
    assert history_figures([{"loss": 1}])["epochs"] == [1]
    with pytest.raises(EvaluationError, match="no epoch"):
        history_figures([])
