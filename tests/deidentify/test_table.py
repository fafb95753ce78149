"""Every row of PS3.15 table E.1-1, by the profile alone and by each option: what is in the object afterwards."""

from typing import Any

import pytest
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

from models.deidentify.dicom import deidentify
from models.deidentify.secret import Secret
from models.deidentify.table import Action, Option, Row, row_of, table

SECRET = Secret(b"0123456789abcdef0123456789abcdef")
# What an object cannot be without, or says of itself: these are written anew whatever the row says.
OURS = {"PatientID", "PatientName", "PatientAge"}
VALUES: dict[str, Any] = {
    "DA": "20210304",
    "TM": "101112.5",
    "DT": "20210304101112.5+0100",
    "AS": "047Y",
    "UI": "1.2.3.4.5",
    "PN": "Secret^Name",
    "IS": "4711",
    "DS": "47.11",
    "AE": "SECRETAE",
    "CS": "SECRET",
    "UR": "http://secret.example",
    "AT": 0x00100010,
    **dict.fromkeys(("US", "SS", "UL", "SL", "SV", "UV", "FL", "FD"), 4711),
    **dict.fromkeys(("OB", "OW", "OF", "OD", "OL", "OV", "UN"), b"SECRETS!"),
}
ROWS = sorted(table().values(), key=lambda row: row.tag)


def tag_of(row: Row) -> int:
    return int(row.tag.replace("x", "0"), 16)


def element_of(row: Row) -> DataElement:
    """The attribute with a value that says something."""
    tag = Tag(tag_of(row))
    vr = "OW" if "x" in row.tag else dictionary_VR(tag) if keyword_for_tag(tag) else "UN"
    vr = vr.split(" or ")[0]
    if vr == "SQ":
        item = Dataset()
        item.PatientName, item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "Secret^Name", "4711", "99SECRET", "Secret"
        return DataElement(tag, vr, Items([item]))
    return DataElement(tag, vr, VALUES.get(vr, "SECRET words"))


def after(row: Row, *options: Option) -> tuple[Any, DataElement | None]:
    """The value before, and the element afterwards."""
    dataset = Dataset()
    dataset.PatientID, dataset.StudyInstanceUID, dataset.StudyDate = "4711", "1.2.3", "20210304"
    element = element_of(row)
    dataset[element.tag] = element
    before = element.value
    deidentify(dataset, secret=SECRET, options=frozenset(options))
    return before, dataset.get(element.tag)


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 655
    assert {row.basic for row in ROWS} == {"X", "D", "U", "Z", "X/D", "X/Z", "X/Z/D", "Z/D", "X/Z/U"}
    counts = {option: sum(option in row.options for row in ROWS) for option in Option}
    assert counts[Option.FULL_DATES] == counts[Option.MODIFIED_DATES] == 165
    assert (counts[Option.UIDS], counts[Option.DESCRIPTORS], counts[Option.PATIENT]) == (60, 125, 14)
    # Rows that everybody knows by heart.
    known = {"00100010": "Z", "00100020": "Z/D", "00100030": "Z", "0020000d": "U", "00080018": "U", "00080050": "Z", "00104000": "X"}
    assert {tag: table()[tag].basic for tag in known} == known


def said(element: DataElement | None) -> str:
    """Everything that can be read in an element, its items included; letters small."""
    if element is None:
        return ""
    return ("".join(str(item) for item in element.value) if element.VR == "SQ" else str(element.value)).casefold()


def is_right_without_options(row: Row) -> bool:
    """By the codes of PS3.15 table E.1-1a."""
    before, element = after(row)
    if row.basic == "X":
        return element is None
    if row.basic == "Z":
        return element is not None and not element.value
    if row.basic == "D":
        return element is not None and element.value not in (None, "", b"", []) and not told(element)
    if row.basic == "U" and element is not None and element.VR == "UI":
        return bool(element.value == SECRET.uid(before))
    return element is None or not told(element)


def told(element: DataElement) -> bool:
    """Whether a value of ``VALUES`` can still be read."""
    if element.VR == "SQ":
        return "secret^name" in said(element)
    return any(word in said(element) for word in ("secret", "20210304", "101112", "4711", "1.2.3.4.5"))


def is_kept(row: Row, option: Option) -> bool:
    before, element = after(row, option)
    if element is None:
        return False
    if element.VR == "SQ":
        return len(element.value) == 1 and "secret^name" not in said(element)
    return bool(element.value == before)


def is_cleaned(row: Row, option: Option) -> bool:
    """A date moves and stays one; words that nobody knows go; sequences lose private codes."""
    before, element = after(row, option)
    if element is None or element.VR == "TM":
        return True
    if element.VR in ("DA", "DT"):
        return bool(element.value != before and len(element.value) == len(before))
    return "secret" not in said(element)


def test_the_basic_profile_leaves_nothing_of_any_row() -> None:
    assert [row for row in ROWS if row.keyword not in OURS and not is_right_without_options(row)] == []


@pytest.mark.parametrize("option", list(Option))
def test_an_option_keeps_what_the_table_says_it_keeps(option: Option) -> None:
    rows = [row for row in ROWS if row.options.get(option) == "K" and row.keyword not in OURS]
    assert rows or option in (Option.MODIFIED_DATES, Option.DESCRIPTORS)
    assert [row for row in rows if not is_kept(row, option)] == []


@pytest.mark.parametrize("option", list(Option))
def test_what_an_option_cleans_says_nothing_any_more(option: Option) -> None:
    rows = [row for row in ROWS if row.options.get(option) == "C"]
    assert [row for row in rows if not is_cleaned(row, option)] == []


def test_other_options_do_not_keep_it() -> None:
    """An option is asked for by name: device identity, for instance, does not keep the institution."""
    row = table()["00080080"]
    assert row.action({Option.INSTITUTION}) is Action.KEEP
    assert row.action({Option.DEVICE, Option.PATIENT}) is Action.REMOVE
    assert row.action(()) is Action.REMOVE


def test_curves_and_overlays_go_with_their_whole_groups() -> None:
    for tag in (0x50000010, 0x50FE3000, 0x60000010, 0x60021500, 0x60003000):
        found = row_of(tag)
        assert found is not None
        assert found.action(frozenset(Option)) is Action.REMOVE
