"""Photographs of every accepted format: metadata goes, pixels and orientation stay."""

import io
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from models.deidentify.photographs import without_metadata
from models.pictures import jpeg as jpeg_files
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.inspect import inspect
from tests.pictures.samples import exif, gradient, jpeg, saved

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta>SECRET</x:xmpmeta>"


def text_of_png() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "SECRET")
    info.add_itxt("XML:com.adobe.xmp", "SECRET", zip=False)
    return info


def heic(orientation: int = 1) -> bytes:
    pillow_heif.register_heif_opener()
    return saved(gradient(), "HEIF", exif=exif(orientation).tobytes(), quality=90)


def tiff(**options: str) -> bytes:
    tags = {270: "SECRET description", 315: "SECRET artist", 306: "2021:03:04 10:11:12", 700: XMP, 33723: b"SECRET iptc", 34675: ICC}
    return saved(gradient(), "TIFF", tiffinfo=tags, **options)


FILES = {
    "jpeg": jpeg(exif=exif(), comment=b"SECRET", xmp=XMP, icc_profile=ICC) + b"SECRET at the end",
    "jpeg turned": jpeg(exif=exif(6), progressive=True),
    "png": saved(gradient(), "PNG", exif=exif(), pnginfo=text_of_png(), icc_profile=ICC),
    "png turned": saved(gradient(), "PNG", exif=exif(8)),
    "webp": saved(gradient(), "WEBP", exif=exif(), xmp=XMP, icc_profile=ICC, quality=90),
    "webp turned": saved(gradient(), "WEBP", exif=exif(3), lossless=True),
    "tiff": tiff(),
    "tiff lzw": tiff(compression="tiff_lzw"),
    "tiff deflated": tiff(compression="tiff_adobe_deflate"),
    "tiff jpeg": saved(gradient(), "TIFF", compression="jpeg", tiffinfo={270: "SECRET description"}),
    "heic": heic(),
}


@pytest.mark.parametrize("name", FILES)
def test_metadata_goes_and_pixels_stay(name: str) -> None:
    before = FILES[name]
    after, suffix = without_metadata(before)
    assert b"SECRET" in before or name == "heic"
    for word in (b"SECRET", b"GPS", b"xmpmeta", b"2021:03:04"):
        assert word not in after
    assert np.array_equal(decode(before).rgb, decode(after).rgb)
    assert inspect(after).media_type == ("image/png" if name == "heic" else inspect(before).media_type)
    assert suffix.startswith(".")
    assert without_metadata(after).data == after


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_stays_turned(kind: str, orientation: int) -> None:
    before = saved(gradient(), kind, exif=exif(orientation, gps=False))
    after = without_metadata(before).data
    assert np.array_equal(decode(before).rgb, decode(after).rgb)
    assert b"SECRETCAMERA" not in after
    with Image.open(io.BytesIO(after)) as image:
        left = {tag for tag in image.getexif() if tag in (0x010F, 0x8825, 0x8769)}
    assert left == set()


def test_the_colour_profile_stays_and_its_name_does_not() -> None:
    body = b"SECRET name\0\0" + zlib.compress(ICC)
    chunk = len(body).to_bytes(4, "big") + b"iCCP" + body + zlib.crc32(b"iCCP" + body).to_bytes(4, "big")
    plain = saved(gradient(), "PNG")
    after = without_metadata(plain[:33] + chunk + plain[33:]).data
    assert b"SECRET" not in after
    with Image.open(io.BytesIO(after)) as image:
        assert image.info["icc_profile"] == ICC


def test_the_preview_inside_jfif_goes() -> None:
    plain = jpeg()
    assert plain[2:4] == b"\xff\xe0"
    preview = b"SECRET" * 2
    segment = b"\xff\xe0" + (16 + 12).to_bytes(2, "big") + plain[6:18] + b"\x02\x02" + preview
    after = without_metadata(plain[:2] + segment + plain[20:]).data
    assert after == plain
    assert jpeg_files.read_header(after).jfif


def test_a_preview_page_is_no_second_picture_to_keep() -> None:
    two = io.BytesIO()
    Image.fromarray(gradient()).save(two, "TIFF", save_all=True, append_images=[Image.fromarray(gradient()[:8, :8])])
    with pytest.raises(PictureRefused, match="several"):
        without_metadata(two.getvalue())


def test_a_big_tiff_is_refused_with_its_reason() -> None:
    with pytest.raises(PictureRefused, match="BigTIFF"):
        without_metadata(saved(gradient(), "TIFF", big_tiff=True))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(set(FILES) - {"heic"})), st.integers(0, 4_000), st.binary(min_size=1, max_size=8))
def test_damaged_files_are_refused_and_nothing_else(name: str, at: int, noise: bytes) -> None:
    data = bytearray(FILES[name])
    data[at : at + len(noise)] = noise
    try:
        after = without_metadata(bytes(data)).data
    except PictureRefused:
        return
    assert len(after) <= len(data) + 100
