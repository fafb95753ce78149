"""Links that a human may confirm: which of a patient's known lesions a new case may show.

The change worker asks for `candidates`, scores them with ``models.change.identity`` (see ``workers.proposing``) and calls
`store_proposals`; what a human says to them is in :mod:`services.records.links`. A pair that was kept apart is never proposed again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CTE, ColumnElement, Select, and_, exists, func, or_, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from services.records.states import Laterality, LesionEventKind, ProposalState
from services.records.tables import Analysis, Case, Image, Lesion, LesionEvent, LinkProposal, User

# Lesions of one patient that a case is compared with, those seen last first.
MOST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A lesion as one of its visits shows it: where it sits, the leading picture, and what the classifier saw in it.

    ``embedding``: float16, little endian, of length 1; None where that pipeline did not see the lesion.
    """

    lesion_id: UUID
    case_id: UUID
    image_id: UUID
    original_key: str
    mask_key: str | None
    body_site: str | None
    laterality: Laterality | None
    embedding: bytes | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A case whose lesion nobody has named, and the lesions of the patient that were known before it came."""

    tenant_id: UUID
    case: Seen
    others: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class NewProposal:
    """The case may show ``lesion_id``. ``score`` 0..1; ``reasons``: what speaks for it, as ``models.change.identity`` writes it."""

    lesion_id: UUID
    score: float
    reasons: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalView:
    """A proposal, and what a human said to it. ``lesion_id`` may have been merged into another one since."""

    id: UUID
    lesion_id: UUID
    score: float
    reasons: Mapping[str, Any]
    state: ProposalState
    decided_by: UUID | None
    decider: str | None
    decided_at: datetime | None


def candidates(*, session: Session, tenant_id: UUID, case_id: UUID, limit: int = MOST) -> Asked | None:
    """Return the case and the lesions that it may show, in two statements; None where there is nothing to propose.

    There is nothing where the portal named the lesion, where the lesion has other visits already, where no picture of the case is
    analysed, or where every other lesion of the patient came later or was kept apart. Of each lesion the newest visit counts that the
    same pipeline has seen, else the newest.
    """
    this = session.execute(_this(tenant_id, case_id)).one_or_none()
    if this is None:
        return None
    rows = session.execute(_others(tenant_id, case_id, lesion_id=this.lesion_id, version=this.pipeline_version, limit=limit))
    others = tuple(Seen(**row._asdict()) for row in rows)
    values = {name: value for name, value in this._asdict().items() if name != "pipeline_version"}
    return Asked(tenant_id, Seen(**values), others) if others else None


def store_proposals(*, session: Session, tenant_id: UUID, case_id: UUID, lesion_id: UUID, proposals: Sequence[NewProposal]) -> int:
    """Keep what was found for a case whose lesion was ``lesion_id``, and return how many proposals are open for it now.

    What a human has said stays as it is; what is no longer proposed becomes stale. Nothing is stored where a human was faster and has
    linked the case. In a repeat nothing changes.
    """
    # The lock orders this against a human's link, which marks what is open as stale.
    locked = select(Case.id).where(Case.id == case_id, Case.tenant_id == tenant_id, Case.lesion_id == lesion_id, _alone(Case))
    if session.scalar(locked.with_for_update(key_share=True)) is None:
        return 0
    wanted = [proposal.lesion_id for proposal in proposals if proposal.lesion_id != lesion_id]
    withdraw(session=session, case_ids=[case_id], keep=wanted)
    if wanted:
        rows = [_row(tenant_id, case_id, proposal) for proposal in proposals if proposal.lesion_id != lesion_id]
        session.execute(_upsert(rows))
    return _count_open(session, case_id)


def withdraw(*, session: Session, case_ids: Collection[UUID], keep: Collection[UUID] = ()) -> None:
    """Mark the open proposals of these cases as stale, but those of the lesions to ``keep``."""
    mine = (LinkProposal.case_id.in_(case_ids), LinkProposal.state == ProposalState.OPEN, LinkProposal.lesion_id.not_in(keep))
    session.execute(update(LinkProposal).where(*mine).values(state=ProposalState.STALE).execution_options(synchronize_session=False))


def case_proposals(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> tuple[ProposalView, ...]:
    """Return the proposals of a case that are open or were decided, in one statement, the likeliest first."""
    row = LinkProposal
    query = (
        select(row.id, row.lesion_id, row.score, row.reasons, row.state, row.decided_by, User.name.label("decider"), row.decided_at)
        .outerjoin(User, User.id == row.decided_by)
        .where(row.case_id == case_id, row.tenant_id.in_(tenant_ids), row.state != ProposalState.STALE)
        .order_by(row.score.desc(), row.id)
    )
    return tuple(ProposalView(**found._asdict()) for found in session.execute(query))


def _alone(case: type[Case]) -> ColumnElement[bool]:
    """The lesion has this visit only, and the portal did not name it."""
    other = aliased(Case)
    named = exists().where(Lesion.id == case.lesion_id, Lesion.reference.is_not(None)).correlate(case)
    return and_(~exists().where(other.lesion_id == case.lesion_id, other.id != case.id).correlate(case), ~named)


def _this(tenant_id: UUID, case_id: UUID) -> Select[*tuple[Any, ...]]:
    newest = (
        select(Analysis.embedding, Analysis.mask_key, Analysis.pipeline_version)
        .where(Analysis.image_id == Case.lead_image_id)
        .order_by(Analysis.created_at.desc())
        .limit(1)
        .lateral("newest")
    )
    return (
        select(*_columns(Case), newest.c.embedding, newest.c.mask_key, newest.c.pipeline_version)
        .join(Lesion, Lesion.id == Case.lesion_id)
        .join(Image, Image.id == Case.lead_image_id)
        .join(newest, true())
        .where(Case.id == case_id, Case.tenant_id == tenant_id, _alone(Case))
    )


def _others(tenant_id: UUID, case_id: UUID, *, lesion_id: UUID, version: str, limit: int) -> Select[*tuple[Any, ...]]:
    this, apart = aliased(Case), _apart(case_id, lesion_id)
    same_pipeline = and_(Analysis.image_id == Case.lead_image_id, Analysis.pipeline_version == version)
    # Of two cases of one lesion the one that came later is asked about: else each would be proposed for the other.
    came_before = tuple_(Case.received_at, Case.id) < tuple_(this.received_at, this.id)
    of_each = (
        select(*_columns(Case), Analysis.embedding, Analysis.mask_key, Case.visited_at)
        .join(this, this.patient_id == Case.patient_id)
        .join(Lesion, Lesion.id == Case.lesion_id)
        .join(Image, Image.id == Case.lead_image_id)
        .outerjoin(Analysis, same_pipeline)
        .where(this.id == case_id, Case.tenant_id == tenant_id, came_before)
        .where(Case.lesion_id != lesion_id, Case.lesion_id.not_in(select(apart.c.id)))
        .ext(distinct_on(Case.lesion_id))
        .order_by(Case.lesion_id, Analysis.embedding.is_(None), Case.visited_at.desc(), Case.id)
        .subquery("of_each")
    )
    wanted = [column for column in of_each.c if column.name != "visited_at"]
    return select(*wanted).order_by(of_each.c.visited_at.desc(), of_each.c.case_id).limit(limit)


def _columns(case: type[Case]) -> tuple[Any, ...]:
    named = (case.lesion_id, case.id.label("case_id"), Image.id.label("image_id"), Image.original_key)
    return (*named, Lesion.body_site, Lesion.laterality)


def _apart(case_id: UUID, lesion_id: UUID) -> CTE:
    """Ids of the lesions that somebody has told apart from this one, and of those that these were merged into."""
    rejected, event, met = LinkProposal, LesionEvent, aliased(Case)
    split = or_(event.kind == LesionEventKind.SPLIT, and_(event.kind == LesionEventKind.RESTORED, event.case_id.is_(None)))
    said = (
        select(rejected.lesion_id.label("id"))
        .where(rejected.case_id == case_id, rejected.state == ProposalState.REJECTED)
        .union(
            select(met.lesion_id)
            .join(rejected, rejected.case_id == met.id)
            .where(rejected.lesion_id == lesion_id, rejected.state == ProposalState.REJECTED),
            select(event.other_lesion_id).where(event.lesion_id == lesion_id, event.other_lesion_id.is_not(None), split),
            select(event.lesion_id).where(event.other_lesion_id == lesion_id, split),
        )
        .subquery("said")
    )
    told = select(said.c.id).cte("apart", recursive=True)
    return told.union(select(Lesion.merged_into).join(told, Lesion.id == told.c.id).where(Lesion.merged_into.is_not(None)))


def _row(tenant_id: UUID, case_id: UUID, proposal: NewProposal) -> dict[str, Any]:
    about = {"id": uuid4(), "tenant_id": tenant_id, "case_id": case_id, "lesion_id": proposal.lesion_id}
    return about | {"score": proposal.score, "reasons": dict(proposal.reasons)}


def _upsert(rows: Sequence[Mapping[str, Any]]) -> Any:
    statement = upsert(LinkProposal).values(rows)
    undecided = LinkProposal.state.in_((ProposalState.OPEN, ProposalState.STALE))
    newest = {"score": statement.excluded.score, "reasons": statement.excluded.reasons, "state": ProposalState.OPEN}
    return statement.on_conflict_do_update(index_elements=["case_id", "lesion_id"], set_=newest, where=undecided)


def _count_open(session: Session, case_id: UUID) -> int:
    mine = select(func.count()).where(LinkProposal.case_id == case_id, LinkProposal.state == ProposalState.OPEN)
    return session.scalar(mine) or 0
