"""How often the model does not answer, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from services.records.states import Outcome
from services.records.statistics.figures import Proportion
from services.records.statistics.windows import Period, Scope, period_start
from services.records.tables import Analysis

UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Answers:
    """How many pictures of a period ended alike; ``reason`` only of abstentions."""

    start: datetime
    outcome: Outcome
    reason: str | None
    pictures: int


def answers(*, session: Session, scope: Scope, period: Period) -> list[Answers]:
    """Return the analyses of the window by period, outcome and reason, in one statement."""
    reason = case((Analysis.outcome == Outcome.ABSTAIN, func.coalesce(Analysis.finding["reason"].astext, UNSTATED)))
    each = (
        select(period_start(period, Analysis.created_at).label("start"), Analysis.outcome, reason.label("reason"))
        .where(Analysis.tenant_id.in_(scope.tenant_ids), scope.window.holds(Analysis.created_at))
        .where(*scope.counts(image_id=Analysis.image_id))
        .subquery()
    )
    alike = (each.c.start, each.c.outcome, each.c.reason)
    return [Answers(*row) for row in session.execute(select(*alike, func.count()).group_by(*alike))]


def abstained(rows: Iterable[Answers], reason: str | None = None) -> Proportion:
    """Return the share of pictures without an answer, for ``reason`` or any."""
    rows = list(rows)
    silent = [row for row in rows if row.outcome is Outcome.ABSTAIN and reason in (None, row.reason)]
    return Proportion(sum(row.pictures for row in silent), sum(row.pictures for row in rows))


def sets(rows: Iterable[Answers]) -> Proportion:
    """Return the share of pictures answered with several classes."""
    rows = list(rows)
    return Proportion(sum(row.pictures for row in rows if row.outcome is Outcome.SET), sum(row.pictures for row in rows))
