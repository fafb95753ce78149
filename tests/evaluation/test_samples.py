"""Predictions, outlines and records are checked before anything is measured."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from models.evaluation.figures import EvaluationError, OutlineScores, age_band, attributes_of
from tests.evaluation.samples import noisy, outlines, sure


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"probabilities": np.ones((2, 2)) / 2}, "must be images × 3 classes"),
        ({"probabilities": np.full((2, 3), 0.5)}, "apply softmax"),
        ({"probabilities": np.full((2, 3), np.nan)}, "finite"),
        ({"labels": np.array([0, 3])}, "labels must be 0 to 2"),
        ({"labels": np.array([-1, 0])}, "leave images without a diagnosis out"),
        ({"labels": np.array([0])}, "2 images, but 1 labels"),
        ({"malignant": {"SCC"}}, "SCC"),
        ({"groups": ["a"]}, "2 images, but 1 groups"),
        ({"groups": ["a", ""]}, "count as one lesion"),
        ({"attributes": {"sex": ["female"]}}, "1 attribute sex"),
        ({"images": ["one", "two", "three"]}, "3 images"),
        ({"probabilities": np.empty((0, 3)), "labels": np.empty(0), "groups": []}, "no images to measure"),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EvaluationError, match=complaint):
        replace(sure([0, 1], [0, 1]), **change)


def test_the_malignant_probability_is_the_sum_over_malignant_classes() -> None:
    predictions = sure([0, 1], [0, 1])
    assert predictions.malignant_probability == pytest.approx([0.9, 0.2])
    assert predictions.truly_malignant.tolist() == [True, False]


def test_a_part_keeps_what_belongs_to_its_images() -> None:
    whole = noisy(20)
    part = whole.take(np.array([7, 3]))
    assert part.images == [whole.images[7], whole.images[3]]
    assert part.groups == [whole.groups[7], whole.groups[3]]
    assert part.attributes["sex"] == [whole.attributes["sex"][7], whole.attributes["sex"][3]]
    assert np.array_equal(part.probabilities, whole.probabilities[[7, 3]])
    assert outlines(9).take(np.arange(9) < 2).tp.tolist() == outlines(9).tp[:2].tolist()


def test_masks_become_pixel_counts() -> None:
    truth = np.zeros((4, 5), np.uint8)
    truth[:2, :3] = 255
    found = np.zeros((4, 5), np.bool_)
    found[:, 2] = True
    scores = OutlineScores.of_masks(predicted=iter([found]), truth=iter([truth]), groups=["a"])
    assert (scores.tp.tolist(), scores.fp.tolist(), scores.fn.tolist(), scores.tn.tolist()) == ([2], [2], [4], [12])


def test_masks_that_cannot_be_compared_are_refused() -> None:
    square, grey = np.zeros((4, 4), np.uint8), np.full((4, 4), 128, np.uint8)
    with pytest.raises(EvaluationError, match="resize one"):
        OutlineScores.of_masks(predicted=[square], truth=[square[:2]], groups=["a"])
    with pytest.raises(EvaluationError, match=r"mask 0: the true one holds grey values.*mask > 127"):
        OutlineScores.of_masks(predicted=[square], truth=[grey], groups=["a"])
    with pytest.raises(EvaluationError, match="not as many"):
        OutlineScores.of_masks(predicted=[square, square], truth=[square], groups=["a"])
    with pytest.raises(EvaluationError, match="whole numbers"):
        OutlineScores(tp=np.array([-1]), fp=np.array([0]), fn=np.array([0]), tn=np.array([0]), groups=["a"])


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "under 30"),
        (29.9, "under 30"),
        (30, "30–44"),
        (59, "45–59"),
        (60, "60–74"),
        (75, "75 and over"),
        (None, None),
        (float("nan"), None),
    ],
)
def test_ages_fall_into_bands(age: float | None, band: str | None) -> None:
    assert age_band(age) == band


def test_records_tell_their_attributes() -> None:
    @dataclass(frozen=True)
    class Record:
        age: float | None = None
        sex: str | None = None
        site: str | None = None
        fitzpatrick: str | None = None
        source: str | None = None

    told = attributes_of([Record(age=50, sex="female", source="HAM10000"), Record(site="", fitzpatrick="II")])
    assert told == {
        "age": ["45–59", None],
        "sex": ["female", None],
        "site": [None, None],
        "fitzpatrick": [None, "II"],
        "source": ["HAM10000", None],
    }
