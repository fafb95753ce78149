"""The pyramid shows the picture: every pixel in its place on every level, within what JPEG loses."""

import cv2
import numpy as np
import pytest
import simplejpeg

from models.pictures.tiles import OVERLAP, TILE_SIDE, is_large, pyramid, top_level
from models.pictures.types import Rgb
from models.synthetic import Kind, draw


def lesion(width: int, height: int) -> Rgb:
    drawn = draw(seed=5, kind=Kind.MELANOMA).rgb
    return cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def tiles_of(picture: Rgb) -> dict[str, Rgb]:
    return {name: simplejpeg.decode_jpeg(data, colorspace="RGB") for name, data in pyramid(picture)}


def joined(tiles: dict[str, Rgb], level: int, width: int, height: int) -> Rgb:
    """A level put together again, without the overlaps."""
    whole = np.zeros((height, width, 3), np.uint8)
    for y in range(-(-height // TILE_SIDE)):
        for x in range(-(-width // TILE_SIDE)):
            tile = tiles[f"{level}/{x}_{y}.jpg"]
            inner = tile[OVERLAP if y else 0 :, OVERLAP if x else 0 :][:TILE_SIDE, :TILE_SIDE]
            whole[y * TILE_SIDE :, x * TILE_SIDE :][: inner.shape[0], : inner.shape[1]] = inner
    return whole


def psnr(one: Rgb, other: Rgb) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def test_the_top_level_is_the_picture_within_what_jpeg_loses() -> None:
    picture = lesion(2600, 1700)
    whole = joined(tiles_of(picture), top_level(2600, 1700), 2600, 1700)
    assert psnr(picture, whole) > 38
    # No tile is moved, lost or of another colour.
    assert np.abs(picture.astype(int) - whole).mean() < 2
    assert np.abs(picture.astype(float).mean((0, 1)) - whole.mean((0, 1))).max() < 0.5


@pytest.mark.parametrize(("width", "height"), [(2600, 1700), (2049, 3), (2561, 2049), (512, 4097)])
def test_levels_halve_down_to_one_tile_and_have_every_tile(width: int, height: int) -> None:
    tiles = tiles_of(lesion(width, height))
    level, expected = top_level(width, height), set()
    while True:
        columns, rows = -(-width // TILE_SIDE), -(-height // TILE_SIDE)
        expected |= {f"{level}/{x}_{y}.jpg" for x in range(columns) for y in range(rows)}
        corner = tiles[f"{level}/{columns - 1}_{rows - 1}.jpg"]
        assert corner.shape[1] == width - (columns - 1) * TILE_SIDE + (OVERLAP if columns > 1 else 0)
        assert corner.shape[0] == height - (rows - 1) * TILE_SIDE + (OVERLAP if rows > 1 else 0)
        if max(width, height) <= TILE_SIDE:
            break
        width, height, level = -(-width // 2), -(-height // 2), level - 1
    assert set(tiles) == expected


def test_lower_levels_show_the_same_picture() -> None:
    picture = lesion(2600, 1700)
    tiles = tiles_of(picture)
    half = cv2.resize(picture, (1300, 850), interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert psnr(half, joined(tiles, top_level(2600, 1700) - 1, 1300, 850)) > 38


def test_neighbours_share_their_rim() -> None:
    tiles = tiles_of(lesion(2600, 1700))
    left, right = tiles["12/0_0.jpg"], tiles["12/1_0.jpg"]
    assert left.shape[:2] == (TILE_SIDE + OVERLAP, TILE_SIDE + OVERLAP)
    assert right.shape[1] == TILE_SIDE + 2 * OVERLAP
    assert np.abs(left[:, -2:].astype(int) - right[:, :2]).mean() < 4


def test_the_smallest_level_comes_first_and_the_same_picture_gives_the_same_bytes() -> None:
    picture = lesion(2100, 900)
    first, again = list(pyramid(picture)), list(pyramid(picture))
    assert first == again
    assert first[0][0] == "9/0_0.jpg"


def test_only_large_pictures_are_worth_it() -> None:
    assert not is_large(2048, 2048)
    assert is_large(100, 2049)
