"""What has changed under a list that somebody looks at: never who the patients are, so nothing here is a reading of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from services.records.claims import ClaimView, claims_of
from services.records.ranking import Page, Wanted, rank
from services.records.states import CaseState
from services.records.tables import Case, Image, Job, Review


@dataclass(frozen=True, slots=True)
class Shown:
    """A case on the screen, as it is now."""

    case_id: UUID
    state: CaseState
    due_at: datetime
    claim: ClaimView | None


@dataclass(frozen=True, slots=True)
class Changes:
    """``arrived``: cases that came into the list's first page after it was opened."""

    shown: tuple[Shown, ...]
    arrived: tuple[UUID, ...]


def changes(
    *, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, wanted: Wanted, since: datetime, limit: int, case_ids: Collection[UUID]
) -> Changes:
    """Return how the cases on the screen stand, and which have arrived since the list was opened."""
    claims = claims_of(session=session, case_ids=case_ids)
    states = session.execute(select(Case.id, Case.state, Case.due_at).where(Case.id.in_(case_ids), Case.tenant_id.in_(tenant_ids)))
    shown = tuple(Shown(case_id, state, due_at, claims.get(case_id)) for case_id, state, due_at in states)
    page = Page(datetime.now(UTC), limit)
    first = [place.case_id for place in rank(session=session, tenant_ids=tenant_ids, user_id=user_id, wanted=wanted, page=page)]
    return Changes(shown, tuple(session.scalars(_arrived(first, since))) if first else ())


def _arrived(case_ids: Collection[UUID], since: datetime) -> Select[UUID]:
    analysed = select(Job.id).join(Image, Image.id == Job.image_id).where(Image.case_id == Case.id, Job.finished_at > since).exists()
    reviewed = select(Review.id).where(Review.case_id == Case.id, Review.created_at > since).exists()
    return select(Case.id).where(Case.id.in_(case_ids), or_(Case.received_at > since, analysed, reviewed))
