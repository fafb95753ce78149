"""What a DICOM header says of its case: read value by value, whatever stands there."""

import io
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from models.pictures.dicom_facts import DicomFacts, read_facts, read_identity
from models.pictures.inspect import inspect
from tests.pictures.samples import dicom, gradient


def facts(**said: Any) -> DicomFacts:
    built = Dataset()
    for name, value in said.items():
        setattr(built, name, value)
    return read_facts(built, transfer_syntax="1.2.840.10008.1.2.1")


@pytest.mark.parametrize(
    ("said", "year"),
    [
        ({"PatientBirthDate": "19610504"}, 1961),
        ({"PatientAge": "045Y", "StudyDate": "20260110"}, 1981),
        ({"PatientAge": "018M", "StudyDate": "20260110"}, 2025),
        ({"PatientAge": "045Y", "ContentDate": "20260110"}, 1981),
        ({"PatientAge": "045Y"}, None),
        ({"PatientBirthDate": "", "PatientAge": ""}, None),
        ({"PatientBirthDate": "18000101"}, None),
        ({}, None),
    ],
)
def test_the_year_of_birth_is_what_is_kept_of_age_and_birth_date(said: dict[str, str], year: int | None) -> None:
    found = facts(**said)
    assert found.birth_year == year
    assert "00100030" not in found.attributes


def test_site_and_side_are_words() -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "14975008", "SCT", "Forearm"
    said = facts(AnatomicRegionSequence=[region], BodyPartExamined="ARM", Laterality="R")
    assert (said.body_site, said.laterality) == ("forearm", "right")
    assert said.attributes["00082218"]["Value"][0]["00080104"]["Value"] == ["Forearm"]
    assert facts(BodyPartExamined="UPPER_LEG", ImageLaterality="U").body_site == "upper leg"
    assert facts(BodyPartExamined="UPPER_LEG", ImageLaterality="U").laterality == "midline"
    assert (facts().body_site, facts().laterality, facts(PatientSex="X").sex) == ("", None, None)


def test_names_and_free_text_are_no_attributes() -> None:
    said = {"PatientName": "SECRET", "StudyDescription": "SECRET", "OtherPatientNames": "SECRET", "InstitutionName": "SECRET"}
    assert "SECRET" not in repr(facts(**said, PatientID="P-1"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_that_cannot_be_read_is_absent() -> None:
    built = Dataset()
    for tag, vr, value in (
        (0x00200013, "IS", b"1A"),
        (0x00280030, "DS", b"nan\\nan"),
        (0x00280010, "US", b"\1"),
        (0x00100020, "LO", b"P\0-1\n"),
    ):
        built[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True)
    found = read_facts(built, transfer_syntax="1.2.840.10008.1.2.1")
    assert found.patient_id == "P-1"
    assert set(found.attributes) == {"00100020"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_are_bounded_and_uids_are_uids() -> None:
    said = facts(PatientID="P" * 1000, StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.x", SeriesInstanceUID="1." * 40 + "1")
    assert (len(said.patient_id), said.study_uid, said.sop_instance_uid, said.series_uid) == (64, "1.2.3", "", "")
    assert not said.identified


@pytest.mark.parametrize(("said", "factor"), [("10", 10.0), ("0", None), ("-3", None), ("5000", None), ("", None)])
def test_the_magnification_is_a_number_that_can_be(said: str, factor: float | None) -> None:
    assert facts(OpticalMagnificationFactor=said).magnification == factor


def test_a_file_brings_its_facts_and_other_pictures_have_none() -> None:
    info = inspect(dicom(gradient(), PatientID="P-1", TrackingUID="1.2.9"))
    assert info.dicom is not None
    assert (info.dicom.patient_id, info.dicom.tracking) == ("P-1", "1.2.9")


def test_the_identity_of_a_broken_file_is_read_as_far_as_it_goes() -> None:
    whole = dicom(gradient(), StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4")
    assert read_identity(io.BytesIO(whole[:-5000]))[:2] == ("1.2.3", "1.2.4")
    for data in (b"", b"words", whole[:200], bytes(5000)):
        assert read_identity(io.BytesIO(data)) == ("", "", "", "")
