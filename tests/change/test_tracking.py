"""A border that moved by a known amount, however its outline was drawn and whatever the lamp did."""

import cv2
import numpy as np
import pytest

from models.change.tracking import Laid, track
from models.pictures.types import Gray, Rgb
from tests.change.visits import disc

SKIN, PIGMENT = np.array([225.0, 180.0, 165.0]), np.array([130.0, 80.0, 60.0])
EVERYWHERE = np.full((256, 256), 255, np.uint8)


def spot(*, radius: float, light: float = 1.0, pigment: float = 1.0, mask: Gray | None = None) -> Rgb:
    """A soft dark spot on skin; ``mask`` instead of a disc."""
    soft = cv2.GaussianBlur(disc(radius=radius) if mask is None else mask, (0, 0), 3).astype(np.float32)[..., None] / 255
    rgb = SKIN * (1 - soft * pigment) + PIGMENT * soft * pigment
    noise = np.random.default_rng(0).normal(0, 2, rgb.shape)
    return np.clip(rgb * light + noise, 0, 255).astype(np.uint8)


def laid(*, radius: float, drawn: float | None = None, light: float = 1.0, pigment: float = 1.0) -> Laid:
    """``drawn``: radius of the outline, where it is off the true border."""
    return Laid(rgb=spot(radius=radius, light=light, pigment=pigment), mask=disc(radius=drawn or radius), seen=EVERYWHERE)


@pytest.mark.parametrize("growth", [-0.3, 0.0, 0.15, 0.4, 1.0])
def test_growth_is_found(growth: float) -> None:
    found = track(laid(radius=40), laid(radius=40 * (1 + growth) ** 0.5))
    assert found
    assert found.area_ratio - 1 == pytest.approx(growth, abs=0.04)
    assert found.side_ratios == pytest.approx((((1 + growth) ** 0.5,) * 2), abs=0.03)
    assert found.disagreement < 0.02


@pytest.mark.parametrize(("before", "after"), [(46.0, 44.0), (37.0, 46.0), (45.0, 54.0)])
def test_an_outline_off_the_border_does_not_matter(before: float, after: float) -> None:
    found = track(laid(radius=42, drawn=before), laid(radius=48, drawn=after))
    assert found
    assert found.area_ratio == pytest.approx((48 / 42) ** 2, abs=0.06)


@pytest.mark.parametrize(("light", "pigment"), [(0.75, 1.0), (1.1, 1.0), (1.0, 0.6), (0.8, 1.1)])
def test_lamp_and_darkening_do_not_move_the_border(light: float, pigment: float) -> None:
    found = track(laid(radius=45), laid(radius=45, light=light, pigment=pigment))
    assert found
    assert found.area_ratio == pytest.approx(1, abs=0.04)


def test_growth_to_one_side_is_found_there() -> None:
    bulge = np.maximum(disc(radius=40), disc(radius=30, x=152))
    found = track(laid(radius=40), Laid(rgb=spot(radius=0, mask=bulge), mask=bulge, seen=EVERYWHERE))
    assert found
    true = cv2.countNonZero(bulge) / cv2.countNonZero(disc(radius=40))
    assert found.area_ratio == pytest.approx(true, abs=0.08)


def test_no_lesion_in_the_frame_is_no_movement() -> None:
    empty = Laid(rgb=spot(radius=40), mask=np.zeros((256, 256), np.uint8), seen=EVERYWHERE)
    assert track(empty, laid(radius=40)) is None
    assert track(laid(radius=40), empty) is None


def test_a_lesion_without_contrast_has_an_answer() -> None:
    flat = Laid(rgb=np.full((256, 256, 3), 180, np.uint8), mask=disc(radius=40), seen=EVERYWHERE)
    found = track(flat, flat)
    assert found
    assert np.isfinite(found.area_ratio)
    assert np.isfinite(found.disagreement)
