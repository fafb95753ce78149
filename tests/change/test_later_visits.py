"""Later visits that are made: what is said of them is true of the pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.synthetic import draw
from models.synthetic.visits import Course, Imaging, Revisit, imaging_between, revisit, same_lamp

FIRST = draw(seed=3, kind="naevus", width=400, height=300, area=0.08)


def later(course: Course | None = None, imaging: Imaging | None = None, seed: int = 1) -> Revisit:
    return revisit(FIRST.rgb, FIRST.mask, course=course or Course(), imaging=imaging or Imaging(), seed=seed)


def area(mask: np.ndarray) -> int:
    return int(cv2.countNonZero(mask))


def test_nothing_changes_where_nothing_happens() -> None:
    visit = later()
    assert np.array_equal(visit.rgb, FIRST.rgb)
    assert np.array_equal(visit.mask, FIRST.mask)
    assert np.allclose(visit.matrix, [[1, 0, 0], [0, 1, 0]])
    assert visit.area == 1


@pytest.mark.parametrize("growth", [-0.3, 0.05, 0.15, 0.5, 1.0])
@pytest.mark.parametrize("lean", [0.0, 0.4])
def test_the_area_grows_by_what_is_said(growth: float, lean: float) -> None:
    visit = later(Course(growth=growth, lean=lean, towards=0.7))
    assert area(visit.mask) / area(FIRST.mask) == pytest.approx(1 + growth, abs=0.012)
    assert visit.area == 1 + growth


@settings(max_examples=10, deadline=None)
@given(st.floats(-180, 180), st.floats(0.7, 1.3), st.floats(0, 0.6))
def test_size_is_zoom_and_growth(turn: float, zoom: float, growth: float) -> None:
    visit = later(Course(growth=growth), Imaging(turn=turn, zoom=zoom))
    assert area(visit.mask) / area(FIRST.mask) == pytest.approx((1 + growth) * zoom**2, rel=0.02)


def test_the_matrix_takes_the_lesion_where_it_is() -> None:
    visit = later(imaging=Imaging(turn=70, zoom=0.8, shift=(0.1, -0.05)))
    moved = np.where(cv2.warpAffine(FIRST.mask, visit.matrix, (400, 300)) > 127, 255, 0).astype(np.uint8)
    assert area(cv2.bitwise_xor(moved, visit.mask)) < 0.01 * area(visit.mask)


def test_skin_far_from_a_growing_lesion_stays_where_it_was() -> None:
    visit = later(Course(growth=0.6))
    assert np.array_equal(visit.rgb[:, :20], FIRST.rgb[:, :20])
    assert np.array_equal(visit.rgb[:, -20:], FIRST.rgb[:, -20:])


def test_only_the_lesion_darkens() -> None:
    visit = later(Course(darkening=0.2))
    inside = cv2.erode(FIRST.mask, np.ones((15, 15), np.uint8)) > 0
    outside = cv2.dilate(FIRST.mask, np.ones((25, 25), np.uint8)) == 0
    assert visit.rgb[inside].mean() / FIRST.rgb[inside].mean() == pytest.approx(0.8, abs=0.02)
    assert np.array_equal(visit.rgb[outside], FIRST.rgb[outside])


def test_the_same_arguments_give_the_same_picture() -> None:
    imaging = imaging_between(np.random.default_rng(4))
    assert np.array_equal(later(imaging=imaging).rgb, later(imaging=imaging).rgb)
    assert not np.array_equal(later(imaging=imaging).rgb, later(imaging=imaging, seed=2).rgb)


def test_what_was_not_photographed_is_black() -> None:
    visit = later(imaging=Imaging(zoom=0.5, noise=3.0))
    assert not visit.rgb[:20, :20].any()


def test_the_same_lamp_keeps_the_light() -> None:
    imaging = same_lamp(imaging_between(np.random.default_rng(4)))
    assert imaging.gains == (1.0, 1.0, 1.0)
    assert imaging.hair == imaging_between(np.random.default_rng(4)).hair


def test_an_empty_mask_cannot_grow() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        revisit(FIRST.rgb, np.zeros((300, 400), np.uint8), course=Course(growth=0.1), imaging=Imaging())


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        revisit(FIRST.rgb, np.zeros((30, 40), np.uint8), course=Course(), imaging=Imaging())
