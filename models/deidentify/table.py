"""Table E.1-1 of DICOM PS3.15 (edition 2026c): what happens to each attribute, by the basic profile and by each option.

The table lies beside this module as text, a row for each attribute, in the standard's own action codes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files


class Option(StrEnum):
    """The options of PS3.15 E.3 that are offered; the value is the table's column. "Clean pixel data" is a human's, never claimed."""

    UIDS = "uids"
    DEVICE = "device"
    INSTITUTION = "institution"
    PATIENT = "patient"
    FULL_DATES = "full_dates"
    MODIFIED_DATES = "modified_dates"
    DESCRIPTORS = "descriptors"


class Action(StrEnum):
    """What is done to one attribute (PS3.15 table E.1-1a)."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    KEEP = "K"
    CLEAN = "C"
    UID = "U"


# What we keep of a picture unless told otherwise: a pseudonym, age and sex, where on the body, by which device, how far apart.
DEFAULT = frozenset({Option.PATIENT, Option.DEVICE, Option.MODIFIED_DATES, Option.DESCRIPTORS})
# Where an attribute is listed by several options, the one that says more decides: E.3 lets options be combined.
ORDER = (Option.UIDS, Option.DEVICE, Option.INSTITUTION, Option.PATIENT, Option.FULL_DATES, Option.MODIFIED_DATES, Option.DESCRIPTORS)
# An overlay without its data would be half an overlay, and has labels of its own: the whole group goes.
REPEATING = {0x5000: "50xxxxxx", 0x6000: "60xx3000"}
# "X unless Z or D is needed": attributes of type 1 (D) or 2 (Z) in the photographs' information objects (PS3.3 A.32.4, A.32.11, A.8.1).
NEEDED = {
    "ContentDate": Action.EMPTY,
    "ContentTime": Action.EMPTY,
    "AcquisitionContextSequence": Action.EMPTY,
    "DeviceSerialNumber": Action.DUMMY,
    "PatientID": Action.DUMMY,
    "ContentCreatorName": Action.EMPTY,
    "ContrastBolusAgent": Action.EMPTY,
    "InstructionPerformedDateTime": Action.DUMMY,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute: its tag in 8 hexadecimal digits (``x`` for any digit), its keyword, the basic code and those of the options."""

    tag: str
    keyword: str
    basic: str
    options: Mapping[Option, str]

    def action(self, options: Collection[Option]) -> Action:
        """What is done to it under these options."""
        for option in ORDER:
            if option in options and option in self.options:
                return Action(self.options[option])
        if self.basic == "X/Z/U":
            return Action.UID  # a sequence that stays, with the UIDs in it replaced
        return Action(self.basic) if len(self.basic) == 1 else NEEDED.get(self.keyword, _leanest(self.basic))


def _leanest(codes: str) -> Action:
    return Action(codes.split("/", maxsplit=1)[0])


@lru_cache(maxsize=1)
def table() -> dict[str, Row]:
    """Every row, by tag."""
    lines = (files("models.deidentify") / "table_e1_1.txt").read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    rows = (dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:])
    return {
        row["tag"]: Row(
            tag=row["tag"],
            keyword=row["keyword"],
            basic=row["basic"],
            options={option: row[option.value] for option in Option if row[option.value] != "-"},
        )
        for row in rows
    }


def row_of(tag: int) -> Row | None:
    """The row of an attribute; None where the table does not list it. Curves and overlays are listed by their group."""
    kind = REPEATING.get((tag >> 16) & 0xFF00)
    return table()[kind] if kind else table().get(f"{tag:08x}")
