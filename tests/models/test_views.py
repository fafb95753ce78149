"""Turns and flips of a square, and the way back."""

import numpy as np
import pytest

from models.views import COUNTS, VIEWS, mean_over_views, mean_upright, views_of


@pytest.mark.parametrize("count", COUNTS)
def test_each_view_is_another_one_and_the_first_is_upright(count: int) -> None:
    squares = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    views = views_of(squares, count=count).reshape(count, 2, 4, 4, 3)
    assert np.array_equal(views[0], squares)
    assert len({view.tobytes() for view in views}) == count
    assert all(np.array_equal(np.sort(view, axis=None), np.sort(squares, axis=None)) for view in views)


@pytest.mark.parametrize("count", COUNTS)
def test_maps_of_the_views_come_back_upright(count: int) -> None:
    maps = np.random.default_rng(0).random((3, 5, 5), np.float32)
    assert np.allclose(mean_upright(views_of(maps, count=count), count=count), maps)


def test_rows_are_averaged_over_the_views_of_their_own_picture() -> None:
    rows = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]], np.float32)
    assert np.allclose(mean_over_views(rows, count=2), [[2, 20], [3, 30]])


def test_the_eight_views_are_closed_under_turning() -> None:
    square = np.arange(9).reshape(1, 3, 3)
    views = {view.tobytes() for view in views_of(square, count=8)}
    assert len(VIEWS) == 8
    assert {np.rot90(square[0], turns).tobytes() for turns in range(4)} <= views


def test_any_other_number_of_views_is_refused() -> None:
    with pytest.raises(ValueError, match="3 views of a square: use 1, 2, 4, 8"):
        views_of(np.zeros((1, 2, 2)), count=3)
