"""Queue health: what waits, for how long, and whether decisions keep up with arrivals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from services.records.states import CaseState, Urgency
from services.records.statistics.windows import Moment, Period, Scope, counted, period_start, period_starts
from services.records.tables import Case

DUE_SOON = timedelta(hours=24)
# Upper bounds in hours of the groups of waiting times; the last group has none.
AGES = (4, 12, 24, 72, 168, 336)


@dataclass(frozen=True, slots=True)
class Standing:
    """How many open cases are alike. ``age`` counts the bounds of AGES that their waiting time has passed."""

    tenant_id: UUID
    urgency: Urgency
    state: CaseState
    due: str
    age: int
    cases: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """Cases that came and cases that were decided on one day (UTC)."""

    start: datetime
    arrived: int
    decided: int


def open_cases(*, session: Session, tenant_ids: Sequence[UUID], now: datetime, leaving: bool = False) -> list[Standing]:
    """Return the tenants' open cases in groups, in one statement. ``due`` is ``overdue``, ``soon`` (within DUE_SOON) or ``later``.

    Args:
        leaving: as in `Scope`.
    """
    due = case((Case.due_at < now, "overdue"), (Case.due_at < now + DUE_SOON, "soon"), else_="later").label("due")
    hours = func.extract("epoch", now - Case.received_at) / 3600.0
    age = func.width_bucket(hours, array([float(bound) for bound in AGES])).label("age")
    each = (
        select(Case.tenant_id, Case.urgency, Case.state, due, age, Case.received_at)
        .where(Case.tenant_id.in_(tenant_ids), Case.state != CaseState.REVIEWED, *counted(tenant_ids, leaving=leaving, case_id=Case.id))
        .subquery()
    )
    alike = (each.c.tenant_id, each.c.urgency, each.c.state, each.c.due, each.c.age)
    query = select(*alike, func.count(), func.min(each.c.received_at)).group_by(*alike)
    return [Standing(*row) for row in session.execute(query)]


def flow(*, session: Session, scope: Scope) -> list[Day]:
    """Return arrivals and decisions of every day of the window, in two statements that read indexes alone."""
    arrived = {day: cases for day, cases in session.execute(_per_day(scope, Case.received_at))}  # noqa: C416 - a row is no pair to dict()
    closed = _per_day(scope, Case.reviewed_at, Case.state == CaseState.REVIEWED)
    decided = {day: cases for day, cases in session.execute(closed)}  # noqa: C416
    return [Day(day, arrived.get(day, 0), decided.get(day, 0)) for day in period_starts(Period.DAY, scope.window)]


def _per_day(scope: Scope, moment: Moment, *which: ColumnElement[bool]) -> Select[datetime, int]:
    where = (Case.tenant_id.in_(scope.tenant_ids), scope.window.holds(moment), *which, *scope.counts(case_id=Case.id))
    each = select(period_start(Period.DAY, moment).label("day")).where(*where).subquery()
    return select(each.c.day, func.count()).group_by(each.c.day)
