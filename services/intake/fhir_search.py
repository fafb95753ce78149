"""Searches: parameters in, what to look for out, and the links of a page.

A parameter that is not known is refused and not passed over: whoever filters by it would take the answer for filtered.
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from werkzeug.datastructures import MultiDict

from services.exchange.fhir_base import CASE_REFERENCE, URI
from services.exchange.fhir_capability import ORDERS, REPORTS, TASKS
from services.intake.fhir_wire import base
from services.intake.problems import Problem
from services.records.decided import ResultStatus, Sought

DEFAULT_COUNT, MAX_COUNT = 20, 50
CURSOR = "_cursor"
FORM = "application/x-www-form-urlencoded"
# What any search may carry.
ALWAYS = (CURSOR, "_format", "_pretty")
REPEATED = ("_lastUpdated",)
# A patient's own reference never stands in an address: it may be searched for in a body.
IN_BODY = ("patient.identifier", "subject.identifier")
REFERENCES_IN_BODY = "A patient's reference does not belong into an address: send it as a form to {kind}/_search by POST."
DATE = re.compile(r"(ge|gt|le|lt|eq|sa|eb)?(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(T.+)?")


@dataclass(frozen=True, slots=True)
class OrdersSought:
    """Which orders to look for."""

    order_id: UUID | None
    identifier: str | None
    system: str | None


def parameters(kind: str) -> MultiDict[str, str]:
    """The search's parameters, of address and form. Raises Problem (400, 415) for unknown ones, twice or empty."""
    known = {"DiagnosticReport": REPORTS, "Task": TASKS, "ServiceRequest": ORDERS}[kind]
    posted = request.method == "POST"
    if posted and request.mimetype not in ("", FORM):
        raise Problem(415, "not_a_form", f"Send the parameters as {FORM}.")
    hidden = IN_BODY if kind == "DiagnosticReport" else ()
    given: MultiDict[str, str] = MultiDict([*request.args.items(multi=True), *(request.form.items(multi=True) if posted else ())])
    if not posted and any(name in given for name in hidden):
        raise _wrong(REFERENCES_IN_BODY.format(kind=kind))
    allowed = {*known, *ALWAYS, *(name for name in hidden if name not in request.args)}
    if unknown := sorted(set(given) - allowed):
        raise _wrong(f"{unknown[0][:50]!r} cannot be searched by. Known: {', '.join(sorted(known))}.")
    if empty := [name for name, value in given.items(multi=True) if not value.strip(" ,|") or value.endswith("|")]:
        raise _wrong(f"{empty[0]} has no value: leave it out to search by everything else.")
    if twice := [name for name in given if name not in REPEATED and len(given.getlist(name)) > 1]:
        raise _wrong(f"{twice[0]} may be given once.")
    return given


def count(given: Mapping[str, str]) -> int:
    """How many entries of a page; more than is possible is less than was asked for, as the standard has it."""
    text = given.get("_count", str(DEFAULT_COUNT))
    if not re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII):
        raise _wrong("_count: a whole number from 1.")
    return min(int(text), MAX_COUNT)


def reports_sought(given: MultiDict[str, str]) -> Sought:
    """Which reports. Raises Problem (400)."""
    case_ids, reference = _case(given)
    patient, subject = (_reference(given.get(name), "Patient", name) for name in ("patient", "subject"))
    return Sought(
        case_ids=case_ids,
        reference=reference,
        patient_id=_same(patient, subject),
        patient_reference=_token(given.get(IN_BODY[0]) or given.get(IN_BODY[1]))[1],
        order_id=_reference(given.get("based-on"), "ServiceRequest", "based-on"),
        statuses=tuple(_status(word) for word in _words(given.get("status"))),
        signed=tuple(bound for text in given.getlist("_lastUpdated") for bound in _bounds(text)),
    )


def orders_sought(given: Mapping[str, str]) -> OrdersSought:
    """Which orders. Raises Problem (400)."""
    by_id, focus = _uuid(given.get("_id"), "_id"), _reference(given.get("focus"), "ServiceRequest", "focus")
    system, value = _token(given.get("identifier"))
    return OrdersSought(_same(by_id, focus), value, system)


def links(kind: str, given: MultiDict[str, str], cursor: str | None, *, patient_id: UUID | None = None) -> dict[str, str]:
    """Of a page: itself and the next. ``patient_id`` stands in for the reference of a patient that was searched for in a body."""
    told = [(name, value) for name, value in given.items(multi=True) if name not in (*IN_BODY, CURSOR)]
    told += [("patient", f"Patient/{patient_id}")] if patient_id and "patient" not in given else []
    here = [(CURSOR, given[CURSOR])] if CURSOR in given else []
    found = {"self": _address(kind, [*told, *here])}
    return found if cursor is None else {**found, "next": _address(kind, [*told, (CURSOR, cursor)])}


def _address(kind: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{base()}/{kind}" + (f"?{urlencode(parameters)}" if parameters else "")


def _case(given: Mapping[str, str]) -> tuple[tuple[UUID, ...], str | None]:
    """By id, or by identifier: ours, or the portal's reference."""
    ids = tuple(one for word in _words(given.get("_id")) if (one := _uuid(word, "_id")))
    system, value = _token(given.get("identifier"))
    if value is None:
        return ids, None
    if system == URI or value.startswith("urn:uuid:"):
        named = _uuid(value.removeprefix("urn:uuid:"), "identifier")
        return (*ids, *((named,) if named else ())), None
    if system not in (None, CASE_REFERENCE):
        raise _wrong(f"identifier: the systems are {CASE_REFERENCE} and {URI}.")
    return ids, value


def _words(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word]


def _token(text: str | None) -> tuple[str | None, str | None]:
    """``system|value``, ``|value`` (without a system) or ``value``."""
    if not text:
        return None, None
    if "\0" in text:
        raise _wrong("identifier: a NUL belongs into no identifier.")
    system, bar, value = text.rpartition("|")
    return (system if bar else None), value or None


def _uuid(text: str | None, name: str) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise _wrong(f"{name}: an id as it was given here.") from error


def _reference(text: str | None, kind: str, name: str) -> UUID | None:
    """``Patient/<id>``, the id alone, or its full address here."""
    return None if text is None else _uuid(text.removeprefix(f"{base()}/").removeprefix(f"{kind}/"), name)


def _same(one: UUID | None, other: UUID | None) -> UUID | None:
    if one and other and one != other:
        raise _wrong("Two parameters name two different resources: nothing can be both.")
    return one or other


def _status(word: str) -> ResultStatus:
    found = word.rpartition("|")[2]
    try:
        return ResultStatus(found)
    except ValueError as error:
        raise _wrong(f"status: one of {', '.join(ResultStatus)}; a report exists only once it is decided.") from error


def _bounds(text: str) -> list[tuple[str, datetime]]:
    """A date of any precision is a span of time, and is compared as such (FHIR search, date)."""
    found = DATE.fullmatch(text.replace(" ", "+"))
    if found is None:
        raise _wrong("_lastUpdated: a date or a time with its offset, after ge, gt, le, lt or eq.")
    how = found[1] or "eq"
    try:
        start, end = _span(found)
    except (ValueError, OverflowError) as error:
        raise _wrong("_lastUpdated: there is no such date.") from error
    return COMPARISONS[how](start, end)


def _span(found: re.Match[str]) -> tuple[datetime, datetime]:
    _, year, month, day, time = found.groups()
    if time:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}{time}")
        if moment.tzinfo is None:
            raise ValueError("a time without an offset is no point in time")
        length = timedelta(seconds=1) if "." not in time else timedelta(milliseconds=1)
        return moment.astimezone(UTC), moment.astimezone(UTC) + length
    start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    return start, start + timedelta(days=_days(start, month=month, day=day))


def _days(start: datetime, *, month: str | None, day: str | None) -> int:
    if day:
        return 1
    if month:
        return calendar.monthrange(start.year, start.month)[1]
    return 366 if calendar.isleap(start.year) else 365


COMPARISONS: Mapping[str, Callable[[datetime, datetime], list[tuple[str, datetime]]]] = {
    "ge": lambda start, _: [("ge", start)],
    "gt": lambda _, end: [("ge", end)],
    "sa": lambda _, end: [("ge", end)],
    "lt": lambda start, _: [("lt", start)],
    "eb": lambda start, _: [("lt", start)],
    "le": lambda _, end: [("lt", end)],
    "eq": lambda start, end: [("ge", start), ("lt", end)],
}


def _wrong(detail: str) -> Problem:
    return Problem(400, "search_parameter", detail)
