"""What the demonstration submits."""

import io
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from infra.demo.cases import MEDIA_TYPES, drawn_cases, encode, folder_cases
from infra.demo.dicom import DERMOSCOPIC_PHOTOGRAPHY, dermoscopic_dicom
from infra.demo.visits import FOLLOWED
from models.synthetic import draw


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, bytes, bool]]:
    return [(case.uploads[0].filename, case.uploads[0].read(), case.refusal_expected) for case in drawn_cases()]


def test_the_drawn_set_has_visits_24_lesions_a_dicom_a_street_and_a_broken_file(drawn: list[tuple[str, bytes, bool]]) -> None:
    names = [name for name, _, _ in drawn]
    assert len(names) == len(set(names)) == 35
    assert sum(name.startswith("trail-") for name in names) == sum(len(lesion.months) for lesion in FOLLOWED) == 8
    assert names[32:] == ["dermoscope.dcm", "street.jpg", "cut-off.jpg"]
    assert {Path(name).suffix for name in names} >= {".jpg", ".png", ".webp", ".tif", ".dcm"}


def test_only_the_broken_file_is_expected_to_be_refused(drawn: list[tuple[str, bytes, bool]]) -> None:
    assert [name for name, _, refused in drawn if refused] == ["cut-off.jpg"]
    whole = [data for name, data, _ in drawn if name.endswith((".jpg", ".png", ".webp", ".tif")) and name != "cut-off.jpg"]
    for data in whole:
        Image.open(io.BytesIO(data)).load()


def test_several_cases_share_a_patient() -> None:
    patients = [case.case["patient"]["reference"] for case in drawn_cases()]
    assert len(set(patients)) < len(patients) / 2


def test_the_dicom_file_gives_the_picture_back() -> None:
    picture = draw(seed=1, width=320, height=240)
    data = dermoscopic_dicom(rgb=picture.rgb, pixel_spacing_mm=0.05, patient_id="P1", body_site="back")
    dataset = pydicom.dcmread(io.BytesIO(data))
    assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == DERMOSCOPIC_PHOTOGRAPHY
    assert dataset.PixelSpacing == [0.05, 0.05]
    assert np.abs(dataset.pixel_array.astype(float) - picture.rgb).mean() < 4
    again = dermoscopic_dicom(rgb=picture.rgb, pixel_spacing_mm=0.05, patient_id="P1", body_site="back")
    assert data == again


def test_a_folder_gives_one_case_for_each_image_in_order(tmp_path: Path) -> None:
    rgb = draw(seed=1, width=64, height=48).rgb
    (tmp_path / "b").mkdir()
    for name in ("b/two.PNG", "a-one.jpg"):
        (tmp_path / name).write_bytes(encode(rgb, Path(name).suffix.lower()))
    (tmp_path / "labels.csv").write_text("not an image")
    cases = list(folder_cases(tmp_path))
    assert [case.uploads[0].filename for case in cases] == ["a-one.jpg", "b_two.PNG"]
    assert [case.uploads[0].media_type for case in cases] == ["image/jpeg", "image/png"]


def test_a_folder_without_images_is_an_error_that_names_the_formats(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\.heic"):
        list(folder_cases(tmp_path))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_every_format_keeps_the_picture(suffix: str) -> None:
    rgb = draw(seed=1, width=160, height=120).rgb
    assert suffix in MEDIA_TYPES
    assert np.abs(decoded(encode(rgb, suffix)).astype(float) - rgb).mean() < 6


def decoded(data: bytes) -> np.ndarray:
    """H×W×3 RGB."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
