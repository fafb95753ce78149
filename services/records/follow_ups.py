"""When a lesion is to be seen again: follow-ups, derived from decisions and visits, and the reminders that portals get of them.

A follow-up is no row of its own. It is the `follow_up_on` of the decision that stands for a decided case, so an amendment or an
adjudication moves it, and a withdrawn decision takes it away. It belongs to the lesion to which the case belongs now. It is

* fulfilled by the lesion's first visit whose pictures were taken after the decision;
* void where a later visit of the lesion is decided, whose decision then says what comes next;
* else upcoming until its day, due on its day and for `GRACE_DAYS` after it, and overdue from then on. Days are those of UTC.

A lesion has at most one that is open: that of its latest decided visit.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Uuid, and_, case, cast, func, literal, null, or_, select, true, tuple_
from sqlalchemy.orm import Session, aliased

from services.records.reading import UNDO_SECONDS
from services.records.reads import stands
from services.records.states import CaseState, ReviewKind
from services.records.tables import Case, Review

# A portal is reminded this long before the day, and a visit within this time after it is in time.
NOTICE_DAYS = 14
GRACE_DAYS = 14


class FollowUpState(StrEnum):
    """How a follow-up stands on a day."""

    UPCOMING = "upcoming"
    DUE = "due"
    OVERDUE = "overdue"
    FULFILLED = "fulfilled"


OPEN = (FollowUpState.UPCOMING, FollowUpState.DUE, FollowUpState.OVERDUE)
# How many columns a row of `follow_ups` has.
COLUMNS = 9


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One follow-up. ``fulfilled_by``: the case that was the visit."""

    review_id: UUID
    tenant_id: UUID
    case_id: UUID
    lesion_id: UUID
    patient_id: UUID
    follow_up_on: date
    decided_at: datetime
    state: FollowUpState
    fulfilled_by: UUID | None


def next_follow_up(
    *, session: Session, tenant_ids: Sequence[UUID], lesion_ids: Sequence[UUID], for_portal: bool = False, today: date | None = None
) -> dict[UUID, FollowUp]:
    """Return the open follow-up of each lesion that has one, in one statement.

    Args:
        for_portal: leave out decisions that their reader may still take back.
    """
    if not lesion_ids:
        return {}
    which = [Case.lesion_id.in_(lesion_ids), *([settled()] if for_portal else [])]
    found = follow_ups(tenant_ids, today=today or utc_today(), states=OPEN, which=which, few=True)
    return {row.lesion_id: follow_up(row) for row in session.execute(select(found))}


def utc_today() -> date:
    """The day that it is in UTC."""
    return datetime.now(UTC).date()


def follow_up_day(*, decided_at: datetime, months: int) -> date:
    """The day of the follow-up: that of the decision in UTC, some months on; the month's last day where it has no such day."""
    day = decided_at.astimezone(UTC).date()
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def follow_ups(
    tenant_ids: Sequence[UUID] | None,
    *,
    today: date,
    states: Sequence[FollowUpState],
    which: Sequence[ColumnElement[bool]] = (),
    few: bool = False,
) -> CTE:
    """Return the follow-ups as a part of a statement: a row of it begins with what :func:`follow_up` reads.

    Args:
        tenant_ids: whose; None: everybody's, for the worker.
        states: only these, at least one.
        which: further conditions on the review and its case.
        few: these conditions leave few of them.
    """
    fulfilled = FollowUpState.FULFILLED in states
    seen = _fulfilled_by() if fulfilled else null()
    whose = (Review.id.label("review_id"), Review.tenant_id, Review.case_id, Case.lesion_id, Case.patient_id)
    decided = (Review.follow_up_on.is_not(None), Case.state == CaseState.REVIEWED, stands(), decides())
    asked = (_among(states, seen, today), ~_replaced()) if fulfilled else (_days(states, today), ~_over())
    query = (
        select(*whose, Review.follow_up_on, Review.created_at.label("decided_at"))
        .add_columns(_state(seen, today).label("state"), cast(seen, Uuid).label("fulfilled_by"))
        .join(Case, Case.id == Review.case_id)
        .where(*decided, *asked, *which)
    )
    if tenant_ids is not None:
        query = query.where(Review.tenant_id.in_(tenant_ids), Case.tenant_id.in_(tenant_ids))
    found = query.cte("follow_ups")
    # Most follow-ups of the past are fulfilled: the planner, which cannot know it, would look each of them up to fill a page.
    return found if few or fulfilled or FollowUpState.OVERDUE not in states else found.prefix_with("MATERIALIZED")


def follow_up(row: Any) -> FollowUp:
    """Return the follow-up of a row that begins with the columns of :func:`follow_ups`."""
    review_id, tenant_id, case_id, lesion_id, patient_id, day, decided_at, state, visit = row[:COLUMNS]
    return FollowUp(review_id, tenant_id, case_id, lesion_id, patient_id, day, decided_at, FollowUpState(state), visit)


def settled() -> ColumnElement[bool]:
    """Condition on a review: its time to be taken back is over, so that a portal may be told."""
    return Review.created_at < func.now() - timedelta(seconds=UNDO_SECONDS)


def after(place: tuple[date, UUID]) -> ColumnElement[bool]:
    """Condition on a review: it comes after this day and id in the order of lists, the longest awaited first."""
    return tuple_(Review.follow_up_on, Review.id) > tuple_(*map(literal, place))


def decides() -> ColumnElement[bool]:
    """It is the decision of its case: of the reviews that stand, the last."""
    later, superseding = aliased(Review), aliased(Review)
    newer = (later.case_id == Review.case_id, later.created_at > Review.created_at, later.kind != ReviewKind.UNDO)
    replaced = select(superseding.id).where(superseding.supersedes == later.id).exists()
    return ~select(later.id).where(*newer, ~replaced).correlate(Review).exists()


def _fulfilled_by() -> Any:
    """The first visit of the lesion whose pictures were taken after the decision, or None."""
    visit = aliased(Case)
    first = select(visit.id).where(*_other(visit), visit.visited_at > Review.created_at)
    return first.order_by(visit.visited_at, visit.received_at, visit.id).limit(1).correlate(Case, Review).scalar_subquery()


def _replaced() -> ColumnElement[bool]:
    """A later visit of the lesion that was made before this decision is decided: its decision says what comes next.

    A visit after the decision fulfils the follow-up instead.
    """
    visit = aliased(Case)
    mine = select(visit.id).where(*_other(visit), visit.visited_at <= Review.created_at, _decided_later(visit))
    return mine.correlate(Case, Review).exists()


def _over() -> ColumnElement[bool]:
    """It is fulfilled or replaced."""
    visit = aliased(Case)
    mine = select(visit.id).where(*_other(visit), or_(visit.visited_at > Review.created_at, _decided_later(visit)))
    return mine.correlate(Case, Review).exists()


def _other(visit: Any) -> tuple[ColumnElement[bool], ...]:
    return (visit.lesion_id == Case.lesion_id, visit.id != Case.id)


def _decided_later(visit: Any) -> ColumnElement[bool]:
    place = tuple_(visit.visited_at, visit.received_at, visit.id) > tuple_(Case.visited_at, Case.received_at, Case.id)
    return and_(visit.state == CaseState.REVIEWED, place)


def _state(seen: Any, today: date) -> ColumnElement[str]:
    return case(
        (seen.is_not(None), FollowUpState.FULFILLED.value),
        (Review.follow_up_on > today, FollowUpState.UPCOMING.value),
        (Review.follow_up_on >= today - timedelta(days=GRACE_DAYS), FollowUpState.DUE.value),
        else_=FollowUpState.OVERDUE.value,
    )


def _among(states: Sequence[FollowUpState], seen: Any, today: date) -> ColumnElement[bool]:
    open_ones = [state for state in states if state is not FollowUpState.FULFILLED]
    return or_(seen.is_not(None), _days(open_ones, today)) if open_ones else seen.is_not(None)


def _days(states: Sequence[FollowUpState], today: date) -> ColumnElement[bool]:
    """The days on which an open follow-up is in one of these states, so that an index can be used."""
    on, grace = Review.follow_up_on, today - timedelta(days=GRACE_DAYS)
    spans = {FollowUpState.UPCOMING: on > today, FollowUpState.DUE: on.between(grace, today), FollowUpState.OVERDUE: on < grace}
    return true() if len(states) == len(spans) else or_(*(spans[state] for state in states))
