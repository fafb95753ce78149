import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.crop import MIN_SHARE, cut, lesion_square
from models.masks import mask_of, tidy
from models.pictures.masks import decode_png, encode_png


def disc(x: int, y: int, radius: int, *, width: int = 200, height: int = 150) -> np.ndarray:
    return cv2.circle(np.zeros((height, width), np.uint8), (x, y), radius, 255, cv2.FILLED).astype(np.uint8)


def test_holes_are_filled_and_small_islands_removed() -> None:
    mask = disc(100, 75, 50)
    mask[75, 100] = 0
    mask[2:5, 2:5] = 255
    assert np.array_equal(tidy(mask), disc(100, 75, 50))


def test_two_lesions_of_similar_size_both_stay() -> None:
    mask = disc(50, 75, 30) | disc(150, 75, 25)
    assert np.array_equal(tidy(mask), mask)


def test_logits_become_a_mask_of_the_asked_size() -> None:
    logits = np.full((64, 64), -4, np.float32)
    logits[16:48, 16:48] = 4
    mask = mask_of(logits, width=200, height=150)
    assert mask.shape == (150, 200)
    assert set(np.unique(mask)) == {0, 255}
    assert abs(float((mask > 0).mean()) - 0.25) < 0.02


def test_a_mask_survives_its_png() -> None:
    mask = disc(100, 75, 50)
    assert np.array_equal(decode_png(encode_png(mask)), mask)


@given(
    width=st.integers(32, 900),
    height=st.integers(32, 900),
    box=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.02, 1), st.floats(0.02, 1)),
)
def test_the_square_is_a_square_inside_the_picture(width: int, height: int, box: tuple[float, float, float, float]) -> None:
    mask = np.zeros((96, 128), np.uint8)
    left, top = int(box[0] * 127), int(box[1] * 95)
    mask[top : top + max(1, int(box[3] * 96)), left : left + max(1, int(box[2] * 128))] = 255
    square = lesion_square(mask, width=width, height=height)
    side_x, side_y = 2 * square.half_x * width, 2 * square.half_y * height
    assert abs(side_x - side_y) < 1e-6
    assert MIN_SHARE * min(width, height) - 1e-6 <= side_x <= min(width, height) + 1e-6
    assert square.x - square.half_x >= -1e-9
    assert square.x + square.half_x <= 1 + 1e-9
    assert square.y - square.half_y >= -1e-9
    assert square.y + square.half_y <= 1 + 1e-9


def test_the_square_follows_the_lesion_and_falls_back_to_the_middle() -> None:
    square = lesion_square(disc(160, 40, 12), width=200, height=150)
    assert square.x > 0.7
    assert square.y < 0.4
    middle = lesion_square(np.zeros((150, 200), np.uint8), width=200, height=150)
    assert (middle.x, middle.y, 2 * middle.half_y) == (0.5, 0.5, 1)


def test_the_cut_shows_what_lies_in_the_square() -> None:
    picture = np.zeros((150, 200, 3), np.uint8)
    picture[disc(160, 40, 20) > 0] = (200, 10, 10)
    patch = cut(picture, lesion_square(disc(160, 40, 20), width=200, height=150), side=64)
    assert patch.shape == (64, 64, 3)
    assert patch[32, 32, 0] == 200
    assert patch[0, 0, 0] == 0
