"""What is said of a storage request: PS3.18 10.5.3 as DICOM JSON (PS3.18 F) or as XML (PS3.19 A.1)."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from services.intake.dicomweb_store import Outcome

REFERENCED, FAILED, OTHER_FAILURES = "00081199", "00081198", "0008119A"
FAILURE_REASON, WARNING_REASON, ERROR_COMMENT, RETRIEVE_URL = "00081197", "00081196", "00000902", "00081190"
KEYWORDS = {
    REFERENCED: "ReferencedSOPSequence",
    FAILED: "FailedSOPSequence",
    OTHER_FAILURES: "OtherFailuresSequence",
    FAILURE_REASON: "FailureReason",
    WARNING_REASON: "WarningReason",
    ERROR_COMMENT: "ErrorComment",
    RETRIEVE_URL: "RetrieveURL",
    "00081150": "ReferencedSOPClassUID",
    "00081155": "ReferencedSOPInstanceUID",
}
XML_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
LONGEST_COMMENT = 64

Element = dict[str, Any]


def http_status(outcomes: Sequence[Outcome]) -> int:
    """200: all stored. 202: some are not, or with a warning. 409: none is."""
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if failed == len(outcomes):
        return 409
    return 202 if failed or any(outcome.warning for outcome in outcomes) else 200


def store_answer(outcomes: Sequence[Outcome], base: str) -> dict[str, Element]:
    """The data set of the answer. ``base``: absolute address of the studies. Machine-readable reasons stand in Error Comment."""
    answer: dict[str, Element] = {}
    studies = {outcome.study_uid for outcome in outcomes if outcome.failure is None}
    if len(studies) == 1:
        answer[RETRIEVE_URL] = _one("UR", f"{base}/{studies.pop()}")
    sequences = {
        FAILED: [_failed(outcome) for outcome in outcomes if outcome.failure and outcome.sop_instance_uid],
        REFERENCED: [_stored(outcome, base) for outcome in outcomes if outcome.failure is None],
        OTHER_FAILURES: [_failed(outcome) for outcome in outcomes if outcome.failure and not outcome.sop_instance_uid],
    }
    return answer | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


def _stored(outcome: Outcome, base: str) -> dict[str, Element]:
    url = f"{base}/{outcome.study_uid}/series/{outcome.series_uid}/instances/{outcome.sop_instance_uid}"
    item = {**_reference(outcome), RETRIEVE_URL: _one("UR", url)}
    return item | ({WARNING_REASON: _one("US", outcome.warning)} if outcome.warning else {})


def _failed(outcome: Outcome) -> dict[str, Element]:
    if outcome.failure is None:
        raise ValueError("The instance is stored.")
    comment = _one("LO", outcome.failure.reason[:LONGEST_COMMENT])
    return {ERROR_COMMENT: comment, **_reference(outcome), FAILURE_REASON: _one("US", outcome.failure.status)}


def _reference(outcome: Outcome) -> dict[str, Element]:
    uids = {"00081150": outcome.sop_class_uid, "00081155": outcome.sop_instance_uid}
    return {tag: _one("UI", uid) for tag, uid in uids.items() if uid}


def _one(vr: str, value: str | int) -> Element:
    return {"vr": vr, "Value": [int(value) if vr == "US" else value]}


def to_xml(dataset: dict[str, Element]) -> bytes:
    """The answer in the Native DICOM Model."""
    root = ET.Element("NativeDicomModel", {"xmlns": XML_NAMESPACE, "xml:space": "preserve"})
    _write_elements(root, dataset)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _write_elements(parent: ET.Element, dataset: dict[str, Element]) -> None:
    for tag, element in sorted(dataset.items()):
        node = ET.SubElement(parent, "DicomAttribute", {"tag": tag, "vr": element["vr"], "keyword": KEYWORDS[tag]})
        for number, value in enumerate(element["Value"], start=1):
            if element["vr"] == "SQ":
                _write_elements(ET.SubElement(node, "Item", {"number": str(number)}), value)
            else:
                ET.SubElement(node, "Value", {"number": str(number)}).text = str(value)
