"""Whole DICOM objects: who it is goes, what the picture needs stays, and the same becomes the same."""

import io
from contextlib import suppress
from datetime import date
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from models.deidentify.clean import clean_age, clean_text
from models.deidentify.dicom import age_of, deidentify, is_remapped
from models.deidentify.dicom_files import deidentify_file, without_comments
from models.deidentify.secret import FARTHEST_DAYS, NEAREST_DAYS, Secret, SecretTooShort
from models.deidentify.table import DEFAULT, Option
from models.pictures import jpeg as jpeg_files
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from tests.pictures.samples import dataset, dicom, dicom_bytes, encapsulated, exif, gradient, jpeg

SECRET, OTHER = Secret(b"0123456789abcdef0123456789abcdef"), Secret(b"another secret of 32 bytes or so")
TEXT = st.text(st.characters(codec="ascii", min_codepoint=33, exclude_characters="\\"), min_size=3, max_size=24)


def treated(built: Dataset, *, secret: Secret = SECRET, options: frozenset[Option] = DEFAULT) -> Dataset:
    """The object after its file went through."""
    data = deidentify_file(dicom_bytes(built), secret=secret, options=options).data
    return pydicom.dcmread(io.BytesIO(data))


def patient(**changes: Any) -> Dataset:
    """A dermoscopic photograph that tells much."""
    told = {
        "PatientID": "4711",
        "PatientName": "Mueller^Anna",
        "PatientBirthDate": "19610302",
        "PatientSex": "F",
        "StudyDate": "20210304",
        "StudyTime": "101500",
        "ContentDate": "20210311",
        "AcquisitionDateTime": "20210304101500.5+0100",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "StudyDescription": "Dermoscopy left forearm, Frau Mueller 4711",
        "InstitutionName": "Clinic North",
        "DeviceSerialNumber": "D-99",
        "OperatorsName": "Nurse^Joy",
        "ImageComments": "seen by Dr Meier",
    }
    return dataset(gradient(), **{**told, **changes})


def test_what_is_kept_is_a_pseudonym_age_sex_site_device_and_the_distances_of_dates() -> None:
    built = patient(PatientAge="060Y")
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "14975008", "SCT", "Forearm"
    built.AnatomicRegionSequence = Items([region])
    found = treated(built)
    assert found.PatientID == found.PatientName == SECRET.name("patient", "/4711")
    assert (found.PatientAge, found.PatientSex, found.PatientBirthDate) == ("060Y", "F", "")
    assert found.AnatomicRegionSequence[0].CodeMeaning == "Forearm"
    assert found.DeviceSerialNumber == "D-99"
    assert found.StudyDescription == "dermoscopy left forearm"
    assert "InstitutionName" not in found
    study, content = (date.fromisoformat(day) for day in (found.StudyDate, found.ContentDate))
    assert (content - study).days == 7
    assert -FARTHEST_DAYS < (study - date(2021, 3, 4)).days <= -NEAREST_DAYS
    assert (found.StudyTime, str(found.AcquisitionDateTime)[8:]) == ("101500", "101500.5+0100")


def test_it_says_of_itself_what_was_done() -> None:
    found = treated(patient())
    assert found.PatientIdentityRemoved == "YES"
    assert found.DeidentificationMethod == "Dermatrail: PS3.15 E.1-1 2026c"
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in found.DeidentificationMethodCodeSequence]
    assert codes == [(code, "DCM") for code in ("113100", "113109", "113108", "113107", "113105")]
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"
    bare = treated(patient(), options=frozenset())
    assert [item.CodeValue for item in bare.DeidentificationMethodCodeSequence] == ["113100"]
    assert bare.LongitudinalTemporalInformationModified == "REMOVED"
    assert "PatientAge" not in bare
    assert treated(patient(), options=frozenset({Option.FULL_DATES})).StudyDate == "20210304"


def test_the_same_patient_and_uid_become_the_same_and_only_under_the_same_secret() -> None:
    one, two, other = treated(patient()), treated(patient(SeriesInstanceUID="9.9")), treated(patient(PatientID="4712"))
    assert (one.PatientID, one.StudyInstanceUID, one.StudyDate) == (two.PatientID, two.StudyInstanceUID, two.StudyDate)
    assert one.SeriesInstanceUID != two.SeriesInstanceUID
    assert one.PatientID != other.PatientID
    assert treated(patient(), secret=OTHER).PatientID != one.PatientID
    assert treated(patient(IssuerOfPatientID="north")).PatientID != one.PatientID
    strangers = [treated(patient(PatientID="", StudyInstanceUID=uid)).PatientID for uid in ("1.1", "1.2")]
    assert strangers[0] != strangers[1]


def test_references_still_lead_to_what_they_led_to() -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.77"
    target = treated(patient(SOPInstanceUID="1.2.3.77"))
    found = treated(patient(SourceImageSequence=Items([reference])))
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == target.SOPInstanceUID == target.file_meta.MediaStorageSOPInstanceUID
    assert found.SourceImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert is_remapped(target.SOPInstanceUID)
    assert not is_remapped("2.25.1")


def test_private_unknown_and_nested_attributes_go() -> None:
    built = patient()
    built.private_block(0x0019, "SECRET CREATOR", create=True).add_new(1, "LO", "SECRET")
    built.add_new(0x00091001, "UN", b"SECRET")
    built.add_new(0x00084242, "LO", "SECRET")
    inner = Dataset()
    inner.PatientName, inner.StudyDate, inner.PersonName = "SECRET^NAME", "20210304", "SECRET^NAME"
    inner.private_block(0x0021, "SECRET CREATOR", create=True).add_new(1, "LO", "SECRET")
    inner.ReferencedSOPInstanceUID = "1.2.3.99"
    deeper = Dataset()
    deeper.ReferencedImageSequence = Items([inner])
    built.AnatomicRegionSequence = Items([deeper])
    built.add_new(0x60000010, "US", 1)
    built.add_new(0x60003000, "OW", b"SECRET")
    built.add_new(0x60000022, "LO", "SECRET")
    data = deidentify_file(dicom_bytes(built), secret=SECRET).data
    assert b"SECRET" not in data
    found = pydicom.dcmread(io.BytesIO(data))
    kept = found.AnatomicRegionSequence[0].ReferencedImageSequence[0]
    assert kept.ReferencedSOPInstanceUID == SECRET.uid("1.2.3.99")
    assert kept.StudyDate == found.StudyDate
    assert not [element for element in found if element.tag.is_private or element.tag.group == 0x6000]


def test_the_files_own_header_and_preamble_say_nothing() -> None:
    data = bytearray(dicom(PatientName="X"))
    data[:128] = b"SECRET".ljust(128, b"!")
    built = pydicom.dcmread(io.BytesIO(bytes(data)))
    built.file_meta.SourceApplicationEntityTitle = "SECRETAE"
    built.file_meta.PrivateInformationCreatorUID, built.file_meta.PrivateInformation = UID("1.2.3"), b"SECRET"
    written = deidentify_file(bytes(data[:128]) + dicom_bytes(built)[128:], secret=SECRET).data
    assert b"SECRET" not in written
    assert written[:128] == b"\0" * 128


def test_pixels_stay_bit_by_bit_and_colours_equal() -> None:
    stream = jpeg(exif=exif(1), comment=b"SECRET")
    data = encapsulated(stream, width=96, height=64)
    written = deidentify_file(data, secret=SECRET).data
    assert b"SECRET" in data
    assert b"SECRET" not in written
    assert np.array_equal(decode(data).rgb, decode(written).rgb)
    scan = jpeg_files.without_metadata(stream, jpeg_files.read_header(stream))
    assert scan in written
    raw = dicom()
    assert np.array_equal(decode(raw).rgb, decode(deidentify_file(raw, secret=SECRET).data).rgb)


def test_comments_of_other_codecs_go_too() -> None:
    comment = b"\xff\x64\0\x0a\0\x01SECRET"
    frame = b"\xff\x4f\xff\x51\0\x04ab" + comment + b"\xff\x90\0\x0arest of it"
    assert without_comments(frame, "1.2.840.10008.1.2.4.90") == frame.replace(comment, b"")
    with pytest.raises(PictureRefused):
        without_comments(b"\xff\x4f\xff\x51", "1.2.840.10008.1.2.4.90")


@pytest.mark.parametrize(
    ("age", "birth", "study", "found"),
    [("047Y", "", "", "047Y"), ("", "19610305", "20210304", "059Y"), ("", "19610304", "20210304", "060Y"), ("", "", "20210304", "")],
)
def test_the_age_is_said_or_counted(age: str, birth: str, study: str, found: str) -> None:
    built = Dataset()
    built.PatientAge, built.PatientBirthDate, built.StudyDate = age, birth, study
    assert age_of(built) == found


def test_the_oldest_are_ninety() -> None:
    assert [clean_age(age) for age in ("089Y", "090Y", "103Y", "011M", "Mueller")] == ["089Y", "090Y", "090Y", "011M", ""]
    assert treated(patient(PatientBirthDate="19100101")).PatientAge == "090Y"


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(SecretTooShort, match="openssl rand"):
        Secret(b"short")
    assert "0123" not in repr(SECRET)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["PatientID", "OtherPatientNames", "StudyDescription", "ImageComments", "PatientAddress"]), TEXT))
def test_no_word_that_was_typed_is_found_again(typed: dict[str, str]) -> None:
    built = Dataset()
    built.PatientID, built.SOPInstanceUID = "4711", "1.2.3"
    for name, value in typed.items():
        setattr(built, name, value)
    deidentify(built, secret=SECRET)
    assert not [value for value in typed.values() if value != clean_text(value) and value in _values(built)]


def _values(built: Dataset) -> set[str]:
    return {str(element.value) for element in built.iterall() if element.VR != "SQ"}


@settings(max_examples=80, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2090, 1, 1)), st.dates(date(1900, 1, 1), date(2090, 1, 1)), TEXT)
def test_days_between_dates_stay(one: date, two: date, number: str) -> None:
    built = Dataset()
    built.PatientID, built.StudyDate, built.ContentDate = number, f"{one:%Y%m%d}", f"{two:%Y%m%d}"
    deidentify(built, secret=SECRET)
    moved = [date.fromisoformat(str(day)) for day in (built.StudyDate, built.ContentDate)]
    assert moved[1] - moved[0] == two - one
    assert moved[0] != one


@given(st.text(max_size=80))
def test_cleaned_text_has_only_listed_words_and_is_clean_already(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert not any(letter.isdigit() for letter in clean)


@given(st.text(min_size=1, max_size=64))
def test_uids_are_valid_and_never_meet(text: str) -> None:
    uid = SECRET.uid(text)
    assert UID(uid).is_valid
    assert len(uid) <= 44
    assert SECRET.uid(text) == uid
    assert SECRET.uid(text + ".1") != uid


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_damaged_files_are_refused_and_nothing_else(at: int, noise: bytes) -> None:
    data = bytearray(dicom())
    data[132 + at : 132 + at + len(noise)] = noise
    with suppress(PictureRefused):
        deidentify_file(bytes(data), secret=SECRET)
