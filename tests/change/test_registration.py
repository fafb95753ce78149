"""Pictures whose true transform is known, pictures of different lesions, and pictures that show nothing to hold on to."""

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.change import Look, NoComparison, Registration, Way, Why, look_at, register
from models.change.features import support_of
from models.change.fitting import Fit
from models.change.geometry import between_sizes, corners, moved, nearest_similarity, rotation_of, scale_of, similarity
from models.change.guesses import by_intensity, by_outline
from models.change.registration import Attempt, attempts
from models.pictures.types import Gray, Rgb
from models.synthetic import Kind, draw

WIDTH, HEIGHT = 640, 480


@cache
def lesion(seed: int, kind: Kind = Kind.NAEVUS) -> Rgb:
    return draw(seed=seed, kind=kind, width=WIDTH, height=HEIGHT).rgb


@cache
def seen(seed: int) -> Look:
    return look_at(lesion(seed))


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


@pytest.mark.parametrize("angle", [-170, -60, 0, 100])
@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_a_turned_and_magnified_picture_is_found_again(angle: float, scale: float) -> None:
    picture = lesion(4)
    moved, true = turned(picture, angle=angle, scale=scale, shift=(25, -15), light=0.9)
    found = register(seen(4), look_at(moved))
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
    answer = register(seen(10 + seed), seen(30 + seed))
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
    assert isinstance(register(tiny, seen(4)), NoComparison)


def test_the_same_pictures_give_the_same_answer() -> None:
    picture = lesion(8)
    moved, _ = turned(picture, angle=40, scale=1.2)
    one, other = (register(look_at(picture), look_at(moved)) for _ in range(2))
    assert isinstance(one, Registration)
    assert isinstance(other, Registration)
    assert np.array_equal(one.matrix, other.matrix)


@cache
def pair(seed: int, *, angle: float, scale: float, shift: tuple[float, float] = (10, -6)) -> tuple[Look, Look, np.ndarray]:
    """Looks at two visits with their outlines, and the map between them in px of looks."""
    first = draw(seed=seed, kind=Kind.NAEVUS, width=WIDTH, height=HEIGHT)
    later, true = turned(first.rgb, angle=angle, scale=scale, shift=shift)
    mask = np.asarray(cv2.warpAffine(first.mask, true, (WIDTH, HEIGHT)), np.uint8)
    one, other = look_at(first.rgb, first.mask), look_at(later, mask)
    return one, other, between_sizes(true, source=one.scale, target=other.scale)


def distance(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of the corners of a look, as a share of its diagonal."""
    rim = corners(512, 384)
    return float(np.linalg.norm(moved(found, rim) - moved(true, rim), axis=1).mean() / np.hypot(512, 384))


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (40, 1.2), (-100, 0.8), (170, 1.3)])
def test_the_outlines_alone_guess_where_the_lesion_lies(angle: float, scale: float) -> None:
    earlier, later, true = pair(4, angle=angle, scale=scale)
    assert min(distance(guess, true) for guess in by_outline(earlier, later)) < 0.03


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (40, 1.0), (-100, 1.2), (170, 0.8)])
def test_the_spectra_alone_guess_where_the_lesion_lies(angle: float, scale: float) -> None:
    earlier, later, true = pair(4, angle=angle, scale=scale)
    assert min(distance(guess, true) for guess in by_intensity(earlier, later)) < 0.03


def test_without_outlines_there_is_no_guess_from_them() -> None:
    earlier = seen(4)
    assert list(by_outline(earlier, earlier)) == []


@pytest.mark.parametrize("way", [Way.OUTLINE, Way.INTENSITY])
def test_where_features_disagree_the_pictures_are_laid_over_each_other_all_the_same(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier, later, true = pair(4, angle=40, scale=1.1)
    monkeypatch.setattr("models.change.registration.by_features", lambda *_: (None, 0))
    if way is Way.INTENSITY:
        monkeypatch.setattr("models.change.registration.by_outline", lambda *_: [])
    found = register(earlier, later)
    assert isinstance(found, Registration)
    assert found.way is way
    assert distance(between_sizes(found.matrix, source=earlier.scale, target=later.scale), true) < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_outlines_of_different_lesions_do_not_make_them_one(seed: int) -> None:
    earlier, _, _ = pair(10 + seed, angle=0, scale=1)
    later, _, _ = pair(30 + seed, angle=0, scale=1)
    assert isinstance(register(earlier, later), NoComparison)


@pytest.mark.parametrize("inward", [True, False])
def test_much_too_different_magnification_is_no_comparison_and_says_so(inward: bool) -> None:
    whole = draw(seed=4, kind=Kind.NAEVUS, width=2 * WIDTH, height=2 * HEIGHT, area=0.02)
    rows, columns = slice(HEIGHT - 120, HEIGHT + 120), slice(WIDTH - 160, WIDTH + 160)
    far, close = look_at(whole.rgb, whole.mask), look_at(whole.rgb[rows, columns], whole.mask[rows, columns])
    answer = register(far, close) if inward else register(close, far)
    assert isinstance(answer, NoComparison)
    assert answer.why is Why.MAGNIFICATION


def test_lesions_of_much_too_different_size_are_no_comparison_by_their_outlines() -> None:
    def with_disc(seed: int, radius: int) -> Look:
        mask: Gray = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (WIDTH // 2, HEIGHT // 2), radius, 255, -1)
        return look_at(lesion(seed), mask)

    answer = register(with_disc(10, 20), with_disc(30, 200))
    assert isinstance(answer, NoComparison)
    assert answer.why is Why.MAGNIFICATION


@pytest.mark.parametrize(("angle", "scale"), [(10, 1.0), (80, 1.6), (-120, 0.6)])
def test_the_stated_errors_hold_the_true_ones(angle: float, scale: float) -> None:
    picture = lesion(6)
    later, true = turned(picture, angle=angle, scale=scale)
    found = register(seen(6), look_at(later))
    assert isinstance(found, Registration)
    assert 0 < found.scale_error < 0.03
    assert 0 < found.corner_error < 0.03
    assert corner_error(found.matrix, true) < 3 * found.corner_error
    assert abs(found.scale / scale - 1) < 3 * found.scale_error


def test_the_way_back_is_the_inverse() -> None:
    picture = lesion(6)
    later, _ = turned(picture, angle=30, scale=1.3)
    one, other = look_at(picture), look_at(later)
    there, back = register(one, other), register(other, one)
    assert isinstance(there, Registration)
    assert isinstance(back, Registration)
    assert there.scale * back.scale == pytest.approx(1, rel=0.01)
    assert there.rotation + back.rotation == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0, 1.5])
def test_the_overlap_is_the_share_of_the_later_picture(scale: float) -> None:
    picture = lesion(6)
    later, _ = turned(picture, angle=0, scale=scale)
    found = register(seen(6), look_at(later))
    assert isinstance(found, Registration)
    assert found.overlap == pytest.approx(min(1.0, scale**2), abs=0.12)


def test_a_look_takes_an_outline_of_any_size() -> None:
    mask: Gray = np.zeros((30, 40), np.uint8)
    mask[10:20, 10:30] = 1
    look = look_at(lesion(4), mask)
    assert look.mask is not None
    assert look.mask.shape == look.grey.shape
    assert (look.mask > 0).mean() == pytest.approx(1 / 6, abs=0.01)
    assert look_at(lesion(4), np.zeros((30, 40), np.uint8)).mask is None


def test_a_small_overlap_must_agree_better() -> None:
    earlier, later, true = pair(4, angle=0, scale=1)
    support = support_of(later, earlier, similarity(scale=1, degrees=0, source=(0, 0), target=(900, 0)), np.zeros((0, 0), np.float32))
    assert support.found == 0
    assert Attempt(Way.FEATURES, Fit(true, 0.9, 0.7, 0.9), support, turned=False).believed
    assert not Attempt(Way.FEATURES, Fit(true, 0.9, 0.7, 0.2), support, turned=False).believed
    assert not Attempt(Way.OUTLINE, Fit(true, 0.9, 0.62, 0.9), support, turned=False).believed


def test_every_way_that_has_a_guess_is_tried() -> None:
    earlier, later, _ = pair(4, angle=20, scale=1.1)
    assert [attempt.way for attempt in attempts(earlier, later)] == [Way.FEATURES, Way.OUTLINE, Way.INTENSITY]


def test_a_similarity_survives_a_change_of_size() -> None:
    matrix = similarity(scale=1.3, degrees=25, source=(100, 50), target=(80, 90))
    halved = between_sizes(matrix, source=0.5, target=0.5)
    assert scale_of(halved) == pytest.approx(1.3)
    assert rotation_of(halved) == pytest.approx(25)
    # The middle of pixel 0 of a picture at half size is the middle of pixels 0 and 1.
    assert (moved(halved, np.array([[10.0, 10.0]], np.float32)) * 2 + 0.5)[0] == pytest.approx(
        moved(matrix, np.array([[20.5, 20.5]], np.float32))[0]
    )
    assert between_sizes(halved, source=2, target=2) == pytest.approx(matrix)


def test_the_nearest_similarity_of_a_similarity_is_itself() -> None:
    matrix = similarity(scale=0.7, degrees=-60, source=(10, 20), target=(30, 40))
    assert nearest_similarity(matrix, at=(100, 100)) == pytest.approx(matrix)
