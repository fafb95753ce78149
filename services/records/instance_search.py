"""Queries over DICOM instances as DICOM asks them: by attributes, at the level of studies, series or instances (PS3.18 10.6, PS3.4 C.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction, InstanceKind
from services.records.tables import DicomInstance

# Attributes that have a column, so that an index can answer.
COLUMNS = {
    "0020000D": DicomInstance.study_uid,
    "0020000E": DicomInstance.series_uid,
    "00080018": DicomInstance.sop_instance_uid,
    "00080016": DicomInstance.sop_class_uid,
    "00080060": DicomInstance.modality,
}
MODALITIES_IN_STUDY = "00080061"


class Level(StrEnum):
    """What one line of the answer stands for."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class Matching(StrEnum):
    """How an attribute is compared (PS3.4 C.2.2.2): with a list of values, with ``*`` and ``?``, or with the two ends of a range."""

    VALUES = "values"
    WILDCARD = "wildcard"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class Match:
    """A condition on an attribute.

    ``path``: tags in eight hexadecimal digits, the last one's value counts, those before it are sequences.
    ``values``: for a range the first and the last admitted value, where "" means open.
    """

    path: tuple[str, ...]
    matching: Matching
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """One line of an answer: the attributes of its (first) instance, and what it holds; a level below has its counts only."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    attributes: dict[str, Any]
    modalities: tuple[str, ...]
    series: int
    instances: int


def find_instances(
    *, session: Session, tenant_id: UUID, actor: Actor, level: Level, filters: Sequence[Match] = (), limit: int = 100, offset: int = 0
) -> list[FoundInstance]:
    """Return what matches all ``filters``, in the order of arrival; an answer with lines is audited.

    A study or series matches where one of its instances does. Values are compared as text, exactly as they were sent.
    """
    keys = KEYS[level]
    matched = (
        select(*keys, func.min(DicomInstance.created_at).label("first"))
        .where(DicomInstance.tenant_id == tenant_id, *(_condition(tenant_id, each) for each in filters))
        .group_by(*keys)
        .order_by(func.min(DicomInstance.created_at), *keys)
        .limit(limit)
        .offset(offset)
    ).subquery()
    lines = [_line(row) for row in session.execute(_summaries(tenant_id, level, matched))]
    if lines:
        subject, details = Subject("dicom_instance"), {"level": level.value, "count": len(lines)}
        record_event(
            session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.INSTANCES_LISTED, subject=subject, details=details
        )
    return lines


KEYS = {
    Level.STUDY: (DicomInstance.study_uid,),
    Level.SERIES: (DicomInstance.study_uid, DicomInstance.series_uid),
    Level.INSTANCE: (DicomInstance.study_uid, DicomInstance.series_uid, DicomInstance.sop_instance_uid),
}


def _summaries(tenant_id: UUID, level: Level, matched: Any) -> Any:
    """Everything that is told of the matched lines, also of their instances that did not match themselves."""
    row = DicomInstance
    keys = KEYS[level]
    # What the portal sent says more about a study than what we made.
    order = (row.kind != InstanceKind.RECEIVED, row.created_at, row.id)
    first = (func.array_agg(aggregate_order_by(column, *order))[1] for column in (row.series_uid, row.sop_instance_uid, row.attributes))
    counts = (func.array_agg(row.modality.distinct()), func.count(row.series_uid.distinct()), func.count())
    return (
        select(row.study_uid, *first, *counts)
        .join(matched, and_(*(matched.c[key.key] == key for key in keys)))
        .where(row.tenant_id == tenant_id)
        .group_by(*keys, matched.c.first)
        .order_by(matched.c.first, *keys)
    )


def _line(row: Any) -> FoundInstance:
    study, series, instance, attributes, modalities, *counts = row
    return FoundInstance(study, series, instance, attributes, tuple(modalities), *counts)


def _condition(tenant_id: UUID, match: Match) -> ColumnElement[bool]:
    if match.path == (MODALITIES_IN_STUDY,):
        inner = Match(("00080060",), match.matching, match.values)
        studies = select(DicomInstance.study_uid).where(DicomInstance.tenant_id == tenant_id, _condition(tenant_id, inner))
        return DicomInstance.study_uid.in_(studies)
    value = _value(match.path)
    if match.matching is Matching.WILDCARD:
        return or_(*(value.like(_pattern(each), escape="\\") for each in match.values))
    if match.matching is Matching.RANGE:
        low, high = match.values
        # What ends early is a shorter text: 2026-11 of a day is before every day of it, so the upper end takes all that begin with it.
        ends = [value >= low if low else true(), or_(value <= high, value.startswith(high, autoescape=True)) if high else true()]
        return and_(value.is_not(None), *ends)
    return value.in_(match.values)


def _value(path: tuple[str, ...]) -> ColumnElement[Any]:
    """The attribute's first value as text; NULL where it is absent or empty."""
    if len(path) == 1 and path[0] in COLUMNS:
        return COLUMNS[path[0]].expression
    inner = [part for tag in path[:-1] for part in (tag, "Value", "0")]
    return func.jsonb_extract_path_text(DicomInstance.attributes, *inner, path[-1], "Value", "0")


def _pattern(wildcard: str) -> str:
    """``*`` and ``?`` of DICOM as ``%`` and ``_`` of SQL."""
    literal = wildcard.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal.replace("*", "%").replace("?", "_")
