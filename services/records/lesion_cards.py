"""Lesions in short, as a reader chooses between them: where they sit, how often they were seen, and the last picture."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.orm import Session, aliased

from services.records.states import Laterality
from services.records.tables import Case, Lesion


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionCard:
    """A lesion with its last visit; ``visits`` 0: it has none, and what follows is None."""

    id: UUID
    reference: str | None
    body_site: str | None
    laterality: Laterality | None
    visits: int
    visited_at: datetime | None
    case_id: UUID | None
    image_id: UUID | None
    has_thumbnail: bool


@dataclass(frozen=True, slots=True)
class VisitCard:
    """A visit of a lesion in short."""

    case_id: UUID
    visited_at: datetime
    image_id: UUID | None
    has_thumbnail: bool


def lesion_cards(*, session: Session, tenant_ids: Sequence[UUID], lesion_ids: Collection[UUID]) -> dict[UUID, LesionCard]:
    """Return these lesions by id, in one statement; those of other tenants are left out."""
    if not lesion_ids:
        return {}
    rows = session.execute(_cards(tenant_ids, Lesion.id.in_(lesion_ids)))
    return {row.id: LesionCard(**row._asdict()) for row in rows}


def other_lesions(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID) -> tuple[LesionCard, ...]:
    """Return the patient's other lesions that are merged into nothing, in one statement; those seen last come first."""
    this = aliased(Lesion)
    patient = select(this.patient_id).where(this.id == lesion_id, this.tenant_id.in_(tenant_ids)).scalar_subquery()
    mine = and_(Lesion.patient_id == patient, Lesion.id != lesion_id, Lesion.merged_into.is_(None))
    query = _cards(tenant_ids, mine)
    return tuple(LesionCard(**row._asdict()) for row in session.execute(query))


def merged_lesions(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID) -> tuple[LesionCard, ...]:
    """Return the lesions that were merged into this one and not into another before, in one statement."""
    query = _cards(tenant_ids, Lesion.merged_into == lesion_id)
    return tuple(LesionCard(**row._asdict()) for row in session.execute(query))


def visit_cards(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID) -> tuple[VisitCard, ...]:
    """Return a lesion's visits from the first to the last, in one statement."""
    columns = (Case.id, Case.visited_at, Case.lead_image_id, Case.lead_thumbnail_key.is_not(None))
    query = select(*columns).where(Case.lesion_id == lesion_id, Case.tenant_id.in_(tenant_ids))
    return tuple(VisitCard(*row) for row in session.execute(query.order_by(Case.visited_at, Case.received_at, Case.id)))


def _cards(tenant_ids: Sequence[UUID], lesions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    # One probe of the trail's index for each lesion: a window over all visits is as slow as the patient is old.
    own = (Case.lesion_id == Lesion.id, Case.tenant_id.in_(tenant_ids))
    columns = (Case.id.label("case_id"), Case.lead_image_id, Case.lead_thumbnail_key, Case.visited_at)
    newest = select(*columns).where(*own).order_by(Case.visited_at.desc(), Case.received_at.desc(), Case.id.desc())
    last = newest.limit(1).correlate(Lesion).lateral("last")
    visits = select(func.count()).select_from(Case).where(*own).correlate(Lesion).scalar_subquery()
    return (
        select(
            Lesion.id,
            Lesion.reference,
            Lesion.body_site,
            Lesion.laterality,
            visits.label("visits"),
            last.c.visited_at,
            last.c.case_id,
            last.c.lead_image_id.label("image_id"),
            last.c.lead_thumbnail_key.is_not(None).label("has_thumbnail"),
        )
        .outerjoin(last, true())
        .where(lesions, Lesion.tenant_id.in_(tenant_ids))
        .order_by(last.c.visited_at.desc().nulls_last(), Lesion.id)
    )
