"""Pictures whose true transform is known, pictures of different lesions, and pictures that show nothing to hold on to."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.change import NoComparison, Registration, Why, look_at, register
from models.pictures.types import Rgb
from models.synthetic import Kind, draw

WIDTH, HEIGHT = 640, 480


def lesion(seed: int, kind: Kind = Kind.NAEVUS) -> Rgb:
    return draw(seed=seed, kind=kind, width=WIDTH, height=HEIGHT).rgb


def turned(picture: Rgb, *, angle: float, scale: float, shift: tuple[float, float] = (0, 0), light: float = 1.0) -> tuple[Rgb, np.ndarray]:
    """The picture as another visit would show it, and the 2×3 map that takes it there."""
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, scale)
    matrix[:, 2] += np.array(shift)
    moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.clip(moved.astype(np.float32) * light, 0, 255).astype(np.uint8), matrix


def corner_error(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of the four corners, as a share of the diagonal."""
    corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [WIDTH, HEIGHT, 1], [0, HEIGHT, 1]], np.float64)
    return float(np.linalg.norm(corners @ found.T - corners @ true.T, axis=1).mean() / np.hypot(WIDTH, HEIGHT))


@pytest.mark.parametrize("angle", [-170, -60, 0, 25, 100])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_a_turned_and_magnified_picture_is_found_again(angle: float, scale: float) -> None:
    picture = lesion(4)
    moved, true = turned(picture, angle=angle, scale=scale, shift=(25, -15), light=0.9)
    found = register(look_at(picture), look_at(moved))
    assert isinstance(found, Registration)
    assert corner_error(found.matrix, true) < 0.01
    assert found.scale == pytest.approx(scale, rel=0.02)
    assert (found.rotation - angle + 180) % 360 - 180 == pytest.approx(0, abs=1.5)


def test_pictures_of_different_sizes_are_compared_at_their_own_sizes() -> None:
    picture = lesion(5)
    larger = np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    found = register(look_at(picture), look_at(larger))
    assert isinstance(found, Registration)
    assert found.scale == pytest.approx(2, rel=0.01)
    assert found.matrix @ np.array([100.0, 100.0, 1.0]) == pytest.approx([200, 200], abs=3)


@pytest.mark.parametrize("seed", range(6))
def test_another_lesion_is_no_comparison(seed: int) -> None:
    answer = register(look_at(lesion(10 + seed)), look_at(lesion(30 + seed)))
    assert isinstance(answer, NoComparison)
    assert answer.why is Why.OTHER_PLACE


def test_a_blurred_picture_is_no_comparison_and_says_so() -> None:
    picture = lesion(4)
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 25), np.uint8)
    answer = register(look_at(picture), look_at(blurred))
    assert isinstance(answer, NoComparison)
    assert answer.why is Why.BLURRED


def test_nothing_to_see_is_no_comparison() -> None:
    empty = look_at(np.full((HEIGHT, WIDTH, 3), 180, np.uint8))
    assert isinstance(register(empty, empty), NoComparison)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_has_an_answer(width: int, height: int) -> None:
    tiny = look_at(np.full((height, width, 3), 120, np.uint8))
    assert isinstance(register(tiny, look_at(lesion(4))), NoComparison)


def test_the_same_pictures_give_the_same_answer() -> None:
    picture = lesion(8)
    moved, _ = turned(picture, angle=40, scale=1.2)
    one, other = (register(look_at(picture), look_at(moved)) for _ in range(2))
    assert isinstance(one, Registration)
    assert isinstance(other, Registration)
    assert np.array_equal(one.matrix, other.matrix)
