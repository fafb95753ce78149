"""What our DICOM instances have in common: identifiers, patient and study, equipment, times, bytes.

Everything in an instance follows from the case and its decision, so that making one twice makes the same bytes: UIDs are derived
(PS3.5 B.2), times are those of the decision, and nothing is taken from the clock.
"""

import hashlib
import io
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid5

from pydicom import Dataset, dcmread
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pydicom.valuerep import DA, DT, TM

from services.exchange.codes import Coded, Scheme
from services.records.states import Laterality, Sex
from services.records.views import CaseView

MANUFACTURER = "Dermatrail"
MODEL = "Dermatrail"
# Enhanced General Equipment (PS3.3 C.7.5.2) asks for one; a program has none.
SERIAL_NUMBER = "none"
NAMESPACE = UUID("5b6f4f0e-6f43-5c0b-9a51-6c1f1f0d7a11")
IMPLEMENTATION = UID(f"2.25.{uuid5(NAMESPACE, 'implementation').int}")
UTF8 = "ISO_IR 192"
SEXES = {Sex.FEMALE: "F", Sex.MALE: "M", Sex.OTHER: "O"}
SIDES = {Laterality.LEFT: "L", Laterality.RIGHT: "R", Laterality.MIDLINE: "U"}
# Who and which study: repeated unchanged in every instance of the study (PS3.3 C.7.1.1, C.7.2.1).
PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName")
INSTANCE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "TimezoneOffsetFromUTC")
LONG_STRING = 64


@dataclass(frozen=True, slots=True)
class Made:
    """An instance as it goes to the store: the whole file (PS3.10) and its header without pixels."""

    data: bytes
    header: Dataset

    @property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def uid_of(*parts: object) -> str:
    """The UID of what these parts name together, always the same one (PS3.5 B.2: a UUID under 2.25)."""
    return f"2.25.{uuid5(NAMESPACE, '/'.join(map(str, parts))).int}"


@lru_cache(maxsize=1)
def software_version() -> str:
    """The version of this program."""
    return version("dermatrail")[:LONG_STRING]


def concept(coded: Coded) -> Dataset:
    """A concept as an item of a code sequence (PS3.3 8)."""
    item = Dataset()
    item.CodeValue = coded.code
    item.CodingSchemeDesignator = coded.scheme.value
    item.CodeMeaning = coded.meaning[:LONG_STRING]
    return item


def our_scheme() -> Dataset:
    """An item that tells readers whose the private codes are (PS3.3 C.12.1, Coding Scheme Identification Sequence)."""
    item = Dataset()
    item.CodingSchemeDesignator = Scheme.OURS.value
    item.CodingSchemeName = "Dermatrail's own concepts"
    item.CodingSchemeVersion = software_version()
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def new_study(case: CaseView) -> Dataset:
    """Patient and study of a case that did not come as DICOM: known by the portal's pseudonym alone."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = UTF8
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.PatientName = ""
    dataset.PatientID = long_string(case.patient_reference)
    dataset.IssuerOfPatientID = long_string(case.portal)
    dataset.PatientBirthDate = ""
    dataset.PatientSex = SEXES[case.sex] if case.sex else ""
    dataset.StudyInstanceUID = uid_of(case.id, "study")
    at = case.visited_at.astimezone(UTC)
    dataset.StudyDate, dataset.StudyTime = DA(at.date()), time_of(at)
    dataset.StudyID = case.id.hex[:16]
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    return dataset


def referred(dataset: Dataset) -> Dataset:
    """What other instances need of one that they refer to: who, which study, which object, how large.

    A value that breaks its own rules (PS3.5 6.2) is left out: it would make every instance that repeats it invalid. The frame of
    reference stays behind: a photograph has no place in space, and a segmentation of it is told pixel by pixel (PS3.3 A.51.5).
    """
    found = Dataset()
    found.SpecificCharacterSet = UTF8
    for keyword in (*PATIENT, *STUDY, *INSTANCE):
        _repeat(dataset, found, keyword)
    for keyword in (*PATIENT, *STUDY):
        if keyword not in found and keyword not in ("IssuerOfPatientID", "StudyDescription"):
            setattr(found, keyword, "")
    if found.PatientSex not in ("", *SEXES.values()):
        found.PatientSex = ""
    return found


def read_header(data: bytes) -> Dataset:
    """The data set of a file without its pixels."""
    return dcmread(io.BytesIO(data), stop_before_pixels=True)


def _repeat(source: Dataset, target: Dataset, keyword: str) -> None:
    tag = tag_for_keyword(keyword)
    if tag is None or source.get(keyword) in (None, ""):
        return
    value = source[keyword].value
    try:
        target.add(DataElement(tag, dictionary_VR(tag), value if isinstance(value, int) else str(value), validation_mode=RAISE))
    except ValueError:
        return


def nameless(source: Dataset) -> Dataset:
    """The same without what highdicom would judge: a portal's own values are none of our business. ``settle`` gives them back."""
    plain = deepcopy(source)
    plain.PatientName = plain.PatientBirthDate = plain.PatientSex = ""
    plain.StudyDate = plain.StudyTime = ""
    return plain


def settle(dataset: Dataset, source: Dataset, *, at: datetime) -> None:
    """Give an instance that highdicom made the patient and study of the one that it refers to, and its own time for the clock's."""
    for keyword in (*PATIENT, *STUDY, "TimezoneOffsetFromUTC"):
        if keyword in source:
            dataset[keyword] = deepcopy(source[keyword])
    date_instance(dataset, at)
    for item in dataset.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = moment(dataset, at)


def tell_side(dataset: Dataset, laterality: Laterality | None) -> None:
    """Say on which side of the body it is; where nobody knows, that (PS3.3 C.7.3.1, Laterality 2C)."""
    if laterality:
        dataset.ImageLaterality = SIDES[laterality]
    else:
        dataset.Laterality = ""


def equip(dataset: Dataset) -> None:
    """Say what made the instance (PS3.3 C.7.5.1, C.7.5.2)."""
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL
    dataset.DeviceSerialNumber = SERIAL_NUMBER
    dataset.SoftwareVersions = software_version()


def highdicoms_words() -> dict[str, Any]:
    """The same as highdicom asks for it, with the character set."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL,
        "software_versions": software_version(),
        "device_serial_number": SERIAL_NUMBER,
        "specific_character_set": UTF8,
    }


def date_instance(dataset: Dataset, at: datetime) -> None:
    """Set when content and instance were made, in the zone of the study (UTC where it names none)."""
    at = local(dataset, at)
    dataset.ContentDate, dataset.ContentTime = DA(at.date()), time_of(at)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(at.date()), time_of(at)


def local(dataset: Dataset, at: datetime) -> datetime:
    """A moment in the zone that the data set names (PS3.3 C.12.1.1.8); UTC, which it then names, where it has none."""
    offset = str(dataset.get("TimezoneOffsetFromUTC") or "")
    try:
        zone = datetime.strptime(offset.strip(), "%z").tzinfo
    except ValueError:
        zone, dataset.TimezoneOffsetFromUTC = UTC, "+0000"
    return at.astimezone(zone)


def time_of(at: datetime) -> TM:
    """The time of day to the second."""
    return TM(at.time().replace(microsecond=0, tzinfo=None))


def moment(dataset: Dataset, at: datetime) -> DT:
    """Date and time with its offset (VR DT), to the second."""
    return DT(local(dataset, at).replace(microsecond=0))


def long_string(text: str) -> str:
    """Text as VR LO takes it: no backslash, no control characters, at most 64 characters."""
    return "".join(c if c.isprintable() and c != "\\" else " " for c in text).strip()[:LONG_STRING]


def person_name(name: str) -> str:
    """A name in one piece as VR PN takes it: a family name alone, which the caret says."""
    return long_string("".join(" " if c in "^=\\" else c for c in name))[: LONG_STRING - 1] + "^"


def finish(dataset: Dataset, transfer_syntax: str) -> Made:
    """Write the file (PS3.10)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "DERMATRAIL"
    plain = Dataset()
    plain.update(dataset)
    plain.file_meta, plain.preamble = meta, b"\0" * 128
    out = io.BytesIO()
    plain.save_as(out, enforce_file_format=True)
    data = out.getvalue()
    return Made(data, read_header(data))


# What a query about instances can be asked for and answered with (PS3.18 10.6.3). Names and birth dates are no part of it.
QUERIED = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate",
    "AcquisitionDateTime", "StudyTime", "SeriesTime", "ContentTime", "AccessionNumber", "Modality", "Manufacturer", "StudyDescription",
    "SeriesDescription", "ManufacturerModelName", "TimezoneOffsetFromUTC", "ReferencedSeriesSequence", "PatientID", "IssuerOfPatientID",
    "PatientSex", "BodyPartExamined", "SoftwareVersions", "StudyInstanceUID", "SeriesInstanceUID", "StudyID", "SeriesNumber",
    "InstanceNumber", "Laterality", "ImageLaterality", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "AnatomicRegionSequence", "TrackingID", "TrackingUID", "SegmentSequence", "ConceptNameCodeSequence", "CompletionFlag",
    "VerificationFlag", "PredecessorDocumentsSequence", "ContentLabel", "ContentDescription",
)  # fmt: skip


def query_attributes(header: Dataset) -> dict[str, Any]:
    """The attributes that queries are answered with, in the DICOM JSON model (PS3.18 F)."""
    told = Dataset()
    for keyword in QUERIED:
        if keyword in header:
            told[keyword] = header[keyword]
    answer: dict[str, Any] = told.to_json_dict()
    return answer


def schemes(dataset: Dataset, used: Sequence[Coded]) -> None:
    """Identify our own scheme where one of its codes is used."""
    if any(coded.scheme is Scheme.OURS for coded in used):
        dataset.CodingSchemeIdentificationSequence = [our_scheme()]
