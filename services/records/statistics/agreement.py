"""Do readers agree with each other, and with the model?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from services.records.states import Outcome, ReviewKind
from services.records.statistics.figures import Kappa, cohen_kappa, one_against_rest
from services.records.statistics.standing import KNOWN, NOT_ASSESSABLE, not_undone, opinion
from services.records.statistics.windows import Scope
from services.records.tables import Case, FirstOpinion, Review

Counts = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pairs of opinions about the same cases: (first reader or reader, second reader or model) → how often."""

    counts: Counts

    @property
    def overall(self) -> Kappa:
        """Over all categories at once."""
        return cohen_kappa(self.counts)

    @property
    def categories(self) -> tuple[str, ...]:
        """What was said, in the order of the list of diagnoses; anything else last."""
        places = {name: place for place, name in enumerate((*KNOWN, "OTHER", NOT_ASSESSABLE))}
        said = {name for pair in self.counts for name in pair}
        return tuple(sorted(said, key=lambda name: (places.get(name, len(places)), name)))

    def of(self, category: str) -> Kappa:
        """One category against all others."""
        return cohen_kappa(one_against_rest(self.counts, category))


def readers(*, session: Session, scope: Scope) -> Agreement:
    """First against second reader of the same case, as each read it: amended later or not. One statement.

    The second does not see the first's decision. A case that a lead resolved keeps the pair that disagreed.
    """
    second = select(Review.case_id, opinion().label("said")).where(*_read(scope, ReviewKind.SECOND)).subquery("second")
    mine = (Review.tenant_id.in_(scope.tenant_ids), *_counts_as(ReviewKind.FIRST))
    pairs = select(opinion().label("one"), second.c.said.label("other")).join(second, second.c.case_id == Review.case_id)
    return _agreement(session, pairs.where(*mine))


def reader_and_model(*, session: Session, scope: Scope) -> Agreement:
    """First diagnoses against the model's single class. The reader saw that class: expect more agreement than between strangers."""
    pairs = select(Review.diagnosis.label("one"), Case.lead_class.label("other")).join(Case, Case.id == Review.case_id)
    mine = (*_read(scope, ReviewKind.FIRST), Review.diagnosis.is_not(None))
    return _agreement(session, pairs.where(*mine, Case.lead_outcome == Outcome.PREDICTION))


def blind_reader_and_model(*, session: Session, scope: Scope) -> Agreement:
    """First opinions, given before the model's answer was opened, against its single class."""
    pairs = select(FirstOpinion.diagnosis.label("one"), Case.lead_class.label("other")).join(Case, Case.id == FirstOpinion.case_id)
    mine = (FirstOpinion.tenant_id.in_(scope.tenant_ids), scope.window.holds(FirstOpinion.created_at), FirstOpinion.assessable)
    pairs = pairs.where(*mine, *scope.counts(case_id=FirstOpinion.case_id))
    return _agreement(session, pairs.where(Case.lead_outcome == Outcome.PREDICTION))


def _read(scope: Scope, kind: ReviewKind) -> tuple[ColumnElement[bool], ...]:
    mine = (Review.tenant_id.in_(scope.tenant_ids), scope.window.holds(Review.created_at), *_counts_as(kind))
    return (*mine, *scope.counts(case_id=Review.case_id))


def _counts_as(kind: ReviewKind) -> tuple[ColumnElement[bool], ...]:
    return (Review.kind == kind, opinion().is_not(None), not_undone())


def _agreement(session: Session, pairs: Select[*tuple[Any, ...]]) -> Agreement:
    each = pairs.subquery("pairs")
    rows = session.execute(select(each.c.one, each.c.other, func.count()).group_by(each.c.one, each.c.other))
    return Agreement({(one, other): count for one, other, count in rows})
