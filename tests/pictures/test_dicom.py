"""DICOM: which objects are accepted, and that their colours are right."""

import io
import os
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from models.pictures.decode import decode
from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.info import MediaType, Modality
from models.pictures.inspect import inspect
from models.pictures.viewing import viewing
from tests.pictures.samples import (
    DERMOSCOPIC,
    SECONDARY_CAPTURE,
    VL_PHOTOGRAPHIC,
    Rgb,
    dataset,
    dicom,
    dicom_bytes,
    encapsulated,
    gradient,
    jpeg,
    saved,
)

ROOT = Path(__file__).resolve().parents[2]


def without_markers(stream: bytes) -> bytes:
    """The JPEG without JFIF and Adobe markers, as DICOM encoders often write it."""
    assert stream[2:4] == b"\xff\xe0"
    return stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]


def largest(a: Rgb, b: Rgb) -> int:
    """Largest absolute difference."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("told", ["YBR_FULL_422", "YBR_FULL", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_an_encapsulated_jpeg_looks_like_its_source(subsampling: int, told: str, progressive: bool) -> None:
    """Also where the header wrongly says RGB: a JFIF stream is YCbCr by definition."""
    stream = jpeg(subsampling=subsampling, progressive=progressive)
    data = encapsulated(stream, width=96, height=64, PhotometricInterpretation=told)
    assert largest(decode(data).rgb, simplejpeg.decode_jpeg(stream)) <= 1


@pytest.mark.parametrize("told", ["YBR_FULL_422", "YBR_FULL"])
def test_a_stream_without_markers_is_what_the_header_says_ycbcr(told: str) -> None:
    stream = without_markers(jpeg(subsampling=0))
    data = encapsulated(stream, width=96, height=64, PhotometricInterpretation=told)
    assert largest(decode(data).rgb, simplejpeg.decode_jpeg(jpeg(subsampling=0))) <= 1


def test_a_stream_without_markers_is_what_the_header_says_rgb() -> None:
    """Components 1, 2, 3 that hold red, green and blue: libjpeg alone would take them for YCbCr."""
    stream = as_plain_rgb(gradient())
    data = encapsulated(stream, width=96, height=64, PhotometricInterpretation="RGB")
    assert largest(decode(data).rgb, gradient()) <= 8
    assert largest(simplejpeg.decode_jpeg(stream), gradient()) > 50


def as_plain_rgb(rgb: Rgb) -> bytes:
    """A JPEG of untransformed RGB whose components are numbered 1, 2, 3 and which has no markers."""
    stream = jpeg(rgb, keep_rgb=True, quality=97)
    start = stream.index(b"\xff\xee")
    stream = stream[:start] + stream[start + 2 + int.from_bytes(stream[start + 2 : start + 4], "big") :]
    frame = stream.index(b"\xff\xc0") + 10
    scan = stream.index(b"\xff\xda") + 5
    numbered = bytearray(stream)
    for number in range(3):
        numbered[frame + 3 * number] = numbered[scan + 2 * number] = number + 1
    return bytes(numbered)


def test_the_adobe_marker_wins_over_the_header() -> None:
    data = encapsulated(jpeg(keep_rgb=True), width=96, height=64, PhotometricInterpretation="YBR_FULL_422")
    assert largest(decode(data).rgb, simplejpeg.decode_jpeg(jpeg(keep_rgb=True))) == 0


def test_a_jpeg_frame_is_decoded_at_reduced_scale() -> None:
    data = encapsulated(jpeg(gradient(1024, 768)), width=1024, height=768)
    picture = decode(data, min_side=512)
    assert picture.rgb.shape == (384, 512, 3)
    assert (picture.full_width, picture.full_height) == (1024, 768)


def ybr(rgb: Rgb) -> Rgb:
    """PS3.3 C.7.6.3.1.2: full-range YCbCr of ITU-T T.871."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.stack([y, (b - y) / 1.772 + 128, (r - y) / 1.402 + 128], axis=2).round().clip(0, 255).astype(np.uint8)


def halved(ybr_full: Rgb) -> bytes:
    """YBR_FULL_422: two luminances, then one blue and one red difference."""
    pairs = ybr_full.reshape(-1, 2, 3).astype(int)
    return np.stack([pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, :, 1].mean(1), pairs[:, :, 2].mean(1)], axis=1).astype(np.uint8).tobytes()


def compressed(syntax: str, **changes: Any) -> bytes:
    built = dataset(gradient())
    built.compress(syntax, encoding_plugin="pydicom" if syntax == RLELossless else "", **changes)
    return dicom_bytes(built)


def big_endian(rgb: Rgb) -> bytes:
    return dicom_bytes(dataset(rgb, syntax=ExplicitVRBigEndian))


def sixteen_bits(rgb: Rgb, syntax: str) -> bytes:
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    wide = (rgb.astype(np.uint16) * 257).astype(order).tobytes()
    return dicom_bytes(dataset(rgb, syntax=syntax, BitsAllocated=16, BitsStored=16, HighBit=15, PixelData=wide))


def planar(rgb: Rgb) -> bytes:
    return dicom(rgb, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes())


def jpeg_2000(rgb: Rgb, told: str, *, transformed: bool) -> bytes:
    stream = saved(rgb, "JPEG2000", no_jp2=True, mct=int(transformed))
    return encapsulated(stream, width=96, height=64, syntax=JPEG2000Lossless, PhotometricInterpretation=told)


LOSSLESS: dict[str, Any] = {
    "rgb": dicom,
    "implicit": lambda rgb: dicom_bytes(dataset(rgb, syntax=ImplicitVRLittleEndian)),
    "big endian": big_endian,
    "planar": planar,
    "16 bits": lambda rgb: sixteen_bits(rgb, "1.2.840.10008.1.2.1"),
    "16 bits big endian": lambda rgb: sixteen_bits(rgb, ExplicitVRBigEndian),
    "rle": lambda rgb: compressed(RLELossless),
    "jpeg-ls": lambda rgb: compressed(JPEGLSLossless),
    "jpeg 2000 rct": lambda rgb: jpeg_2000(rgb, "YBR_RCT", transformed=True),
    "jpeg 2000 rgb": lambda rgb: jpeg_2000(rgb, "RGB", transformed=False),
}


@pytest.mark.parametrize("way", LOSSLESS)
def test_lossless_objects_give_their_exact_colours(way: str) -> None:
    assert (decode(LOSSLESS[way](gradient())).rgb == gradient()).all()


def test_ycbcr_objects_give_their_colours() -> None:
    full = dicom(PhotometricInterpretation="YBR_FULL", PixelData=ybr(gradient()).tobytes())
    half = dicom(PhotometricInterpretation="YBR_FULL_422", PixelData=halved(ybr(gradient())))
    assert largest(decode(full).rgb, gradient()) <= 2
    assert largest(decode(half).rgb, gradient()) <= 4


def grey(values: Any, told: str = "MONOCHROME2", **changes: Any) -> bytes:
    return dicom(values.astype(np.uint8), PhotometricInterpretation=told, **changes)


def test_monochrome_becomes_grey_and_monochrome1_is_inverted() -> None:
    ramp = np.tile(np.arange(96, dtype=np.uint8), (64, 1))
    assert (decode(grey(ramp)).rgb == ramp[..., None]).all()
    assert (decode(grey(ramp, "MONOCHROME1")).rgb == 255 - ramp[..., None]).all()


def test_twelve_stored_bits_are_scaled_to_eight() -> None:
    ramp = np.tile(np.linspace(0, 4095, 96).astype("<u2"), (64, 1))
    data = dicom(np.zeros((64, 96), np.uint8), BitsAllocated=16, BitsStored=12, HighBit=11, PixelData=ramp.tobytes())
    shown = decode(data).rgb[0, :, 0]
    assert (shown[0], shown[-1]) == (0, 255)
    assert (np.diff(shown.astype(int)) >= 0).all()


def test_the_stored_window_is_applied() -> None:
    ramp = np.tile(np.arange(96, dtype=np.uint8), (64, 1))
    shown = decode(grey(ramp, WindowCenter="48", WindowWidth="20")).rgb[0, :, 0]
    assert (shown[:38] == 0).all()
    assert (shown[60:] == 255).all()


def test_palette_colours_are_looked_up() -> None:
    indices = (np.arange(64 * 96).reshape(64, 96) % 256).astype(np.uint8)
    built = dataset(indices, PhotometricInterpretation="PALETTE COLOR")
    table = np.arange(256, dtype="<u2") * 257
    for name, values in (("Red", table), ("Green", table[::-1]), ("Blue", np.roll(table, 7))):
        setattr(built, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(built, f"{name}PaletteColorLookupTableData", values.tobytes())
    rgb = decode(dicom_bytes(built)).rgb
    assert (rgb[..., 0] == indices).all()
    assert (rgb[..., 1] == 255 - indices).all()


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [(DERMOSCOPIC, Modality.DERMOSCOPIC), (VL_PHOTOGRAPHIC, Modality.CLINICAL), (SECONDARY_CAPTURE, Modality.UNKNOWN)],
)
def test_the_accepted_objects_tell_how_the_picture_was_taken(sop_class: str, modality: Modality) -> None:
    info = inspect(dicom(sop_class=sop_class, PixelSpacing=[0.02, 0.02]))
    assert (info.media_type, info.width, info.height) == (MediaType.DICOM, 96, 64)
    assert (info.modality, info.pixel_spacing_mm) == (modality, 0.02)
    assert decode(dicom(sop_class=sop_class, PixelSpacing=[0.02, 0.02])).pixel_spacing_mm == 0.02


@pytest.mark.parametrize("spacing", [[0.02, 0.03], [0, 0], [-1, -1]])
def test_an_unusable_pixel_spacing_is_no_scale(spacing: list[float]) -> None:
    assert inspect(dicom(PixelSpacing=spacing)).pixel_spacing_mm is None


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"AcquisitionDateTime": "20240301093000.5+0200"}, datetime(2024, 3, 1, 7, 30, 0, 500_000, UTC)),
        (
            {"AcquisitionDate": "20240301", "AcquisitionTime": "0930", "TimezoneOffsetFromUTC": "-0500"},
            datetime(2024, 3, 1, 14, 30, tzinfo=UTC),
        ),
        ({"ContentDate": "20240301", "ContentTime": "093000"}, datetime(2024, 3, 1, 9, 30, tzinfo=UTC)),
        ({"AcquisitionDate": "20240301"}, datetime(2024, 3, 1, tzinfo=UTC)),
        ({"AcquisitionDate": "16000101"}, None),
        ({"AcquisitionDate": "", "ContentDate": ""}, None),
        ({}, None),
    ],
)
def test_a_file_says_when_its_picture_was_taken_or_nothing(said: dict[str, str], taken: datetime | None) -> None:
    assert inspect(dicom(None, **said)).acquired_at == taken


def test_the_view_is_a_jpeg_without_the_patient() -> None:
    data = dicom()
    assert b"SECRET" in data
    view = viewing(data, inspect(data))
    assert view.media_type is MediaType.JPEG
    assert b"SECRET" not in view.data
    assert np.abs(decode(view.data).rgb.astype(int) - gradient()).mean() < 1.5


def without(name: str) -> bytes:
    built = dataset(gradient())
    delattr(built, name)
    return dicom_bytes(built)


BROKEN: dict[str, tuple[Any, RefusalReason]] = {
    "no pixels": (lambda: without("PixelData"), RefusalReason.NO_PIXEL_DATA),
    "two frames": (lambda: dicom(NumberOfFrames=2, PixelData=gradient().tobytes() * 2), RefusalReason.MULTI_FRAME),
    "ct": (lambda: dicom(sop_class="1.2.840.10008.5.1.4.1.1.2"), RefusalReason.UNSUPPORTED_SOP_CLASS),
    "unknown syntax": (lambda: patched(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"), RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX),
    "deflated": (lambda: patched(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"), RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX),
    "wrong syntax": (lambda: encapsulated(b"no jpeg at all", width=96, height=64), RefusalReason.DAMAGED),
    "32 bits": (
        lambda: dicom(BitsAllocated=32, BitsStored=32, HighBit=31, PixelData=bytes(64 * 96 * 12)),
        RefusalReason.UNSUPPORTED_COLOUR,
    ),
    "hsv": (lambda: dicom(PhotometricInterpretation="HSV"), RefusalReason.UNSUPPORTED_COLOUR),
    "cut pixels": (lambda: dicom(PixelData=gradient().tobytes()[:-2000]), RefusalReason.DAMAGED),
    "cut jpeg": (lambda: encapsulated(jpeg()[:-300], width=96, height=64), RefusalReason.TRUNCATED),
    "other size": (lambda: encapsulated(jpeg(), width=95, height=64), RefusalReason.DAMAGED),
    "huge": (lambda: dicom(Rows=60_000, Columns=60_000), RefusalReason.TOO_MANY_PIXELS),
}


def patched(old: bytes, new: bytes) -> bytes:
    data = dicom()
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize("way", BROKEN)
def test_it_is_refused_with_its_reason(way: str) -> None:
    make, reason = BROKEN[way]
    data = make()
    with pytest.raises(PictureRefused) as caught:
        viewing(data, inspect(data))
    assert caught.value.reason is reason
    with pytest.raises(PictureRefused):
        decode(data)


def test_two_fragments_of_one_frame_are_joined() -> None:
    stream = jpeg()
    halves = encapsulate([stream], fragments_per_frame=2)
    assert largest(decode(encapsulated(stream, width=96, height=64, PixelData=halves)).rgb, simplejpeg.decode_jpeg(stream)) <= 1


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    """Files of the pydicom project and others, by their path below the folder ``dicom``."""
    root = Path(os.environ.get("DERMATRAIL_SHARED") or ROOT.parent / "shared")
    archive = root / "data" / "dicom.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not here; set DERMATRAIL_SHARED")
    with tarfile.open(archive) as opened:
        files = [member for member in opened if member.name.endswith(".dcm")]
        return {member.name.split("dicom/", 1)[1]: (opened.extractfile(member) or io.BytesIO()).read() for member in files}


# One test picture, written by several toolkits with every colour model and compression; chroma subsampling blurs its edges.
SHARP = {"+eb+cr": 2, "+eb+cy+n2": 6, "+eb+cy+s2": 6, "+eb+cy+s4": 6}
BLURRED = {"+eb+cy+n1": 3.0, "+eb+cy+np": 3.0}


def test_the_sample_family_looks_the_same_in_every_colour_model(samples: dict[str, bytes]) -> None:
    reference = decode(samples["pydicom-data/SC_rgb.dcm"]).rgb
    for name, limit in SHARP.items():
        assert largest(decode(samples[f"pydicom/SC_rgb_dcmtk_{name}.dcm"]).rgb, reference) <= limit
    for name, mean in BLURRED.items():
        found = decode(samples[f"pydicom/SC_rgb_dcmtk_{name}.dcm"]).rgb
        assert np.abs(found.astype(int) - reference).mean() <= mean
    for name in ("SC_rgb_gdcm_KY", "SC_rgb_rle", "SC_rgb_rle_16bit", "SC_rgb_jpeg_gdcm"):
        assert largest(decode(samples[f"pydicom/{name}.dcm"]).rgb, reference) == 0
    for name in ("SC_ybr_full_uncompressed", "SC_rgb_expb", "SC_rgb_16bit"):
        assert largest(decode(samples[f"pydicom-data/{name}.dcm"]).rgb, reference) <= 6


def test_no_sample_raises_anything_but_a_refusal(samples: dict[str, bytes]) -> None:
    for data in samples.values():
        with suppress(PictureRefused):
            viewing(data, inspect(data))
