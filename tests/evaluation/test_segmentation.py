"""Figures of outlines, with the odd cases of ISIC's own scoring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.evaluation.figures import OutlineScores, segmentation_figures
from models.evaluation.figures.segmentation import jaccard_of, pixel_rates, thresholded
from tests.evaluation.samples import outlines

Mask = NDArray[np.bool_]
EMPTY = np.zeros((4, 4), np.bool_)
FULL = ~EMPTY
CORNER = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.bool_)


def scores(predicted: Mask, truth: Mask) -> OutlineScores:
    return OutlineScores.of_masks(predicted=[predicted], truth=[truth], groups=["a"], images=["one"])


@pytest.mark.parametrize(
    ("predicted", "truth", "overlap", "rates"),
    [
        (CORNER, CORNER, (1, 1), (1, 1, 1, 1)),
        (EMPTY, EMPTY, (1, 1), (1, 1, 1, 1)),  # nothing to find and nothing found
        (EMPTY, CORNER, (0, 0), (0, 1, 1, 12 / 16)),  # an empty outline has no wrong pixel in it
        (CORNER, EMPTY, (0, 0), (1, 12 / 16, 0, 12 / 16)),  # with no lesion, none is missed
        (FULL, CORNER, (4 / 16, 8 / 20), (1, 0, 4 / 16, 4 / 16)),
        (CORNER, FULL, (4 / 16, 8 / 20), (4 / 16, 1, 1, 4 / 16)),  # with no skin, none is outlined
        (FULL, FULL, (1, 1), (1, 1, 1, 1)),
    ],
)
def test_one_image_worked_out_by_hand(
    predicted: Mask, truth: Mask, overlap: tuple[float, float], rates: tuple[float, float, float, float]
) -> None:
    """``overlap``: Jaccard and Dice; ``rates``: sensitivity, specificity, precision and global accuracy."""
    figures = segmentation_figures(scores(predicted, truth), draws=5)
    assert (figures["jaccard"], figures["dice"]) == pytest.approx(overlap)
    assert figures["pixels"]["f1"] == pytest.approx(overlap[1])
    assert [figures["pixels"][name] for name in ("sensitivity", "specificity", "precision", "global_accuracy")] == pytest.approx(rates)


def test_under_065_counts_as_nothing_and_065_itself_counts() -> None:
    assert thresholded(np.array([0.649999, 0.65, 0.9, 0.0])).tolist() == [0, 0.65, 0.9, 0]
    # 13 of 20 pixels is 0.65 exactly.
    edge = OutlineScores(tp=np.array([13, 12]), fp=np.array([3, 4]), fn=np.array([4, 4]), tn=np.array([50, 50]), groups=["a", "b"])
    figures = segmentation_figures(edge, draws=5)
    assert jaccard_of(edge) == pytest.approx([0.65, 0.6])
    assert figures["thresholded_jaccard"] == pytest.approx(0.325)
    assert figures["share_under_0.65"] == 0.5
    assert sum(figures["histogram"][:13]) == 1
    assert sum(figures["histogram"][13:]) == 1


def test_pooled_pixels_weigh_large_lesions_more() -> None:
    two = OutlineScores(tp=np.array([90, 1]), fp=np.array([10, 9]), fn=np.array([0, 0]), tn=np.array([0, 90]), groups=["a", "b"])
    figures = segmentation_figures(two, draws=5)
    assert figures["pixels"]["precision"] == pytest.approx((0.9 + 0.1) / 2)
    assert figures["pixels_pooled"]["precision"] == pytest.approx(91 / 110)
    assert figures["pixels_pooled"]["f1"] == pytest.approx(2 * 91 / (2 * 91 + 19))


def test_pooled_figures_of_nothing_are_none() -> None:
    assert segmentation_figures(scores(EMPTY, EMPTY), draws=5)["pixels_pooled"]["precision"] is None


@given(seed=st.integers(0, 1_000), count=st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_figures_keep_their_bounds(seed: int, count: int) -> None:
    made = outlines(count, seed=seed)
    figures = segmentation_figures(made, draws=10)
    assert 0 <= figures["thresholded_jaccard"] <= figures["jaccard"] <= figures["dice"] <= 1
    assert sum(figures["histogram"]) == count
    assert all((values >= 0).all() and (values <= 1).all() for values in pixel_rates(made).values())
    assert [row["jaccard"] for row in figures["worst"]] == sorted(jaccard_of(made))[:20]


def test_empty_outlines_are_counted() -> None:
    figures = segmentation_figures(scores(EMPTY, CORNER), draws=5)
    assert (figures["empty_predictions"], figures["empty_truths"]) == (1, 0)
