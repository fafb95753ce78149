"""The procedural pictures: the same seed gives the same picture, and the mask says exactly where the lesion was painted."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from models.synthetic import Kind, draw, draw_scene


@pytest.mark.parametrize("kind", list(Kind))
def test_it_draws_the_same_picture_for_the_same_seed(kind: Kind) -> None:
    first = draw(seed=7, kind=kind, width=200, height=150, hair=5, ruler=True)
    second = draw(seed=7, kind=kind, width=200, height=150, hair=5, ruler=True)
    assert np.array_equal(first.rgb, second.rgb)
    assert np.array_equal(first.mask, second.mask)


def test_it_draws_the_same_picture_in_another_process() -> None:
    code = (
        "import zlib; from models.synthetic import draw; "
        "print(zlib.crc32(draw(seed=3, kind='melanoma', width=160, height=120, hair=4).rgb.tobytes()))"
    )
    runs = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout for _ in range(2)}
    assert len(runs) == 1


def test_another_seed_gives_another_picture() -> None:
    assert not np.array_equal(draw(seed=1, width=160, height=120).rgb, draw(seed=2, width=160, height=120).rgb)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("area", [0.03, 0.12, 0.3])
def test_the_mask_covers_the_area_asked_for(kind: Kind, area: float) -> None:
    mask = draw(seed=11, kind=kind, width=640, height=480, area=area).mask
    assert (mask == 255).mean() == pytest.approx(area, rel=0.05)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_mask_is_the_place_where_the_skin_is_darker(kind: Kind) -> None:
    picture = draw(seed=5, kind=kind, width=512, height=384, area=0.15, vignette=0.0)
    green = picture.rgb[..., 1].astype(float)
    assert green[picture.mask == 255].mean() < green[picture.mask == 0].mean() - 15


def test_the_mask_is_one_lesion_but_for_specks() -> None:
    mask = draw(seed=13, kind=Kind.NAEVUS, width=512, height=384).mask
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    assert areas.max() > 0.97 * areas.sum()


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (33, 32), (300, 901), (2000, 500)])
def test_it_has_the_size_asked_for(width: int, height: int) -> None:
    picture = draw(seed=1, width=width, height=height, hair=3, ruler=True, vignette=0.9)
    assert picture.rgb.shape == (height, width, 3)
    assert picture.mask.shape == (height, width)
    assert picture.rgb.dtype == picture.mask.dtype == np.uint8
    assert set(np.unique(picture.mask)) <= {0, 255}


def test_hair_does_not_change_the_mask() -> None:
    bald = draw(seed=4, width=256, height=192, hair=0)
    hairy = draw(seed=4, width=256, height=192, hair=25)
    assert np.array_equal(bald.mask, hairy.mask)
    assert hairy.rgb.mean() < bald.rgb.mean()


def test_darker_skin_types_are_darker() -> None:
    tones = [np.median(draw(seed=2, width=128, height=96, area=0.02, fitzpatrick=tone).rgb) for tone in range(1, 7)]
    assert tones == sorted(tones, reverse=True)


def test_the_spacing_is_that_of_a_20_mm_field() -> None:
    assert draw(seed=1, width=1000, height=500).pixel_spacing_mm == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"width": 16}, "too small"), ({"area": 0.9}, "area 0.9"), ({"fitzpatrick": 7}, "fitzpatrick 7"), ({"kind": "wart"}, "wart")],
)
def test_it_refuses_what_it_cannot_draw(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        draw(seed=1, **options)  # type: ignore[arg-type]


def test_the_scene_without_skin_is_reproducible() -> None:
    scene = draw_scene(seed=9, width=320, height=240)
    assert scene.shape == (240, 320, 3)
    assert np.array_equal(scene, draw_scene(seed=9, width=320, height=240))
