"""Tiles in one object: any program opens it, and its end alone says where everything is."""

import io
import zipfile

import pytest

from services.tiles import TAIL_BYTES, DamagedTiles, directory, pack

TILES = [(f"{level}/{x}_{y}.jpg", bytes([level, x, y]) * (50 + x)) for level in range(3) for x in range(5) for y in range(5)]


def test_every_tile_is_found_at_its_place_from_the_last_bytes_alone() -> None:
    data = pack(TILES)
    places = directory(data[-8_000:])
    assert len(data) > 8_000
    assert {name: data[place.start : place.start + place.length] for name, place in places.items()} == dict(TILES)


def test_it_is_an_ordinary_uncompressed_zip() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(TILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == dict(TILES)
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_tiles_give_the_same_bytes() -> None:
    assert pack(TILES) == pack(TILES)


def test_the_directory_of_a_hundred_megapixels_fits_into_the_tail() -> None:
    names = [(f"14/{x}_{y}.jpg", b"") for x in range(26) for y in range(26)]
    assert len(pack(names)) - sum(30 + len(name) for name, _ in names) < TAIL_BYTES


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff no zip at all" * 9, pack(TILES)[:-1], pack(TILES)[-60:]])
def test_what_is_no_end_of_tiles_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedTiles):
        directory(data)


def test_compressed_entries_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("9/0_0.jpg", b"x" * 100)
    with pytest.raises(DamagedTiles, match="another kind"):
        directory(out.getvalue())
