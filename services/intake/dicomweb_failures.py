"""Why an instance is not stored, in DICOM's codes (PS3.7 annex C, PS3.18 table 10.5.3-1) and in a word for machines."""

from dataclasses import dataclass
from enum import IntEnum

from models.pictures.dicom import SOP_CLASSES
from models.pictures.errors import PictureRefused, RefusalReason


class Status(IntEnum):
    """Failure and warning reasons. The low byte of the ranges (A7xx, A9xx, Cxxx) says nothing more."""

    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORISED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122
    MISMATCH_WARNING = 0xB007


@dataclass(frozen=True, slots=True)
class Failure:
    """Why not. ``reason``: machine-readable, as in the problems of the portal API; ``detail``: what is wrong and how to mend it.

    ``transient``: the same request can succeed later.
    """

    status: Status
    reason: str
    detail: str
    transient: bool = False


NOT_DICOM = Failure(Status.CANNOT_UNDERSTAND, "not_dicom", "This is no DICOM file (PS3.10). Send it with preamble and meta group.")
NO_UIDS = Failure(Status.CANNOT_UNDERSTAND, "uids_missing", "Study, series and SOP Instance UID are needed, each a valid UID.")
NO_PATIENT = Failure(Status.DATA_SET_MISMATCH, "patient_id_missing", "PatientID is needed: the portal's pseudonym of the patient.")
OTHER_PATIENT = Failure(Status.DATA_SET_MISMATCH, "patient_differs", "The study belongs to another PatientID. Send a study per patient.")
OTHER_STUDY = Failure(Status.DATA_SET_MISMATCH, "study_differs", "The Study Instance UID is not the one of the address.")
NO_CONSENT = Failure(Status.NOT_AUTHORISED, "care_consent_withdrawn", "The patient does not agree to care here.")
TAKEN = Failure(Status.DUPLICATE_INSTANCE, "instance_differs", "Another file has this SOP Instance UID. Changed content needs a new one.")
TOO_LARGE = Failure(Status.OUT_OF_RESOURCES, "file_too_large", "The instance is larger than the limit. Reduce the picture.")
TOO_MANY = Failure(Status.OUT_OF_RESOURCES, "too_many_files", "The request has too many instances. Send this one with another request.")
AWAY = Failure(Status.OUT_OF_RESOURCES, "unavailable", "Nothing of this study was stored. Send it again.", transient=True)

_CANNOT_UNDERSTAND = {
    RefusalReason.EMPTY, RefusalReason.NOT_AN_IMAGE, RefusalReason.UNSUPPORTED_FORMAT, RefusalReason.TRUNCATED, RefusalReason.DAMAGED,
}  # fmt: skip


def refusal(refused: PictureRefused, sop_class_uid: str) -> Failure:
    """A file that is no acceptable picture. Of another SOP class than is taken, nothing else about it matters."""
    reason = refused.reason
    if sop_class_uid and sop_class_uid not in SOP_CLASSES and reason not in _CANNOT_UNDERSTAND:
        word = RefusalReason.UNSUPPORTED_SOP_CLASS
        return Failure(Status.SOP_CLASS_NOT_SUPPORTED, word.value, str(refused if reason is word else PictureRefused(word)))
    return Failure(_status(reason), reason.value, str(refused))


def _status(reason: RefusalReason) -> Status:
    if reason in _CANNOT_UNDERSTAND:
        return Status.CANNOT_UNDERSTAND
    if reason is RefusalReason.UNSUPPORTED_SOP_CLASS:
        return Status.SOP_CLASS_NOT_SUPPORTED
    if reason is RefusalReason.UNSUPPORTED_TRANSFER_SYNTAX:
        return Status.TRANSFER_SYNTAX_NOT_SUPPORTED
    return Status.OUT_OF_RESOURCES if reason is RefusalReason.TOO_MANY_PIXELS else Status.DATA_SET_MISMATCH
