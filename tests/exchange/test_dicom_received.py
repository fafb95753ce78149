"""Results refer to whatever instance a portal has sent, also where it says little, or says it wrongly."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_files

from models.pictures.errors import PictureRefused
from models.pictures.info import MediaType
from models.pictures.inspect import inspect
from services.exchange.dicom_files import referred
from services.exchange.dicom_measurements import Pictured, measurements
from services.exchange.dicom_segmentation import segmentation
from tests.exchange.dicom_samples import HEIGHT, WIDTH, complaints, image_view, lesion, result_of
from workers.results_making import received

# What the portal's own instance lacks, or writes in an old way, its results do, too.
INHERITED = re.compile("needed to build DICOMDIR|Retired Person Name form")


def pydicoms_files() -> Iterator[bytes]:
    """Every picture of the library's own test files that the intake accepts."""
    for name in sorted(name for name in get_testdata_files() if Path(name).is_file()):
        data = Path(name).read_bytes()
        try:
            if inspect(data, max_pixels=10_000_000).media_type is MediaType.DICOM:
                yield data
        except PictureRefused:
            continue


@pytest.mark.filterwarnings("ignore")  # pydicom's, about what is wrong with these files on purpose
def test_every_picture_that_pydicom_ships_can_be_referred_to(tmp_path: Path) -> None:
    seen = unnamed = 0
    for data in pydicoms_files():
        source = received(data)
        if source is None:  # without study or series: such a picture gets a photograph of its own
            unnamed += 1
            continue
        image = image_view(width=source.Columns, height=source.Rows)
        result = result_of(image)
        made = segmentation(result=result, image=image, source=source, mask=lesion(source.Columns, source.Rows))
        assert made is not None
        told = measurements(result=result, pictures=[Pictured(image, source, made.header)])
        assert made.header.StudyInstanceUID == told.header.StudyInstanceUID == dcmread(io.BytesIO(data)).StudyInstanceUID
        assert not [line for each in (made, told) for line in complaints(each, tmp_path) if not INHERITED.search(line)]
        seen += 1
    assert seen > 20
    assert unnamed > 0


def sent(**changes: Any) -> Dataset:
    values = {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller",
        "PatientID": "4711",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "SOPInstanceUID": "1.2.3.4.5",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.7",
        "Rows": HEIGHT,
        "Columns": WIDTH,
        "FrameOfReferenceUID": "1.2.9",
        "AccessionNumber": "A-1",
        "TimezoneOffsetFromUTC": "+0200",
    }
    dataset = Dataset()
    for keyword, value in {**values, **changes}.items():
        setattr(dataset, keyword, value)
    return dataset


def test_results_carry_the_portals_own_patient_and_study() -> None:
    """As the portal wrote them; a frame of reference stays behind, for a photograph has no place in space."""
    image = image_view()
    result, source = result_of(image), referred(sent())
    made = segmentation(result=result, image=image, source=source, mask=lesion())
    assert made is not None
    told = measurements(result=result, pictures=[Pictured(image, source, made.header)])
    for header in (made.header, told.header):
        assert (str(header.PatientName), header.PatientID, header.PatientBirthDate) == ("Müller", "4711", "19700101")
        assert (header.StudyInstanceUID, header.AccessionNumber) == ("1.2.3", "A-1")
        assert header.ContentTime == "070607"
    assert "FrameOfReferenceUID" not in made.header
    assert made.header.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.5"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_that_break_their_own_rules_are_left_out() -> None:
    source = referred(sent(PatientSex="unknown", PatientBirthDate="1.1.1970", StudyDate="today", TimezoneOffsetFromUTC="CET"))
    assert (source.PatientSex, source.PatientBirthDate, source.StudyDate) == ("", "", "")
    image = image_view()
    result = result_of(image)
    made = segmentation(result=result, image=image, source=source, mask=lesion())
    assert made is not None
    assert (made.header.ContentTime, made.header.TimezoneOffsetFromUTC) == ("050607", "+0000")


def test_pictures_of_two_studies_have_outlines_in_their_own_and_one_report(tmp_path: Path) -> None:
    images = [image_view(), image_view(position=1)]
    result = result_of(*images)
    sources = [referred(sent()), referred(sent(StudyInstanceUID="1.2.77", SeriesInstanceUID="1.2.77.1", SOPInstanceUID="1.2.77.1.1"))]
    pictures = []
    for image, source in zip(images, sources, strict=True):
        made = segmentation(result=result, image=image, source=source, mask=lesion())
        assert made is not None
        assert made.header.StudyInstanceUID == source.StudyInstanceUID
        pictures.append(Pictured(image, source, made.header))
    told = measurements(result=result, pictures=pictures)
    assert told.header.StudyInstanceUID == "1.2.3"
    assert {study for study, *_ in hd.sr.srread(io.BytesIO(told.data)).get_evidence()} == {"1.2.3", "1.2.77"}
    assert len({str(each.segmentation.SeriesInstanceUID) for each in pictures if each.segmentation}) == 2
    assert not [line for line in complaints(told, tmp_path) if not INHERITED.search(line)]


def test_a_mask_is_read_back_from_a_portals_instance() -> None:
    image = image_view()
    made = segmentation(result=result_of(image), image=image, source=referred(sent()), mask=lesion())
    assert made is not None
    pixels = hd.seg.segread(io.BytesIO(made.data)).get_pixels_by_source_instance(["1.2.3.4.5"])
    assert np.array_equal(pixels[0, ..., 0] > 0, lesion() > 0)
