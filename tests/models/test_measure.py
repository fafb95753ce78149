import math

import cv2
import numpy as np
import pytest

from models.measure import asymmetry, colour_count, measure
from models.pictures.types import Gray, Rgb

SKIN = (224, 180, 160)


def ellipse(*, axes: tuple[int, int], angle: float = 0, size: int = 400) -> Gray:
    mask = np.zeros((size, size), np.uint8)
    cv2.ellipse(mask, (size // 2, size // 2), axes, angle, 0, 360, 255, cv2.FILLED)
    return mask


def picture(size: int = 400) -> Rgb:
    return np.full((size, size, 3), SKIN, np.uint8)


@pytest.mark.parametrize("angle", [0, 30, 90, 137])
def test_an_ellipse_has_its_axes_area_and_symmetry_at_any_angle(angle: float) -> None:
    found = measure(picture(), ellipse(axes=(120, 60), angle=angle), full_width=400, full_height=400, pixel_spacing_mm=None)
    assert found is not None
    assert found.major_diameter_px == pytest.approx(240, rel=0.03)
    assert found.minor_diameter_px == pytest.approx(120, rel=0.04)
    assert found.area_px == pytest.approx(math.pi * 120 * 60, rel=0.02)
    assert found.asymmetry < 0.05
    assert found.border_irregularity < 0.02
    assert found.area_mm2 is None
    assert found.scale_source is None


def test_measures_are_in_pixels_of_the_original_and_in_mm_with_a_known_spacing() -> None:
    found = measure(picture(), ellipse(axes=(100, 100)), full_width=4000, full_height=4000, pixel_spacing_mm=0.01)
    assert found is not None
    assert found.major_diameter_px == pytest.approx(2000, rel=0.02)
    assert found.major_diameter_mm == pytest.approx(20, rel=0.02)
    assert found.area_mm2 == pytest.approx(math.pi * 100, rel=0.02)
    assert found.scale_source == "dicom_pixel_spacing"


def test_a_half_disc_is_more_asymmetric_than_a_disc_and_a_star_more_irregular() -> None:
    disc = ellipse(axes=(100, 100))
    wedge = disc.copy()
    wedge[200:, 200:] = 0
    assert asymmetry(disc) < 0.03
    assert asymmetry(wedge) > 0.1
    star = cv2.fillPoly(
        np.zeros((400, 400), np.uint8),
        [
            np.array(
                [
                    (200 + r * math.cos(a), 200 + r * math.sin(a))
                    for a, r in zip(np.linspace(0, 2 * math.pi, 20, endpoint=False), [150, 60] * 10, strict=True)
                ],
                np.int32,
            )
        ],
        255,
    ).astype(np.uint8)
    found = measure(picture(), star, full_width=400, full_height=400, pixel_spacing_mm=None)
    assert found is not None
    assert found.border_irregularity > 0.3


def test_without_a_lesion_there_is_nothing_to_measure() -> None:
    assert measure(picture(), np.zeros((400, 400), np.uint8), full_width=400, full_height=400, pixel_spacing_mm=None) is None


def test_a_lesion_that_leaves_the_picture_says_so() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[:100, 150:250] = 255
    found = measure(picture(), mask, full_width=400, full_height=400, pixel_spacing_mm=None)
    assert found is not None
    assert found.touches_border


def test_colours_are_counted_when_they_cover_a_twentieth_of_the_lesion() -> None:
    painted = picture()
    painted[100:300, 100:300] = (105, 65, 45)
    painted[100:300, 100:160] = (40, 30, 30)
    painted[100:104, 296:300] = (185, 80, 75)  # a speck does not count
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 100:300] = 255
    assert colour_count(painted, mask) == 2
