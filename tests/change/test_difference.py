"""What is new is marked, and light, position and grain are not."""

import cv2
import numpy as np
import pytest

from models.change.difference import Difference, difference_of, difference_png, registered_jpeg
from models.change.laying import Sight
from models.pictures.decode import decode
from models.pictures.types import Gray, Rgb
from tests.change.visits import HEIGHT, WIDTH, lesion

STAY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SEEN = np.full((HEIGHT, WIDTH), 255, np.uint8)


def sight(rgb: Rgb, mask: Gray | None = None) -> Sight:
    """The drawn lesion's picture, or another one with its outline."""
    return Sight(clean=rgb, mask=lesion().mask if mask is None else mask, seen=SEEN)


def between(earlier: Rgb, later: Rgb) -> Difference:
    return difference_of(sight(earlier), sight(later), STAY)


def lit(rgb: Rgb, *gains: float) -> Rgb:
    noisy = rgb * np.array(gains) + np.random.default_rng(0).normal(0, 2, rgb.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def test_another_lamp_and_grain_are_no_difference() -> None:
    found = between(lesion().rgb, lit(lesion().rgb, 0.85, 0.9, 0.8))
    assert found.share < 0.02
    assert found.gains == pytest.approx((0.85, 0.9, 0.8), abs=0.03)


@pytest.mark.parametrize("shift", [1, 2])
def test_a_picture_laid_a_little_aside_is_no_difference(shift: int) -> None:
    assert between(lesion().rgb, np.roll(lesion().rgb, shift, axis=1)).share < 0.02


def test_a_new_blotch_is_marked_where_it_is() -> None:
    later = lesion().rgb.copy()
    y, x = (int(places.mean()) for places in np.nonzero(lesion().mask))
    cv2.circle(later, (x, y), 14, (200, 205, 215), -1)
    found = between(lesion().rgb, later)
    blotch = np.hypot(*(np.mgrid[0:HEIGHT, 0:WIDTH] - np.array([y, x])[:, None, None])) < 10
    assert (found.magnitude[blotch] > found.noise).mean() > 0.9
    assert found.share == pytest.approx(np.pi * 14**2 / cv2.countNonZero(lesion().mask), rel=0.4)
    drawn = cv2.imdecode(np.frombuffer(difference_png(found), np.uint8), cv2.IMREAD_UNCHANGED)
    assert drawn is not None
    assert drawn.shape == (HEIGHT, WIDTH, 4)
    assert (np.asarray(drawn)[blotch, 3] > 0).mean() > 0.9
    assert (np.asarray(drawn)[~blotch, 3] > 0).mean() < 0.05


def test_what_one_picture_does_not_show_is_no_difference() -> None:
    aside = np.array([[1.0, 0.0, WIDTH], [0.0, 1.0, 0.0]])
    found = difference_of(sight(lesion().rgb), sight(lesion().rgb), aside)
    assert not found.magnitude.any()
    assert found.share == 0
    assert all(np.isfinite((*found.gains, *found.gain_error, found.noise)))


def test_the_registered_picture_is_no_larger_than_the_pages_need() -> None:
    large = np.asarray(cv2.resize(lesion().rgb, (2048, 1536)), np.uint8)
    assert decode(registered_jpeg(lesion().rgb, large, STAY * 4)).rgb.shape == (768, 1024, 3)
