"""QIDO-RS (PS3.18 10.6): query parameters into conditions on attributes, and what was found into DICOM JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.intake.dicomweb_attributes import BY_KEYWORD, BY_TAG, DATED, NUMERIC, Attribute, returned
from services.intake.problems import Problem
from services.records.instance_search import FoundInstance, Level, Match, Matching

TAG = re.compile(r"[0-9A-Fa-f]{8}")
DATE_LIKE = re.compile(r"[0-9]{0,14}(\.[0-9]{1,6})?([+-][0-9]{4})?")
# A range of moments, told from one moment with an offset to the west, such as 20261121101500-0500.
OFFSET_AT_END = re.compile(r"[0-9]{14}(\.[0-9]{1,6})?-[0-9]{4}")
DEFAULT_LIMIT, MOST = 100, 1000
FARTHEST = 2**31 - 1
LONGEST_VALUE = 1000
RESERVED = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})
NOT_FUZZY = "fuzzymatching is not supported: values were compared literally."
CUT = "There are more results: ask again with offset."

Element = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. ``limit`` None: the client did not say. ``include``: tags beside the usual ones; None: everything known."""

    filters: tuple[Match, ...]
    limit: int | None
    offset: int
    include: frozenset[str] | None
    fuzzy: bool

    @property
    def most(self) -> int:
        """How many lines are sent at most."""
        return min(DEFAULT_LIMIT if self.limit is None else self.limit, MOST)


def read_query(given: Iterable[tuple[str, str]], *, study_uid: str | None = None, series_uid: str | None = None) -> Query:
    """Read the parameters of a request (in their order), within a study or series where the address names one.

    Raises:
        Problem: 400; a parameter is not understood.
    """
    said = list(given)
    place = (("0020000D", study_uid), ("0020000E", series_uid))
    filters = [Match((tag,), Matching.VALUES, (uid,)) for tag, uid in place if uid]
    filters += [match for name, value in said if name not in RESERVED if (match := _match(name, value))]
    limit = _numbers(said, "limit")
    fuzzy = any(name == "fuzzymatching" and value.lower() == "true" for name, value in said)
    return Query(tuple(filters), limit, _numbers(said, "offset") or 0, _included(said), fuzzy)


def _numbers(said: Sequence[tuple[str, str]], name: str) -> int | None:
    values = [value for key, value in said if key == name and value != ""]
    if not values:
        return None
    if not (values[-1].isascii() and values[-1].isdecimal() and len(values[-1]) <= 10 and int(values[-1]) <= FARTHEST):
        raise Problem(400, "invalid_query", f"{name}: a whole number from 0 to {FARTHEST}.")
    return int(values[-1])


def _included(said: Sequence[tuple[str, str]]) -> frozenset[str] | None:
    names = [name.strip() for key, value in said if key == "includefield" for name in value.split(",") if name.strip()]
    if "all" in names:
        return None
    # What nobody knows is in no answer either.
    return frozenset(BY_KEYWORD[name].tag if name in BY_KEYWORD else name.upper() for name in names)


def _match(name: str, value: str) -> Match | None:
    """The condition of one parameter; None where it is universal matching."""
    attributes = [_attribute(part) for part in name.split(".")]
    if "\0" in value or len(value) > LONGEST_VALUE:
        raise Problem(400, "invalid_query", f"A value is at most {LONGEST_VALUE} characters, and none of them NUL.")
    if not value.strip("*"):
        return None
    vr, path = attributes[-1].vr, tuple(attribute.tag for attribute in attributes)
    if vr in DATED:
        return Match(path, *_dates(value))
    if vr == "UI":
        return Match(path, Matching.VALUES, tuple(part for part in re.split(r"[,\\]", value) if part))
    if vr in NUMERIC:
        return Match(path, Matching.VALUES, (_number(vr, value),))
    values = tuple(value.split("\\")) if vr == "CS" else (value,)
    return Match(path, Matching.WILDCARD if set(value) & {"*", "?"} else Matching.VALUES, values)


def _number(vr: str, value: str) -> str:
    """As the database writes it."""
    try:
        return json.dumps(float(value) if vr == "DS" else int(value), allow_nan=False)
    except ValueError as error:
        raise Problem(400, "invalid_query", "This attribute is compared with a number.") from error


def _attribute(name: str) -> Attribute:
    if name in BY_KEYWORD:
        return BY_KEYWORD[name]
    if TAG.fullmatch(name):
        return BY_TAG.get(name.upper(), Attribute(name, name.upper(), "LO"))
    raise Problem(
        400, "unknown_attribute", "A query parameter is no attribute that is known here. Use a keyword such as PatientID, or a tag."
    )


def _dates(value: str) -> tuple[Matching, tuple[str, ...]]:
    ends = value.split("-") if "-" in value and not OFFSET_AT_END.fullmatch(value) else [value]
    if len(ends) > 2 or not all(DATE_LIKE.fullmatch(end) for end in ends) or not any(ends):
        raise Problem(400, "invalid_query", "Dates are YYYYMMDD, times HHMMSS, ranges 20260101-20261231; either end may be left out.")
    return (Matching.RANGE if len(ends) == 2 else Matching.VALUES), tuple(ends)


def render(found: FoundInstance, *, level: Level, base: str, include: frozenset[str] | None) -> dict[str, Element]:
    """One line of the answer. ``base``: absolute address of the studies."""
    usual = returned(level)
    below = {attribute.tag for attribute in returned(Level.INSTANCE)} - {attribute.tag for attribute in usual}
    known = {tag: element for tag, element in (found.attributes | _computed(found, level, base)).items() if tag not in below}
    if include is None:
        chosen = known
    else:
        tags = {attribute.tag for attribute in usual} | include
        chosen = {tag: element for tag, element in known.items() if tag in tags}
    empty = {attribute.tag: {"vr": attribute.vr} for attribute in usual if attribute.always}
    return dict(sorted((empty | chosen).items()))


def _computed(found: FoundInstance, level: Level, base: str) -> dict[str, Element]:
    url = f"{base}/{found.study_uid}"
    computed: dict[str, tuple[str, list[Any]]] = {
        "00080005": ("CS", ["ISO_IR 192"]),
        "00080056": ("CS", ["ONLINE"]),
        "0020000D": ("UI", [found.study_uid]),
    }
    if level is Level.STUDY:
        computed |= {
            "00080061": ("CS", sorted(found.modalities)),
            "00201206": ("IS", [found.series]),
            "00201208": ("IS", [found.instances]),
        }
    if level is not Level.STUDY:
        url += f"/series/{found.series_uid}"
        computed["0020000E"] = ("UI", [found.series_uid])
    if level is Level.SERIES:
        computed["00201209"] = ("IS", [found.instances])
    if level is Level.INSTANCE:
        url += f"/instances/{found.sop_instance_uid}"
        computed["00080018"] = ("UI", [found.sop_instance_uid])
    return {tag: {"vr": vr, "Value": value} for tag, (vr, value) in (computed | {"00081190": ("UR", [url])}).items()}
