"""A mask from a browser is read without a picture library: what is no mask of the picture is refused with its reason."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageDraw

from services.review.mask_files import MAX_BYTES, InvalidMask, read_mask

SIZE = (800, 600)


def lines_of(mask: Image.Image, filter_byte: int = 0) -> bytes:
    width, height = mask.size
    data = mask.tobytes()
    return b"".join(bytes([filter_byte]) + data[row * width : (row + 1) * width] for row in range(height))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(mask: Image.Image, *, lines: bytes | None = None, kind: tuple[int, ...] = (8, 0, 0, 0, 0), extra: bytes = b"") -> bytes:
    header = struct.pack(">II5B", *mask.size, *kind)
    body = zlib.compress(lines_of(mask) if lines is None else lines)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def drawn(width: int = 800, height: int = 600, value: int = 255) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((0.3 * width, 0.3 * height, 0.6 * width, 0.7 * height), fill=value)
    return mask


def read(data: bytes, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.open(io.BytesIO(read_mask(data, width=size[0], height=size[1])))


def test_the_pixels_are_kept_in_one_channel() -> None:
    kept = read(png(drawn()))
    assert (kept.mode, kept.size) == ("L", SIZE)
    assert kept.tobytes() == drawn().tobytes()


def test_nothing_but_the_pixels_is_kept() -> None:
    kept = read_mask(png(drawn(), extra=chunk(b"tEXt", b"Comment\0P-1042")), width=800, height=600)
    assert b"P-1042" not in kept
    assert kept == read_mask(png(drawn()), width=800, height=600)


@pytest.mark.parametrize(
    ("picture", "mask"), [((6000, 4000), (1024, 683)), ((6000, 4000), (1024, 682)), ((333, 1000), (333, 1000)), ((100, 80), (100, 80))]
)
def test_a_mask_of_the_pictures_shape_is_taken(picture: tuple[int, int], mask: tuple[int, int]) -> None:
    assert read(png(drawn(*mask)), picture).size == mask


REFUSED = {
    "not a PNG": b"GIF89a",
    "no header": b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
    "its end is missing": png(drawn())[:-20],
    "a checksum does not fit": png(drawn()).replace(b"IDAT\x78", b"IDAT\x79"),
    "more than 512 kB": png(drawn(), extra=chunk(b"tEXt", bytes(MAX_BYTES))),
    "another kind of PNG": png(drawn(), kind=(8, 6, 0, 0, 0)),
    "not interlaced": png(drawn(), kind=(8, 0, 0, 0, 1)),
    "filter 0": png(drawn(), lines=lines_of(drawn(), filter_byte=2)),
    "grey values": png(drawn(value=200)),
    "fewer pixels": png(drawn(), lines=lines_of(drawn())[:-1]),
    "or fewer pixels": png(drawn(), lines=lines_of(drawn()) + bytes(10_000_000)),
    "cannot be read": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">II5B", 800, 600, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", b"no")
    + chunk(b"IEND", b""),
    "covers the whole picture": png(Image.new("L", SIZE, 255)),
    "is empty": png(Image.new("L", SIZE, 0)),
    "has not the shape": png(drawn(600, 600)),
    "must have 256 to 1024 px": png(drawn(1600, 1200)),
    "its long side": png(drawn(200, 150)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_mask_of_the_picture_is_refused_with_its_reason(reason: str) -> None:
    with pytest.raises(InvalidMask, match=reason):
        read_mask(REFUSED[reason], width=SIZE[0], height=SIZE[1])


def test_a_lying_chunk_length_is_refused() -> None:
    with pytest.raises(InvalidMask, match="end is missing"):
        read_mask(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**31, b"IHDR") + bytes(20), width=800, height=600)
