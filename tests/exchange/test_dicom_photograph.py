"""A photograph in DICOM looks as its file looks, holds the camera's own stream where it can, and says nothing of who it is."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

from models.pictures import jpeg
from models.pictures.decode import decode
from services.exchange.dicom_photograph import JpegStream, Pixels, photograph
from services.records.states import Laterality, Modality, VisitSource
from tests.exchange.dicom_samples import HEIGHT, NOW, WIDTH, case_view, coloured, complaints, image_view, saved
from tests.pictures.samples import exif
from workers.results_pictures import picture_of

MAX_PIXELS = 10_000_000
RGB = coloured()
STREAMS: dict[str, dict[str, Any]] = {
    "4:2:0": {"quality": 90},
    "4:2:2": {"quality": 90, "subsampling": 1},
    "4:4:4": {"quality": 90, "subsampling": 0},
    "rgb": {"quality": 90, "keep_rgb": True},
    "restart markers": {"quality": 90, "restart_marker_blocks": 5},
}


def made_of(data: bytes, **image: Any) -> Any:
    view = image_view(**image)
    picture = picture_of(data, max_pixels=MAX_PIXELS)
    return photograph(case=case_view(view), image=view, picture=picture, anonymous=True)


def difference(data: bytes, source: np.ndarray) -> int:
    """Largest difference of a sample, by pydicom's own reading."""
    return int(np.abs(pixel_array(io.BytesIO(data)).astype(int) - source).max())


@pytest.mark.parametrize("options", STREAMS.values(), ids=STREAMS)
def test_a_baseline_jpeg_is_encapsulated_as_it_is(options: dict[str, Any]) -> None:
    data = saved(RGB, **options)
    dataset = dcmread(io.BytesIO(made_of(data).data))
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    assert stream.rstrip(b"\0") == data
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert dataset.PhotometricInterpretation == ("RGB" if "keep_rgb" in options else "YBR_FULL_422")
    assert dataset.LossyImageCompression == "01"


@pytest.mark.parametrize("options", STREAMS.values(), ids=STREAMS)
def test_colours_are_those_of_the_file(options: dict[str, Any]) -> None:
    data = saved(RGB, **options)
    made, source = made_of(data).data, decode(data).rgb
    assert np.array_equal(decode(made).rgb, source)
    assert difference(made, source) <= 1


def test_a_grey_jpeg_stays_one_sample() -> None:
    out = io.BytesIO()
    Image.fromarray(RGB).convert("L").save(out, "JPEG", quality=90)
    dataset = dcmread(io.BytesIO(made_of(out.getvalue()).data))
    assert (dataset.SamplesPerPixel, dataset.PhotometricInterpretation) == (1, "MONOCHROME2")
    assert difference(made_of(out.getvalue()).data, decode(out.getvalue()).rgb[..., 0]) == 0


def test_nothing_of_the_cameras_words_goes_with_the_stream() -> None:
    data = saved(RGB, quality=90, exif=exif(1), comment=b"SECRETCOMMENT")
    made = made_of(data).data
    assert b"Exif" not in made
    assert b"SECRET" not in made
    assert np.array_equal(decode(made).rgb, decode(data).rgb)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_upright_and_loses_nothing(orientation: int) -> None:
    data = saved(RGB, quality=90, exif=exif(orientation, gps=False))
    width, height = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    made = made_of(data, width=width, height=height).data
    dataset = dcmread(io.BytesIO(made))
    assert (dataset.Columns, dataset.Rows) == (width, height)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    assert difference(made, decode(data).rgb) == 0
    assert b"Exif" not in made


@pytest.mark.parametrize(
    ("kind", "options", "lossy"),
    [
        ("PNG", {}, ""),
        ("TIFF", {}, ""),
        ("WEBP", {"quality": 80}, ""),
        ("JPEG", {"quality": 90, "progressive": True}, "01"),
    ],
)
def test_what_is_no_baseline_jpeg_is_kept_without_loss(kind: str, options: dict[str, Any], lossy: str) -> None:
    data = saved(RGB, kind, **options)
    made = made_of(data).data
    assert difference(made, decode(data).rgb) == 0
    assert np.array_equal(decode(made).rgb, decode(data).rgb)
    assert (dcmread(io.BytesIO(made)).LossyImageCompression or "") == lossy


def test_heic_is_kept_without_loss() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(RGB)).save(out, quality=90)
    made = made_of(out.getvalue()).data
    assert difference(made, decode(out.getvalue()).rgb) == 0
    assert dcmread(io.BytesIO(made)).LossyImageCompression == "01"


def test_a_colour_profile_goes_with_the_stream() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(RGB, quality=90, icc_profile=profile)
    assert dcmread(io.BytesIO(made_of(data).data)).ICCProfile == profile


def test_markers_that_contradict_each_other_are_not_passed_on() -> None:
    adobe_rgb = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    plain = saved(RGB, quality=90)
    end_of_jfif = 4 + int.from_bytes(plain[4:6], "big")
    data = plain[:end_of_jfif] + adobe_rgb + plain[end_of_jfif:]
    assert jpeg.read_header(data).adobe_transform == 0
    assert isinstance(picture_of(data, max_pixels=MAX_PIXELS), Pixels)


def test_it_says_where_when_and_how_large() -> None:
    header = made_of(saved(RGB)).header
    assert header.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.7"
    assert (header.PatientID, header.IssuerOfPatientID, str(header.PatientName), header.PatientSex) == ("P-1042", "Portal North", "", "F")
    assert header.AnatomicRegionSequence[0].CodeMeaning == "Skin of back"
    assert header.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    assert header.ImageLaterality == "L"
    assert list(header.PixelSpacing) == [0.02, 0.02]
    assert (header.AcquisitionDate, header.TimezoneOffsetFromUTC) == ("20260304", "+0000")
    assert (header.TrackingUID, header.RecognizableVisualFeatures) == ("2.25.12345678901234567890", "NO")


def test_what_nobody_said_is_left_out() -> None:
    view = image_view(modality=Modality.CLINICAL, pixel_spacing_mm=None)
    case = case_view(view, body_site=None, laterality=None, sex=None, visit_source=VisitSource.RECEIPT)
    header = photograph(case=case, image=view, picture=Pixels(RGB), anonymous=False).header
    assert header.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.4"
    absent = ("AnatomicRegionSequence", "ImageLaterality", "PixelSpacing", "AcquisitionDateTime", "BurnedInAnnotation", "TrackingUID")
    assert not [keyword for keyword in absent if keyword in header]
    assert header.RecognizableVisualFeatures == "YES"


def test_made_twice_it_is_the_same_to_the_byte() -> None:
    view = image_view()
    case = case_view(view)
    first, second = (photograph(case=case, image=view, picture=Pixels(RGB), anonymous=True) for _ in range(2))
    assert first.data == second.data
    assert first.header.ContentDate == f"{NOW:%Y%m%d}"


def test_a_picture_of_another_size_is_refused() -> None:
    view = image_view(width=WIDTH + 1)
    with pytest.raises(ValueError, match="320×240 px, the record says 321×240"):
        photograph(case=case_view(view), image=view, picture=JpegStream(saved(RGB), WIDTH, HEIGHT, "YBR_FULL_422"), anonymous=True)


@pytest.mark.parametrize("modality", [Modality.DERMOSCOPIC, Modality.CLINICAL])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [Laterality.RIGHT, Laterality.MIDLINE, None])
def test_a_checker_of_others_finds_nothing_wrong(modality: Modality, kind: str, side: Laterality | None, tmp_path: Path) -> None:
    view = image_view(modality=modality)
    picture = picture_of(saved(RGB, kind), max_pixels=MAX_PIXELS)
    made = photograph(case=case_view(view, laterality=side), image=view, picture=picture, anonymous=True)
    assert complaints(made, tmp_path) == set()
