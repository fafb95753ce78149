import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.finding import Measures
from models.measure import ABCD_COLOURS, measure, outline_of, view_of
from models.measure.colour import COLOUR_SHARE
from models.measure.view import to_lab
from models.pictures.types import Gray, Rgb
from models.synthetic import Kind, draw

SKIN = (224, 180, 160)
BROWN, BLACK, RED = (105, 65, 45), (40, 30, 30), (185, 80, 75)
SIZE = 512
Plane = NDArray[np.float64]
Shape = Callable[[Plane, Plane], NDArray[np.bool_]]


def plane(*, angle: float = 0, x: float = 0, y: float = 0) -> tuple[Plane, Plane]:
    """Coordinates from the picture's middle in px, moved by x and y and turned by degrees."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float64) - (SIZE - 1) / 2
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    columns, rows = columns - x, rows - y
    return cosine * columns + sine * rows, cosine * rows - sine * columns


def ellipse(a: float, b: float) -> Shape:
    return lambda x, y: (x / a) ** 2 + (y / b) ** 2 <= 1


def rectangle(a: float, b: float) -> Shape:
    return lambda x, y: (np.abs(x) <= a) & (np.abs(y) <= b)


def star(radius: float, *, depth: float, points: int = 7) -> Shape:
    return lambda x, y: np.hypot(x, y) <= radius * (1 + depth * np.cos(points * np.arctan2(y, x)))


def mask_of(shape: Shape, *, angle: float = 0, x: float = 0, y: float = 0) -> Gray:
    return np.where(shape(*plane(angle=angle, x=x, y=y)), 255, 0).astype(np.uint8)


def painted(mask: Gray, colour: tuple[int, int, int] = BROWN) -> Rgb:
    picture = np.full((*mask.shape, 3), SKIN, np.uint8)
    picture[mask > 0] = colour
    return picture


def found_in(picture: Rgb, mask: Gray, *, full: int = SIZE, spacing: float | None = None) -> Measures:
    found = measure(picture, mask, full_width=full, full_height=full, pixel_spacing_mm=spacing)
    assert found is not None
    return found


def of(shape: Shape, *, angle: float = 0) -> Measures:
    mask = mask_of(shape, angle=angle)
    return found_in(painted(mask), mask)


def delta_e(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    lab = to_lab(np.array([[one, other]], np.uint8))[0]
    return float(np.linalg.norm(lab[0] - lab[1]))


@dataclass(frozen=True)
class Known:
    shape: Shape
    area: float
    perimeter: float
    major: float
    minor: float


ELLIPSE_PERIMETER = math.pi * (3 * 210 - math.sqrt((3 * 140 + 70) * (140 + 3 * 70)))  # Ramanujan, of half axes 140 and 70
KNOWN = {
    "disc": Known(ellipse(100, 100), area=math.pi * 100**2, perimeter=2 * math.pi * 100, major=200, minor=200),
    "ellipse": Known(ellipse(140, 70), area=math.pi * 140 * 70, perimeter=ELLIPSE_PERIMETER, major=280, minor=140),
    "square": Known(rectangle(100, 100), area=200**2, perimeter=800, major=200, minor=200),
    "rectangle": Known(rectangle(150, 50), area=300 * 100, perimeter=800, major=300, minor=100),
}


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 137])
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_a_known_shape_has_its_size_at_any_angle(known: Known, angle: float) -> None:
    found = of(known.shape, angle=angle)
    assert found.area_px == pytest.approx(known.area, rel=0.01)
    assert found.perimeter_px == pytest.approx(known.perimeter, rel=0.01)
    assert found.major_diameter_px == pytest.approx(known.major, rel=0.015)
    assert found.minor_diameter_px == pytest.approx(known.minor, rel=0.015)
    assert found.compactness == pytest.approx(known.perimeter**2 / (4 * math.pi * known.area), rel=0.02)
    assert found.border_irregularity < 0.015
    assert found.asymmetry < 0.025
    assert found.colour_asymmetry < 0.5
    assert found.area_mm2 is None
    assert found.scale_source is None


@pytest.mark.parametrize("radius", [30, 100, 240])
def test_measures_are_in_mm_with_a_known_spacing(radius: float) -> None:
    mask = mask_of(ellipse(radius, radius / 2))
    found = found_in(painted(mask), mask, full=8 * SIZE, spacing=0.005)
    mm = radius * 8 * 0.005
    assert found.major_diameter_px == pytest.approx(2 * radius * 8, rel=0.02)
    assert found.major_diameter_mm == pytest.approx(2 * mm, rel=0.02)
    assert found.minor_diameter_mm == pytest.approx(mm, rel=0.02)
    assert found.area_mm2 == pytest.approx(math.pi * mm**2 / 2, rel=0.02)
    assert found.scale_source == "dicom_pixel_spacing"


def test_a_half_disc_is_asymmetric_about_one_axis_and_a_quarter_missing_about_both() -> None:
    half = of(lambda x, y: ellipse(100, 100)(x, y) & (y > 0))
    wedge = of(lambda x, y: ellipse(100, 100)(x, y) & ~((x > 0) & (y > 0)))
    assert 0.05 < half.asymmetry < 0.15
    assert wedge.asymmetry > 0.05
    assert of(ellipse(100, 100)).asymmetry < 0.01


def test_a_star_is_irregular_as_its_formula_says() -> None:
    depth, points = 0.3, 7
    found = of(star(130, depth=depth, points=points))
    angle = np.linspace(0, 2 * math.pi, 20_001)
    radius = 130 * (1 + depth * np.cos(points * angle))
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)
    area, perimeter = cv2.contourArea(outline), cv2.arcLength(outline, closed=True)
    assert found.compactness == pytest.approx(perimeter**2 / (4 * math.pi * area), rel=0.02)
    assert found.border_irregularity == pytest.approx(1 - area / cv2.contourArea(cv2.convexHull(outline)), abs=0.01)
    assert found.border_irregularity > 0.2


def test_two_half_discs_of_two_colours_differ_by_their_distance() -> None:
    mask = mask_of(ellipse(120, 120))
    picture = painted(mask, BROWN)
    picture[(mask > 0) & (plane()[0] > 0)] = BLACK
    found = found_in(picture, mask)
    apart = delta_e(BROWN, BLACK)
    # Every point is half their distance from the mean; of the two mirrors one meets the same colour and one the other.
    assert found.colour_variegation == pytest.approx(apart / 2, rel=0.02)
    assert found.colour_asymmetry == pytest.approx(apart / math.sqrt(2), rel=0.05)
    assert found.asymmetry < 0.01
    assert found.colour_count == 2


def test_a_ring_of_colour_is_variegated_but_symmetric() -> None:
    mask = mask_of(ellipse(120, 120))
    picture = painted(mask, BROWN)
    picture[mask_of(ellipse(85, 85)) > 0] = BLACK
    found = found_in(picture, mask)
    assert found.colour_variegation == pytest.approx(delta_e(BROWN, BLACK) / 2, rel=0.1)
    assert found.colour_asymmetry < 0.3 * found.colour_variegation


def test_one_colour_has_no_variegation() -> None:
    found = of(ellipse(130, 80))
    assert found.colour_variegation < 0.01
    assert found.colour_count == 1


@pytest.mark.parametrize("count", range(1, 7))
def test_each_of_the_six_colours_counts_from_a_twentieth_of_the_lesion(count: int) -> None:
    mask = mask_of(rectangle(120, 100))
    picture = painted(mask, tuple(ABCD_COLOURS[0].astype(int)))
    x, _ = plane()
    for stripe, colour in enumerate(ABCD_COLOURS[:count]):
        picture[(mask > 0) & (x >= -120 + 240 * stripe / count)] = colour
    picture[(mask > 0) & (x > 120 - 240 * COLOUR_SHARE / 2)] = ABCD_COLOURS[0]  # white is there already
    assert found_in(picture, mask).colour_count == count


def test_a_speck_of_colour_does_not_count() -> None:
    mask = mask_of(rectangle(120, 100))
    picture = painted(mask, BROWN)
    picture[mask_of(rectangle(12, 12)) > 0] = RED
    assert found_in(picture, mask).colour_count == 1


def faded(distance: NDArray[np.float64], *, width: float) -> Rgb:
    """Brown to skin over ``width`` px around distance 0 (negative inside)."""
    share = np.clip(distance / width + 0.5, 0, 1)[..., None]
    return np.rint(np.array(BROWN) * (1 - share) + np.array(SKIN) * share).astype(np.uint8)


@pytest.mark.parametrize(("width", "expected"), [(1, 8), (8, 8), (60, 0), (120, 0)])
def test_the_border_of_a_disc_is_abrupt_or_gradual_all_round(width: float, expected: int) -> None:
    x, y = plane()
    picture = faded(np.hypot(x, y) - 120, width=width)
    assert found_in(picture, mask_of(ellipse(120, 120))).abrupt_segments == expected


@pytest.mark.parametrize("angle", [0, 20, 45, 200])
@pytest.mark.parametrize("segments", [1, 2, 4, 6])
def test_abrupt_segments_are_counted_wherever_they_lie(segments: int, angle: float) -> None:
    x, y = plane(angle=angle)
    distance = np.hypot(x, y) - 120
    sharp = np.mod(np.arctan2(y, x), 2 * math.pi) < segments * math.pi / 4
    picture = np.where(sharp[..., None], faded(distance, width=2), faded(distance, width=100)).astype(np.uint8)
    assert found_in(picture, mask_of(ellipse(120, 120))).abrupt_segments == pytest.approx(segments, abs=0.5 if angle in {0, 45} else 1)


def test_no_pigment_means_no_abrupt_border() -> None:
    mask = mask_of(ellipse(120, 90))
    assert found_in(np.full((SIZE, SIZE, 3), SKIN, np.uint8), mask).abrupt_segments == 0
    assert found_in(255 - painted(mask), mask).abrupt_segments == 0  # lighter than the skin


def lesion() -> tuple[Rgb, Gray]:
    drawn = draw(seed=5, kind=Kind.MELANOMA, width=SIZE, height=SIZE, area=0.1, sensor_noise=0, vignette=0)
    return drawn.rgb, drawn.mask


def moved(array: NDArray[np.uint8], *, angle: float, scale: float, x: float, y: float, fill: tuple[int, ...]) -> NDArray[np.uint8]:
    matrix = cv2.getRotationMatrix2D(((SIZE - 1) / 2, (SIZE - 1) / 2), angle, scale)
    matrix[:, 2] += np.array((x, y))
    warped = cv2.warpAffine(array, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    return warped.astype(np.uint8, copy=False)


@pytest.mark.parametrize("flip", [-1, 0, 1])
def test_a_mirrored_lesion_measures_the_same(flip: int) -> None:
    picture, mask = lesion()
    plain = asdict(found_in(picture, mask))
    mirrored = asdict(found_in(cv2.flip(picture, flip).astype(np.uint8), cv2.flip(mask, flip).astype(np.uint8)))
    assert mirrored == {name: pytest.approx(value, rel=0.03, abs=0.01) if value else value for name, value in plain.items()}


@pytest.mark.parametrize(("angle", "scale", "x", "y"), [(0, 1, 37, -21), (90, 1, 0, 0), (33, 1, 10, 5), (0, 0.7, 0, 0), (211, 1.2, -8, 9)])
def test_turning_moving_and_zooming_change_only_the_size(angle: float, scale: float, x: float, y: float) -> None:
    picture, mask = lesion()
    plain = found_in(picture, mask)
    skin = tuple(int(value) for value in np.median(picture[mask == 0], axis=0))
    turned = moved(mask, angle=angle, scale=scale, x=x, y=y, fill=(0,))
    found = found_in(moved(picture, angle=angle, scale=scale, x=x, y=y, fill=skin), np.where(turned > 127, 255, 0).astype(np.uint8))
    assert found.area_px == pytest.approx(plain.area_px * scale**2, rel=0.02)
    assert found.perimeter_px == pytest.approx(plain.perimeter_px * scale, rel=0.03)
    assert found.major_diameter_px == pytest.approx(plain.major_diameter_px * scale, rel=0.02)
    assert found.minor_diameter_px == pytest.approx(plain.minor_diameter_px * scale, rel=0.04)
    assert found.asymmetry == pytest.approx(plain.asymmetry, abs=0.01)
    assert found.border_irregularity == pytest.approx(plain.border_irregularity, abs=0.01)
    assert found.compactness == pytest.approx(plain.compactness, rel=0.05)
    assert found.colour_asymmetry == pytest.approx(plain.colour_asymmetry, rel=0.05)
    assert found.colour_variegation == pytest.approx(plain.colour_variegation, rel=0.05)
    assert abs(found.abrupt_segments - plain.abrupt_segments) <= 1
    assert abs(found.colour_count - plain.colour_count) <= 1


def test_without_a_lesion_there_is_nothing_to_measure() -> None:
    empty = np.zeros((400, 400), np.uint8)
    assert measure(painted(empty), empty, full_width=400, full_height=400, pixel_spacing_mm=None) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 3), (1, 40), (30, 2)])
def test_specks_and_streaks_have_finite_measures(size: tuple[int, int]) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10 : 10 + size[0], 5 : 5 + size[1]] = 255
    found = found_in(painted(mask), mask, full=64)
    assert found.area_px == size[0] * size[1]
    assert all(math.isfinite(value) for value in asdict(found).values() if isinstance(value, float))


@pytest.mark.parametrize("shape", [(64, 64), (512, 384), (1, 1), (1, 300)])
def test_a_lesion_that_fills_the_picture_has_finite_measures(shape: tuple[int, int]) -> None:
    mask = np.full(shape, 255, np.uint8)
    found = measure(painted(mask), mask, full_width=shape[1], full_height=shape[0], pixel_spacing_mm=None)
    assert found is not None
    assert found.touches_border
    assert found.abrupt_segments == 0
    assert found.area_share == 1
    assert all(math.isfinite(value) for value in asdict(found).values() if isinstance(value, float))


@pytest.mark.parametrize("step", [2, 3, 17])
def test_a_mask_of_specks_has_finite_measures(step: int) -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[::step, ::step] = 255
    found = found_in(painted(mask), mask)
    assert found.area_px == math.ceil(SIZE / step) ** 2
    assert all(math.isfinite(value) for value in asdict(found).values() if isinstance(value, float))


@pytest.mark.parametrize("size", [1, 2, 6])
def test_a_few_specks_far_apart_are_not_blown_up(size: int) -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for row, column in ((3, 7), (251, 300), (501, 480)):
        mask[row : row + size, column : column + size] = 255
    outline = outline_of(mask)
    assert outline is not None
    assert max(view_of(painted(mask), mask, outline).mask.shape) < 300
    found = found_in(painted(mask), mask)
    assert found.asymmetry <= 1
    assert all(math.isfinite(value) for value in asdict(found).values() if isinstance(value, float))


def test_parts_of_a_lesion_are_measured_together() -> None:
    mask = mask_of(ellipse(60, 60), x=-100) | mask_of(ellipse(60, 60), x=100)
    found = found_in(painted(mask), mask)
    assert found.area_px == pytest.approx(2 * math.pi * 60**2, rel=0.01)
    assert found.perimeter_px == pytest.approx(4 * math.pi * 60, rel=0.01)
    assert found.major_diameter_px == pytest.approx(320, rel=0.01)
    assert found.asymmetry < 0.02


def test_a_lesion_that_leaves_the_picture_says_so() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[:100, 150:250] = 255
    assert found_in(painted(mask), mask).touches_border
    assert not of(ellipse(100, 100)).touches_border


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a mask of 64×32 px does not fit a picture of 64×64 px"):
        measure(np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64), np.uint8), full_width=64, full_height=64, pixel_spacing_mm=None)
