"""How much each reader decides, and how long a reading takes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.records.states import Decision, ReviewKind
from services.records.statistics.standing import not_undone
from services.records.statistics.windows import Period, Scope, period_start
from services.records.tables import Review, User


@dataclass(frozen=True, slots=True)
class ReaderLine:
    """One reader in the window. ``days``: days (UTC) with at least one decision. Quartiles are of ``timed`` readings, in seconds."""

    user_id: UUID
    name: str
    decisions: int
    days: int
    second_reads: int
    adjudications: int
    amendments: int
    not_assessable: int
    timed: int
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


def throughput(*, session: Session, scope: Scope) -> list[ReaderLine]:
    """Return a line for each reader who decided something, the busiest first, in one statement. Undone decisions do not count."""
    quartiles = [func.percentile_cont(share).within_group(Review.reading_seconds) for share in (0.25, 0.5, 0.75)]
    kinds = [func.count().filter(Review.kind == kind) for kind in (ReviewKind.SECOND, ReviewKind.ADJUDICATION, ReviewKind.AMENDMENT)]
    days = func.count(period_start(Period.DAY, Review.created_at).distinct())
    not_assessable = func.count().filter(Review.decision == Decision.NOT_ASSESSABLE)
    mine = (Review.tenant_id.in_(scope.tenant_ids), scope.window.holds(Review.created_at), Review.decision != Decision.WITHDRAWN)
    counted = (
        select(
            Review.user_id, func.count().label("decisions"), days, *kinds, not_assessable, func.count(Review.reading_seconds), *quartiles
        )
        .where(*mine, not_undone(), *scope.counts(case_id=Review.case_id))
        .group_by(Review.user_id)
        .subquery("counted")
    )
    columns = list(counted.c)
    query = select(columns[0], User.name, *columns[1:]).join(User, User.id == counted.c.user_id)
    return [ReaderLine(*row) for row in session.execute(query.order_by(counted.c.decisions.desc(), User.name))]
