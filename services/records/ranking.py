"""Which cases a worklist shows, in which order: identifiers alone, so that 200,000 waiting cases cost as much as 200.

Cases of one portal, state, service level and risk are a *lane*: inside it the older case is always the first (see
:mod:`services.records.priority`), and one index holds every lane in that order. The query finds the lanes, takes the head of each and
merges them. Where a page ends, the next one begins: by the priority at the same moment, so that no case is shown twice or left out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    Double,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    column,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    values,
)
from sqlalchemy.orm import Session, aliased

from services.records import priority
from services.records.claims import CLAIMABLE, held_by, second_read_of_own
from services.records.states import CaseState, Outcome, Urgency
from services.records.tables import Case

# A filtered list of decided cases looks this far back, over all portals together.
DECIDED_WINDOW = 20_000
# Bounds of the index are a little wider than the exact condition: dividing and multiplying a float is not exact.
SLACK = timedelta(milliseconds=1)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    """The lists that a reader chooses from."""

    WAITING = "waiting"
    SECOND_READ = "second_read"
    ADJUDICATION = "adjudication"
    MINE = "mine"
    OVERDUE = "overdue"
    ANALYSING = "analysing"
    REVIEWED = "reviewed"


class Mark(StrEnum):
    """What a case can be filtered by, besides its class."""

    CHANGED = "change"
    SUSPICIOUS = "suspicious"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    QUALITY = "quality"
    NO_LESION = "no_lesion_found"
    NOT_ANALYSED = "not_analysed"
    IDENTITY = "identity"


TO_READ = (CaseState.AWAITING_REVIEW, CaseState.AWAITING_SECOND_READ)
STATES: dict[Status, tuple[CaseState, ...]] = {
    Status.WAITING: TO_READ,
    Status.SECOND_READ: (CaseState.AWAITING_SECOND_READ,),
    Status.ADJUDICATION: (CaseState.AWAITING_ADJUDICATION,),
    Status.MINE: CLAIMABLE,
    Status.OVERDUE: TO_READ,
    Status.ANALYSING: (CaseState.QUEUED,),
    Status.REVIEWED: (CaseState.REVIEWED,),
}
QUALITY = ("blurred", "dark", "overexposed", "small", "poor_quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list is narrowed to. ``leading``: a class code, or ``set`` or ``abstain``."""

    status: Status = Status.WAITING
    mark: Mark | None = None
    leading: str | None = None
    body_site: str | None = None
    urgency: Urgency | None = None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the status narrows the list."""
        return any((self.mark, self.leading, self.body_site, self.urgency))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the priority (of decided cases: the time of decision in seconds) and the id of its last case."""

    key: float
    case_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list. ``moment``: the priorities are those of this time, on every page of one look at the list."""

    moment: datetime
    limit: int
    after: Place | None = None


# A page is looked for among the cases whose priority is at least this share of the first one's; mostly that is enough of them.
SHARES = (0.5, 0.1, 0.0)


Ranked = Select[UUID, float]


def rank(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, wanted: Wanted, page: Page) -> list[Place]:
    """Return one page of a list, in its order; mostly in one statement."""
    conditions = [*_conditions(Case, wanted), *_of_status(wanted.status, user_id, page.moment)]
    states = STATES[wanted.status]
    if wanted.status is Status.REVIEWED:
        return _places(session, _decided(tenant_ids, wanted, page))
    if wanted.status is Status.MINE:
        return _places(session, _sorted(tenant_ids, states, conditions, page))
    found: list[Place] = []
    for share in SHARES:
        lanes = _bounded(_lanes(tenant_ids, states), page, share, overdue=wanted.status is Status.OVERDUE)
        found = _places(session, _merged(lanes, conditions, page))
        if len(found) == page.limit:
            break
    return found


def _places(session: Session, query: Ranked) -> list[Place]:
    return [Place(key, case_id) for case_id, key in session.execute(query)]


def _conditions(case: Any, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.urgency:
        found.append(case.urgency == wanted.urgency)
    if wanted.body_site:
        found.append(case.body_site == wanted.body_site)
    if wanted.leading in {Outcome.SET.value, Outcome.ABSTAIN.value}:
        found.append(case.lead_outcome == Outcome(wanted.leading))
    elif wanted.leading:
        found.append(case.lead_class == wanted.leading)
    if wanted.mark:
        flags = QUALITY if wanted.mark is Mark.QUALITY else (wanted.mark.value,)
        found.append(case.flags.op("&&", return_type=Boolean)(cast(list(flags), ARRAY(Text))))
    return found


def _of_status(status: Status, user_id: UUID, moment: datetime) -> list[ColumnElement[bool]]:
    found = []
    if status is Status.MINE:
        found.append(held_by(user_id))
    elif status is Status.SECOND_READ:
        # In the longer lists, of which these are a small part, they are left out of the page that is shown.
        found.append(not_(second_read_of_own(user_id)))
    return [*found, Case.due_at < moment] if status is Status.OVERDUE else found


def _merged(lanes: CTE, conditions: Sequence[ColumnElement[bool]], page: Page) -> Ranked:
    """The heads of all lanes, merged."""
    key = priority.priority(lanes.c.pace, Case.received_at, page.moment)
    same = (Case.tenant_id == lanes.c.tenant_id, Case.state == lanes.c.state, _open(Case))
    lane = (*same, Case.sla_hours == lanes.c.sla_hours, Case.risk_level == lanes.c.risk_level)
    # Plain comparisons with the lane's own bounds: row-level security lets only such narrow an index.
    between = (Case.received_at >= lanes.c.earliest, Case.received_at <= lanes.c.latest)
    narrowed = select(Case.id, key.label("key")).where(*lane, *between, *_following(key, Case, page.after), *conditions)
    head = narrowed.order_by(Case.received_at, Case.id).limit(page.limit).lateral("head")
    return select(head.c.id, head.c.key).select_from(lanes).join(head, true()).order_by(head.c.key.desc(), head.c.id).limit(page.limit)


def _lanes(tenant_ids: Sequence[UUID], states: Collection[CaseState]) -> CTE:
    """Every lane that has a case, with its oldest, found by stepping through the index from one lane to the next."""
    pairs = values(column("tenant_id", Uuid), column("state", Case.state.type), name="pairs").data(
        [(tenant_id, state) for tenant_id in tenant_ids for state in states]
    )
    first = _oldest(Case, pairs.c).limit(1).lateral("first")
    lanes = select(pairs.c.tenant_id, pairs.c.state, *first.c).select_from(pairs).join(first, true()).cte("lanes", recursive=True)
    case = aliased(Case)
    beyond = tuple_(case.sla_hours, case.risk_level) > tuple_(lanes.c.sla_hours, lanes.c.risk_level)
    step = _oldest(case, lanes.c).where(beyond).limit(1).lateral("step")
    return lanes.union_all(select(lanes.c.tenant_id, lanes.c.state, *step.c).select_from(lanes).join(step, true()))


def _oldest(case: Any, lane: Any) -> Select[int, int, datetime]:
    same = (case.tenant_id == lane.tenant_id, case.state == lane.state, _open(case))
    lanes = (case.sla_hours, case.risk_level, case.received_at)
    return select(*lanes).where(*same).order_by(*lanes)


def _bounded(lanes: CTE, page: Page, share: float, *, overdue: bool) -> CTE:
    """The lanes with their pace and with the times of receipt between which their cases may belong to the page."""
    pace = priority.pace(lanes.c.risk_level, lanes.c.sla_hours)
    earliest: ColumnElement[datetime] = literal(ALWAYS)
    highest: ColumnElement[float] = func.max(priority.priority(pace, lanes.c.received_at, page.moment)).over()
    if page.after is not None:
        earliest, highest = priority.receipt_of(pace, literal(page.after.key), page.moment) - literal(SLACK), literal(page.after.key)
    latest: list[ColumnElement[datetime]] = [literal(page.moment)]
    if share:
        latest.append(priority.receipt_of(pace, highest * share, page.moment))
    if overdue:
        # Who waits longer than the service level; the hours of a lane are rounded, so one is left for that.
        latest.append(literal(page.moment) - func.make_interval(0, 0, 0, 0, func.greatest(lanes.c.sla_hours - 1, 0)))
    bounds = (pace.label("pace"), earliest.label("earliest"), func.least(*latest).label("latest"))
    return select(lanes.c.tenant_id, lanes.c.state, lanes.c.sla_hours, lanes.c.risk_level, *bounds).cte("bounded")


def _sorted(tenant_ids: Sequence[UUID], states: Collection[CaseState], conditions: Sequence[ColumnElement[bool]], page: Page) -> Ranked:
    """Few cases, found by another index: sort them."""
    key = priority.priority(priority.pace(Case.risk_level, Case.sla_hours), Case.received_at, page.moment)
    found = (Case.tenant_id.in_(tenant_ids), Case.state.in_(states), _open(Case), Case.received_at <= page.moment)
    listed = select(Case.id, key.label("key")).where(*found, *conditions, *_following(key, Case, page.after))
    return listed.order_by(key.desc(), Case.id).limit(page.limit)


def _decided(tenant_ids: Sequence[UUID], wanted: Wanted, page: Page) -> Ranked:
    """The decided cases, the newest first: merged from the newest of each portal."""
    pairs = values(column("tenant_id", Uuid), name="pairs").data([(tenant_id,) for tenant_id in tenant_ids])
    latest = literal(page.moment) if page.after is None else literal(datetime.fromtimestamp(page.after.key, UTC) + SLACK)
    depth = DECIDED_WINDOW // max(len(tenant_ids), 1) if wanted.narrowed else page.limit
    key = cast(func.extract("epoch", Case.reviewed_at), Double)
    of_tenant = (Case.tenant_id == pairs.c.tenant_id, Case.state == CaseState.REVIEWED, Case.reviewed_at <= latest)
    newest = select(Case).where(*of_tenant, *_following(key, Case, page.after)).order_by(Case.reviewed_at.desc(), Case.id)
    case = aliased(Case, newest.limit(depth).lateral("newest"))
    key = cast(func.extract("epoch", case.reviewed_at), Double)
    listed = select(case.id, key.label("key")).select_from(pairs).join(case, true()).where(*_conditions(case, wanted))
    return listed.order_by(key.desc(), case.id).limit(page.limit)


def _following(key: ColumnElement[float], case: Any, after: Place | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [or_(key < after.key, and_(key == after.key, case.id > after.case_id))]


def _open(case: Any) -> ColumnElement[bool]:
    """Said again wherever the state is a variable: without it the index of open cases may not be used."""
    is_open: ColumnElement[bool] = case.state != CaseState.REVIEWED
    return is_open
