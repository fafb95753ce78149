"""Every figure has an error, and what is kept comes back as it was."""

import json
import math
from dataclasses import fields

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.change import Estimate, Scale, ScaleSource, VisitMeasures, measure_visit
from models.change.measures import ESTIMATES
from models.change.perturb import redrawn
from models.change.regions import fitted, mask_of_polygons, mean_lab, polygons_of, skin_around
from tests.change.visits import HEIGHT, WIDTH, analyzer, disc, first_visit, lesion, plain_measures

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def measured() -> VisitMeasures:
    found = first_visit().measures
    assert found
    return found


def test_every_figure_has_an_error_and_the_area_is_that_of_the_lesion() -> None:
    found = measured()
    assert all(getattr(found, name).error > 0 for name in ESTIMATES)
    assert found.area_px.value == pytest.approx(cv2.countNonZero(lesion().mask), rel=0.2)
    assert found.area_mm2
    assert found.area_mm2.value == pytest.approx(found.area_px.value * lesion().pixel_spacing_mm ** 2)
    assert found.scale == Scale(lesion().pixel_spacing_mm, ScaleSource.DICOM)
    assert not found.touches_border
    assert not found.drawn


def test_without_a_scale_there_are_no_millimetres() -> None:
    found = plain_measures(mm_per_px=None, scale_source=None)
    assert found.scale is None
    assert found.area_mm2 is None
    assert found.major_mm is None
    assert found.minor_mm is None


def test_a_readers_outline_wins() -> None:
    drawn = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    cv2.circle(drawn, (128, 96), 40, (255,), -1)
    found = measure_visit(lesion().rgb, analyzer=analyzer(), mask=drawn, scale=None)
    assert found
    assert found.drawn
    assert found.area_px.value == pytest.approx(4 * math.pi * 40**2, rel=0.03)
    assert 0.02 < found.area_px.error / found.area_px.value < 0.12


def test_figures_are_in_pixels_of_the_original() -> None:
    drawn = disc(radius=40)
    small = measure_visit(lesion().rgb, analyzer=analyzer(), mask=drawn, scale=None)
    large = measure_visit(lesion().rgb, analyzer=analyzer(), mask=drawn, scale=None, full_size=(2 * WIDTH, 2 * HEIGHT))
    assert small
    assert large
    assert large.area_px.value == pytest.approx(4 * small.area_px.value)
    assert large.major_px.value == pytest.approx(2 * small.major_px.value)
    assert (large.width, large.height) == (2 * WIDTH, 2 * HEIGHT)


def test_an_empty_outline_is_no_lesion() -> None:
    assert measure_visit(lesion().rgb, analyzer=analyzer(), mask=np.zeros((10, 10), np.uint8), scale=None) is None


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (33, 32)])
def test_pictures_of_any_size_are_measured(height: int, width: int) -> None:
    picture = np.full((height, width, 3), 150, np.uint8)
    found = measure_visit(picture, analyzer=analyzer(), mask=np.full((height, width), 255, np.uint8), scale=None)
    assert found
    assert found.touches_border
    json.dumps(found.to_json(), allow_nan=False)


def test_what_is_kept_comes_back_as_it_was() -> None:
    found = measured()
    assert VisitMeasures.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


@settings(max_examples=30, deadline=None)
@given(FINITE, FINITE, st.sampled_from(ESTIMATES), st.sampled_from([None, *ScaleSource]))
def test_any_finite_figures_come_back(value: float, error: float, name: str, source: ScaleSource | None) -> None:
    given_ = plain_measures(**{name: Estimate(value, error)}, scale_source=source, mm_per_px=0.1 if source else None)
    assert VisitMeasures.from_json(json.loads(json.dumps(given_.to_json(), allow_nan=False))) == given_


@pytest.mark.parametrize("broken", [[1.0], [1.0, math.nan], [math.inf, 0.0], ["x", 1.0]])
def test_a_broken_estimate_is_refused(broken: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # float's own words, or ours
        Estimate.from_json(broken)


def test_a_missing_figure_is_refused() -> None:
    kept = plain_measures().to_json()
    for field in fields(VisitMeasures):
        with pytest.raises(KeyError):
            VisitMeasures.from_json({name: value for name, value in kept.items() if name != field.name})


def test_a_line_is_redrawn_a_little_outside_and_inside() -> None:
    mask = disc(radius=60)
    outer, inner = (cv2.countNonZero(one) / cv2.countNonZero(mask) for one in redrawn(mask))
    assert outer == pytest.approx(1.05, abs=0.02)
    assert inner == pytest.approx(0.95, abs=0.02)


def test_an_outline_comes_back_from_its_polygons() -> None:
    mask = np.maximum(disc(radius=50, x=90), disc(radius=20, x=200, y=60))
    again = mask_of_polygons(polygons_of(mask), width=256, height=256)
    assert cv2.countNonZero(cv2.absdiff(mask, again)) < 0.03 * cv2.countNonZero(mask)
    assert not mask_of_polygons((), width=5, height=5).any()


def test_the_skin_around_lies_outside_the_lesion() -> None:
    mask = disc(radius=40)
    ring = skin_around(mask)
    assert ring.any()
    assert not ring[np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8))) > 0].any()


def test_a_coarser_mask_covers_the_whole_picture() -> None:
    assert cv2.countNonZero(fitted(disc(radius=64), width=512, height=512)) == pytest.approx(math.pi * 128**2, rel=0.02)
    assert cv2.countNonZero(fitted(disc(radius=64), width=64, height=64)) == pytest.approx(math.pi * 16**2, rel=0.05)


def test_the_mean_colour_of_white_is_white() -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    assert mean_lab(white, np.zeros((4, 4), np.uint8)) == pytest.approx((100, 0, 0), abs=0.1)
