"""Which cases are counted: whose, and from when until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from services.records.tables import Case, Image, Patient

Moment = ColumnElement[datetime] | InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


class Period(StrEnum):
    """The step of a figure over time. Days, weeks (from Monday) and months are those of UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` until before ``end``, both timezone-aware."""

    start: datetime
    end: datetime

    @classmethod
    def last(cls, days: int, *, now: datetime) -> "Window":
        """The last ``days`` whole days and today."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(midnight - timedelta(days=days), now)

    def before(self, days: int) -> "Window":
        """The ``days`` that end where this window starts."""
        return Window(self.start - timedelta(days=days), self.start)

    def holds(self, moment: Moment) -> ColumnElement[bool]:
        """Whether a column lies in the window."""
        return (moment >= self.start) & (moment < self.end)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose cases, in which window. ``leaving``: the figures leave, so that patients who refuse to be counted there are not."""

    tenant_ids: Sequence[UUID]
    window: Window
    leaving: bool = False

    def counts(self, *, case_id: Any = None, image_id: Any = None) -> tuple[ColumnElement[bool], ...]:
        """Conditions on a column with the id of a case, or of a picture."""
        return counted(self.tenant_ids, leaving=self.leaving, case_id=case_id, image_id=image_id)


def counted(tenant_ids: Sequence[UUID], *, leaving: bool, case_id: Any = None, image_id: Any = None) -> tuple[ColumnElement[bool], ...]:
    """Leave out the cases, or pictures, of patients without consent to audit, where the figures leave."""
    if not leaving:
        return ()
    refused = select(Case.id).join(Patient, Patient.id == Case.patient_id)
    refused = refused.where(Patient.consent_audit.is_(False), Patient.tenant_id.in_(tenant_ids))
    if case_id is not None:
        return (case_id.not_in(refused),)
    return (image_id.not_in(select(Image.id).where(Image.case_id.in_(refused))),)


def period_start(period: Period, moment: Moment) -> ColumnElement[datetime]:
    """Return the beginning of the period that a moment falls in, in UTC."""
    return cast(func.date_trunc(period.value, moment, "UTC"), DateTime(timezone=True))


def period_starts(period: Period, window: Window) -> list[datetime]:
    """Return the beginnings of all periods that the window touches, the first one's too."""
    midnight = window.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    step = {Period.DAY: midnight, Period.WEEK: midnight - timedelta(days=midnight.weekday()), Period.MONTH: midnight.replace(day=1)}[period]
    starts = []
    while step < window.end:
        starts.append(step)
        step = _next(period, step)
    return starts


def _next(period: Period, start: datetime) -> datetime:
    if period is Period.MONTH:
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if period is Period.WEEK else 1)
