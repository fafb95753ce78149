"""What is no acceptable picture is refused with a reason and a remedy, whatever the bytes are."""

import io
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from models.pictures.decode import decode
from models.pictures.errors import REMEDY, PictureRefused, RefusalReason
from models.pictures.inspect import inspect
from models.pictures.jpeg import MAX_SCANS
from models.pictures.viewing import viewing
from tests.pictures.samples import chunk, dicom, encapsulated, gradient, jpeg, png_bomb, saved


def refusal(data: bytes) -> PictureRefused:
    """The refusal of the whole check that intake makes; decode must refuse too."""
    with pytest.raises(PictureRefused) as caught:
        viewing(data, inspect(data))
    return caught.value


def frames(kind: str) -> bytes:
    pages = [Image.fromarray(np.roll(gradient(), shift, axis=1)) for shift in (0, 30, 60)]
    out = io.BytesIO()
    pages[0].save(out, kind, save_all=True, append_images=pages[1:])
    return out.getvalue()


def bmp() -> bytes:
    return saved(gradient(), "BMP")


def float_tiff() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ones((8, 8), np.float32)).save(out, "TIFF")
    return out.getvalue()


CASES: list[tuple[str, Callable[[], bytes], RefusalReason]] = [
    ("nothing", lambda: b"", RefusalReason.EMPTY),
    ("text", lambda: b"just some words", RefusalReason.NOT_AN_IMAGE),
    ("svg", lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', RefusalReason.NOT_AN_IMAGE),
    ("html", lambda: b"\n<!DOCTYPE html><html></html>", RefusalReason.NOT_AN_IMAGE),
    ("bmp", bmp, RefusalReason.UNSUPPORTED_FORMAT),
    ("pdf", lambda: b"%PDF-1.7\n", RefusalReason.UNSUPPORTED_FORMAT),
    ("still gif", lambda: saved(gradient(), "GIF"), RefusalReason.UNSUPPORTED_FORMAT),
    ("avif", lambda: b"\x00\x00\x00\x1cftypavif" + bytes(16), RefusalReason.UNSUPPORTED_FORMAT),
    ("animated gif", lambda: frames("GIF"), RefusalReason.ANIMATED),
    ("animated webp", lambda: frames("WEBP"), RefusalReason.ANIMATED),
    ("animated png", lambda: frames("PNG"), RefusalReason.ANIMATED),
    ("image sequence", lambda: b"\x00\x00\x00\x1cftyphevc" + bytes(16), RefusalReason.ANIMATED),
    ("two-page tiff", lambda: frames("TIFF"), RefusalReason.MULTI_FRAME),
    ("float tiff", float_tiff, RefusalReason.UNSUPPORTED_COLOUR),
    ("half a jpeg", lambda: jpeg()[: len(jpeg()) // 2], RefusalReason.TRUNCATED),
    ("jpeg without its end", lambda: jpeg()[:-2], RefusalReason.TRUNCATED),
    ("half a png", lambda: saved(gradient(), "PNG")[:-400], RefusalReason.TRUNCATED),
    ("half a webp", lambda: saved(gradient(), "WEBP")[:200], RefusalReason.TRUNCATED),
    ("a spot", lambda: saved(gradient(2, 2), "PNG"), RefusalReason.TOO_SMALL),
]


@pytest.mark.parametrize(("make", "reason"), [pytest.param(make, reason, id=name) for name, make, reason in CASES])
def test_it_is_refused_with_its_reason_and_a_remedy(make: Callable[[], bytes], reason: RefusalReason) -> None:
    refused = refusal(make())
    assert refused.reason is reason
    assert str(refused).endswith(REMEDY[reason])
    with pytest.raises(PictureRefused):
        decode(make())


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDY) == set(RefusalReason)


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = png_bomb()
    start = time.thread_time()
    refused = refusal(bomb)
    assert refused.reason is RefusalReason.TOO_MANY_PIXELS
    assert "30000" in str(refused)
    assert time.thread_time() - start < 0.1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_pixel_limit_holds_for_every_format(kind: str) -> None:
    data = saved(gradient(100, 100), kind)
    assert inspect(data, max_pixels=10_000).width == 100
    for attempt in (lambda: inspect(data, max_pixels=9_999), lambda: decode(data, max_pixels=9_999)):
        with pytest.raises(PictureRefused) as caught:
            attempt()
        assert caught.value.reason is RefusalReason.TOO_MANY_PIXELS


def test_a_jpeg_with_endless_scans_is_refused() -> None:
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    assert refusal(data[:-2] + data[last:-2] * (MAX_SCANS + 1) + data[-2:]).reason is RefusalReason.TOO_COMPLEX


def test_a_png_with_endless_chunks_is_refused() -> None:
    plain = saved(gradient(), "PNG")
    assert refusal(plain[:33] + chunk(b"teXt", b"") * 60_000 + plain[33:]).reason is RefusalReason.TOO_COMPLEX


@pytest.mark.parametrize("data", [jpeg(), jpeg(progressive=True), jpeg(subsampling=0, restart_marker_blocks=2)])
def test_a_jpeg_cut_anywhere_is_refused(data: bytes) -> None:
    for length in range(0, len(data) - 1, 7):
        refusal(data[:length])
    refusal(data[:-1])


FILES = [jpeg(), jpeg(progressive=True), saved(gradient(), "PNG"), saved(gradient(), "WEBP"), saved(gradient(), "TIFF"), dicom()]
FILES += [encapsulated(jpeg(), width=96, height=64), saved(gradient(), "GIF"), saved(gradient(), "TIFF", compression="tiff_lzw")]


def check(data: bytes) -> None:
    """Everything that a stranger's bytes go through; only a refusal may come out of it."""
    for attempt in (lambda: viewing(data, inspect(data)), lambda: decode(data, min_side=32)):
        with suppress(PictureRefused):
            attempt()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FILES), st.floats(0, 1))
def test_truncation_raises_nothing_but_a_refusal(data: bytes, share: float) -> None:
    check(data[: int(len(data) * share)])


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(FILES), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12))
def test_changed_bytes_raise_nothing_but_a_refusal(data: bytes, changes: list[tuple[float, int]]) -> None:
    changed = bytearray(data)
    for place, value in changes:
        # The squares of the places lie near the start, where the headers are.
        changed[int(place * place * len(changed))] = value
    check(bytes(changed))


HEADS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\x00\x00\x00WEBPVP8X", b"II*\x00", b"MM\x00*", bytes(128) + b"DICM"]
HEADS += [b"\x00\x00\x00\x18ftypheic", b"GIF89a", b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*"]


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=600))
@example(b"\xff\xd8\xff", b"\xff" * 100)
@example(b"\x89PNG\r\n\x1a\n", b"\xff" * 100)
def test_random_bytes_raise_nothing_but_a_refusal(head: bytes, tail: bytes) -> None:
    check(head + tail)
