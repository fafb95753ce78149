"""What a de-identified object says about itself (PS3.3 C.12.1, C.7.1.1; codes: PS3.16 CID 7050)."""

from collections.abc import Collection

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from models.deidentify.table import Option

BASIC = ("113100", "Basic Application Confidentiality Profile")
CODES = {
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
    Option.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
}
METHOD = "Dermatrail: PS3.15 E.1-1 2026c"


def write_marks(dataset: Dataset, options: Collection[Option]) -> None:
    """Say that, how and under which options the patient's identity was removed."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    chosen = [BASIC, *(code for option, code in CODES.items() if option in options)]
    dataset.DeidentificationMethodCodeSequence = Items([_code(value, meaning) for value, meaning in chosen])
    dataset.LongitudinalTemporalInformationModified = _temporal(options)


def _temporal(options: Collection[Option]) -> str:
    if Option.FULL_DATES in options:
        return "UNMODIFIED"
    return "MODIFIED" if Option.MODIFIED_DATES in options else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
