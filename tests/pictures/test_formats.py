"""Every accepted format decodes to the right colours, upright."""

import io
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from models.pictures.decode import decode
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.info import MediaType
from models.pictures.inspect import inspect
from models.pictures.masks import decode_png, encode_png, enlarge
from models.pictures.viewing import viewing
from tests.pictures.samples import Rgb, chunk, exif, gradient, jpeg, saved


def difference(a: Rgb, b: Rgb) -> float:
    """Mean absolute difference of two pictures of one size."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def heic(rgb: Rgb, **options: Any) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(out, quality=95, **options)
    return out.getvalue()


def sixteen_bit_png(rgb: Rgb) -> bytes:
    import cv2

    wide = rgb[..., ::-1].astype(np.uint16) * 257
    return cv2.imencode(".png", wide)[1].tobytes()


def sixteen_bit_tiff(rgb: Rgb) -> bytes:
    import cv2

    wide = rgb[..., ::-1].astype(np.uint16) * 257
    return cv2.imencode(".tiff", wide)[1].tobytes()


WAYS: dict[str, tuple[MediaType, Any]] = {
    "baseline jpeg": (MediaType.JPEG, jpeg),
    "progressive jpeg": (MediaType.JPEG, lambda rgb: jpeg(rgb, progressive=True)),
    "full-chroma jpeg": (MediaType.JPEG, lambda rgb: jpeg(rgb, subsampling=0)),
    "png": (MediaType.PNG, lambda rgb: saved(rgb, "PNG")),
    "16-bit png": (MediaType.PNG, sixteen_bit_png),
    "png with alpha": (MediaType.PNG, lambda rgb: saved(rgb, "PNG", mode="RGBA")),
    "lossless webp": (MediaType.WEBP, lambda rgb: saved(rgb, "WEBP", lossless=True)),
    "lossy webp": (MediaType.WEBP, lambda rgb: saved(rgb, "WEBP", quality=95)),
    "tiff": (MediaType.TIFF, lambda rgb: saved(rgb, "TIFF")),
    "deflated tiff": (MediaType.TIFF, lambda rgb: saved(rgb, "TIFF", compression="tiff_adobe_deflate")),
    "16-bit tiff": (MediaType.TIFF, sixteen_bit_tiff),
    "heic": (MediaType.HEIC, heic),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_format_gives_its_colours_and_size(way: str) -> None:
    media_type, make = WAYS[way]
    data = make(gradient())
    info = inspect(data)
    picture = decode(data)
    assert (info.media_type, info.width, info.height) == (media_type, 96, 64)
    assert (picture.media_type, picture.full_width, picture.full_height) == (media_type, 96, 64)
    assert difference(picture.rgb, gradient()) < 2.5


@pytest.mark.parametrize("way", WAYS)
def test_the_view_is_upright_free_of_metadata_and_looks_the_same(way: str) -> None:
    data = WAYS[way][1](gradient())
    view = viewing(data, inspect(data))
    assert view.media_type in (MediaType.JPEG, MediaType.PNG)
    shown = inspect(view.data)
    assert (shown.orientation, shown.has_metadata) == (1, False)
    assert difference(decode(view.data).rgb, decode(data).rgb) < 1.5
    assert view.changed == (view.data != data)


def test_palettes_greys_and_bilevel_pictures_are_accepted() -> None:
    assert difference(decode(saved(gradient(), "PNG", mode="P")).rgb, gradient()) < 20
    grey = decode(saved(gradient(), "PNG", mode="L")).rgb
    assert (grey[..., 0] == grey[..., 2]).all()
    assert decode(saved(gradient(), "JPEG", mode="L")).rgb.shape == (64, 96, 3)
    assert set(np.unique(decode(saved(gradient(), "PNG", mode="1")).rgb)) <= {0, 255}


def test_sixteen_bit_grey_keeps_its_upper_bits() -> None:
    wide = (np.arange(64 * 96).reshape(64, 96) * 10).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        out = io.BytesIO()
        Image.fromarray(wide).save(out, kind)
        assert (decode(out.getvalue()).rgb[..., 0] == wide >> 8).all()


def test_transparency_becomes_white() -> None:
    clear = np.dstack([gradient(), np.zeros((64, 96), np.uint8)])
    out = io.BytesIO()
    Image.fromarray(clear).save(out, "PNG")
    assert (decode(out.getvalue()).rgb == 255).all()
    # What lies under the transparency may be anything: it is not shown, so it is not kept for viewing.
    view = viewing(out.getvalue(), inspect(out.getvalue()))
    assert view.media_type is MediaType.JPEG
    assert view.changed


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    data = saved(gradient(), kind, mode="CMYK", **({"quality": 95} if kind == "JPEG" else {}))
    assert difference(decode(data).rgb, gradient()) < 3
    assert viewing(data, inspect(data)).changed


def test_jpeg_with_adobe_rgb_components_keeps_its_colours() -> None:
    import simplejpeg

    from models.pictures import jpeg as codec

    data = jpeg(keep_rgb=True)
    assert codec.read_header(data).adobe_transform == 0
    assert difference(decode(data).rgb, gradient()) < 3
    assert difference(simplejpeg.decode_jpeg(data), decode(data).rgb) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    options: dict[str, Any] = {"quality": 95} if kind != "TIFF" else {}
    data = saved(_turned(orientation), kind, exif=exif(orientation, gps=False), **options)
    info = inspect(data)
    assert (info.width, info.height) == (96, 64)
    assert difference(decode(data).rgb, gradient()) < 3
    view = viewing(data, info)
    assert difference(decode(view.data).rgb, gradient()) < 3
    assert inspect(view.data).orientation == 1


def _turned(orientation: int) -> Rgb:
    """The gradient as a camera stores it that was held so: a viewer that applies the orientation shows the gradient."""
    upright = Image.fromarray(gradient())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return np.array(upright.transpose(undo[orientation]) if orientation in undo else upright)


def test_orientation_of_heic_is_applied() -> None:
    out = io.BytesIO()
    image = Image.fromarray(_turned(6))
    pillow_heif.from_pillow(image).save(out, quality=95, exif=exif(6, gps=False).tobytes())
    info = inspect(out.getvalue())
    picture = decode(out.getvalue())
    assert (info.width, info.height) == (picture.full_width, picture.full_height)
    assert viewing(out.getvalue(), info).media_type is MediaType.JPEG


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_no_metadata_survives_in_the_view(kind: str) -> None:
    extra = {"pnginfo": _text()} if kind == "PNG" else {}
    data = saved(gradient(), kind, exif=exif(), **extra)
    assert b"SECRETCAMERA" in data
    view = viewing(data, inspect(data))
    assert view.changed
    assert b"SECRET" not in view.data
    with Image.open(io.BytesIO(view.data)) as shown:
        assert not shown.getexif()


def _text() -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "SECRETAUTHOR")
    return info


def test_stripping_a_jpeg_leaves_its_compressed_pixels_untouched() -> None:
    data = jpeg(exif=exif(1), comment=b"SECRETCOMMENT")
    view = viewing(data, inspect(data))
    assert b"SECRET" not in view.data
    assert (decode(view.data).rgb == decode(data).rgb).all()
    assert view.data[view.data.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") :]


@pytest.mark.parametrize("make", [jpeg, lambda: saved(gradient(), "PNG")])
def test_bytes_after_the_picture_are_dropped_from_the_view(make: Any) -> None:
    """Phones append films, previews and second pictures, with places of their own."""
    data = make() + b"SECRETFILM" * 10
    info = inspect(data)
    assert info.has_metadata
    assert b"SECRET" not in viewing(data, info).data


def test_a_clean_jpeg_is_its_own_view() -> None:
    view = viewing(jpeg(), inspect(jpeg()))
    assert not view.changed
    assert view.data == jpeg()


def test_colour_profiles_other_than_srgb_are_applied() -> None:
    profile = _swapped_profile()
    plain, marked = decode(saved(gradient(), "PNG")).rgb, decode(saved(gradient(), "PNG", icc_profile=profile)).rgb
    assert difference(plain, marked) > 5
    marked_jpeg = jpeg(icc_profile=profile)
    assert difference(decode(marked_jpeg).rgb, marked) < 3
    assert profile in viewing(marked_jpeg, inspect(marked_jpeg)).data


def _swapped_profile() -> bytes:
    """sRGB with the red and green primaries exchanged, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return bytes(
        profile.replace(b"rXYZ", b"tmp_")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmp_", b"gXYZ")
        .replace(b"s\x00R\x00G\x00B", b"t\x00E\x00S\x00T")
    )


def test_broken_and_srgb_profiles_change_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile" * 20):
        assert difference(decode(jpeg(icc_profile=profile)).rgb, decode(jpeg()).rgb) == 0


@pytest.mark.parametrize(("min_side", "expected"), [(None, 1024), (1024, 1024), (513, 1024), (512, 512), (256, 256), (128, 128), (1, 128)])
def test_jpeg_is_decoded_at_the_smallest_sufficient_scale(min_side: int | None, expected: int) -> None:
    picture = decode(jpeg(gradient(1024, 768)), min_side=min_side)
    assert picture.rgb.shape == (expected * 3 // 4, expected, 3)
    assert (picture.full_width, picture.full_height) == (1024, 768)


@pytest.mark.parametrize("size", [(1023, 767), (1025, 769), (17, 1001), (3, 3), (8, 9)])
@pytest.mark.parametrize("min_side", [None, 2, 64, 500])
def test_odd_sizes_decode_at_every_scale(size: tuple[int, int], min_side: int | None) -> None:
    picture = decode(jpeg(gradient(*size)), min_side=min_side)
    assert max(picture.rgb.shape[:2]) >= min(min_side or 10_000, *[max(size)])


def test_a_mask_is_enlarged_to_the_picture_and_stays_binary() -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, 24:72] = 255
    large = enlarge(mask, 960, 640)
    assert large.shape == (640, 960)
    assert set(np.unique(large)) == {0, 255}
    assert abs(float((large > 0).mean()) - float((mask > 0).mean())) < 0.002
    assert (decode_png(encode_png(large)) == large).all()
    assert (enlarge(mask, 96, 64) == mask).all()
    with pytest.raises(ValueError, match="not a PNG"):
        decode_png(b"nothing")


def test_an_apng_chunk_makes_an_animation() -> None:
    plain = saved(gradient(), "PNG")
    animated = plain[:33] + chunk(b"acTL", bytes(8)) + plain[33:]
    with pytest.raises(PictureRefused) as caught:
        inspect(animated)
    assert caught.value.reason is RefusalReason.ANIMATED
