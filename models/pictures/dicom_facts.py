"""What a DICOM file says beside its pixels: which instance it is, of whom, and where on the body. Never a name and never a birth date.

A file may hold anything under any tag, so each value is read by itself, cleaned and bounded; one that cannot be read counts as absent.
"""

import math
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
DEFLATED = b"1.2.840.10008.1.2.1.99"
DEEPEST_HEADER = 4096
LONGEST_TEXT = 64
MOST_VALUES = 16
# PS3.18 tables 10.6.1-5: what a query is answered with, as far as it names nobody and is no free text.
ANSWERED = (
    "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime",
    "StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "AccessionNumber", "Modality", "Manufacturer", "ManufacturerModelName",
    "TimezoneOffsetFromUTC", "PatientID", "IssuerOfPatientID", "PatientSex", "PatientAge", "BodyPartExamined", "StudyInstanceUID",
    "SeriesInstanceUID", "StudyID", "SeriesNumber", "InstanceNumber", "Laterality", "ImageLaterality",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "TrackingID", "TrackingUID", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored",
    "LossyImageCompression", "AnatomicRegionSequence",
)  # fmt: skip
CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
NUMBERS = {"IS": int, "US": int, "SS": int, "UL": int, "SL": int, "DS": float, "FL": float, "FD": float}
SEXES = {"F": "female", "M": "male", "O": "other"}
SIDES = {"L": "left", "R": "right", "U": "midline"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomFacts:
    """The identity of an instance and what its header says of the patient's case. Absent text is "".

    ``patient_id``: PatientID, the sender's pseudonym. ``tracking``: Tracking ID, else Tracking UID, of the lesion.
    ``magnification``: the dermoscope's. ``attributes``: what a query is answered with, in the DICOM JSON model (PS3.18 F).
    """

    study_uid: str = ""
    series_uid: str = ""
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    modality: str = ""
    patient_id: str = ""
    sex: str | None = None
    birth_year: int | None = None
    body_site: str = ""
    laterality: str | None = None
    accession: str = ""
    tracking: str = ""
    magnification: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def identified(self) -> bool:
        """Whether study, series and instance have valid UIDs."""
        return bool(self.study_uid and self.series_uid and self.sop_instance_uid)


def keep_silent() -> None:
    """Let pydicom not judge values while it reads: it would write them into the log, and they are about patients."""
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE


def read_facts(dataset: "Dataset", *, transfer_syntax: str) -> DicomFacts:
    """What a parsed file says; raises nothing, whatever is in it."""
    return DicomFacts(
        study_uid=_uid(dataset, "StudyInstanceUID"),
        series_uid=_uid(dataset, "SeriesInstanceUID"),
        sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
        sop_class_uid=_uid(dataset, "SOPClassUID"),
        transfer_syntax_uid=transfer_syntax,
        modality=_text(dataset, "Modality"),
        patient_id=_text(dataset, "PatientID"),
        sex=SEXES.get(_text(dataset, "PatientSex")),
        birth_year=_birth_year(dataset),
        body_site=_body_site(dataset),
        laterality=SIDES.get(_text(dataset, "ImageLaterality") or _text(dataset, "Laterality")),
        accession=_text(dataset, "AccessionNumber"),
        tracking=_text(dataset, "TrackingID") or _uid(dataset, "TrackingUID"),
        magnification=_magnification(dataset),
        attributes=answered(dataset),
    )


def answered(dataset: "Dataset") -> dict[str, Any]:
    """The attributes that a query is answered with, in the DICOM JSON model."""
    found = {f"{element.tag:08X}": _element(element) for element in _elements(dataset, ANSWERED)}
    return {tag: element for tag, element in found.items() if element is not None}


def _elements(dataset: "Dataset", keywords: tuple[str, ...]) -> list[Any]:
    found = []
    for keyword in keywords:
        try:
            if keyword in dataset:
                found.append(dataset[keyword])
        except Exception:  # noqa: BLE001, S112 - pydicom raises nearly anything on values that it cannot convert
            continue
    return found


def _element(element: Any) -> dict[str, Any] | None:
    if element.VR == "SQ":
        # Codes only: other contents of a sequence may be anything.
        items = [{f"{code.tag:08X}": _element(code) for code in _elements(item, CODE)} for item in element.value[:1]]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    values = [_value(element.VR, value) for value in _values(element.value)[:MOST_VALUES]]
    if any(value is None for value in values):
        return None
    return {"vr": element.VR, "Value": values} if values else {"vr": element.VR}


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]


def _value(vr: str, value: Any) -> str | int | float | None:
    """A value that JSON and the database can hold; None where there is no such value."""
    if kind := NUMBERS.get(vr):
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return number if math.isfinite(number) and abs(number) < 2**53 else None
    return clean(value) if isinstance(value, (str, int, float)) else None


def clean(value: object) -> str:
    """One line of bounded length without control characters."""
    return "".join(c for c in str(value)[: 4 * LONGEST_TEXT] if c.isprintable()).strip()[:LONGEST_TEXT]


def _text(dataset: "Dataset", keyword: str) -> str:
    """The first value as clean text; "" where there is none."""
    values = [value for element in _elements(dataset, (keyword,)) for value in _values(element.value)]
    return clean(values[0]) if values and isinstance(values[0], (str, int, float)) else ""


def _uid(dataset: "Dataset", keyword: str) -> str:
    text = _text(dataset, keyword)
    return text if UID.fullmatch(text) and len(text) <= LONGEST_UID else ""


def _birth_year(dataset: "Dataset") -> int | None:
    """From the birth date, else from the age at the study; None where the file tells neither or nothing possible."""
    year = _text(dataset, "PatientBirthDate")[:4]
    if not year:
        age, day = _text(dataset, "PatientAge"), _text(dataset, "StudyDate") or _text(dataset, "ContentDate")
        if not (re.fullmatch(r"\d{3}[DWMY]", age) and re.match(r"\d{8}", day)):
            return None
        year = str(int(day[:4]) - (int(age[:3]) if age[3] == "Y" else int(age[:3]) // {"M": 12, "W": 52, "D": 365}[age[3]]))
    return int(year) if re.fullmatch(r"\d{4}", year) and 1900 <= int(year) <= 2100 else None


def _body_site(dataset: "Dataset") -> str:
    """The anatomic region in words, else Body Part Examined as everyday words (UPPER_LEG → "upper leg")."""
    for element in _elements(dataset, ("AnatomicRegionSequence",)):
        if element.VR == "SQ" and element.value and (meaning := _text(element.value[0], "CodeMeaning")):
            return meaning.lower()
    return _text(dataset, "BodyPartExamined").replace("_", " ").lower()


def _magnification(dataset: "Dataset") -> float | None:
    try:
        value = float(_text(dataset, "OpticalMagnificationFactor") or "nan")
    except ValueError:
        return None
    return value if 0 < value <= 1000 else None


def read_identity(stream: IO[bytes]) -> tuple[str, str, str, str]:
    """UIDs of study, series, SOP class and instance of a file that may be broken; "" for each that cannot be read."""
    import pydicom

    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
    keep_silent()
    try:
        # A deflated data set would inflate without a bound.
        if stream.read(DEEPEST_HEADER).find(DEFLATED) >= 0:
            return ("", "", "", "")
        stream.seek(0)
        dataset = pydicom.dcmread(stream, specific_tags=list(names), stop_before_pixels=True)
    except Exception:  # noqa: BLE001 - pydicom raises nearly anything on bytes that are no DICOM file
        return ("", "", "", "")
    study, series, sop_class, instance = (_uid(dataset, name) for name in names)
    return study, series, sop_class, instance
