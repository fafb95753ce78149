"""What stands around a case: the earlier cases of its lesion and patient, and the model versions behind its answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, true
from sqlalchemy.orm import Session, aliased

from services.records.reads import stands
from services.records.states import CaseState, Decision, Laterality, ModelKind
from services.records.tables import Case, Lesion, ModelVersion, Review

EARLIER = 12
# How many digits of a digest stand in a pipeline's version.
DIGITS = 8


@dataclass(frozen=True, slots=True)
class EarlierCase:
    """A case of the same patient that came before. ``decision`` None: it is not decided yet."""

    id: UUID
    received_at: datetime
    same_lesion: bool
    body_site: str | None
    laterality: Laterality | None
    image_id: UUID | None
    thumbnail_key: str | None
    decision: Decision | None
    diagnosis: str | None


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model version that answered."""

    kind: ModelKind
    digest: str
    name: str
    version: str
    licence: str | None


def earlier_cases(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, limit: int = EARLIER) -> tuple[EarlierCase, ...]:
    """Return the patient's cases before this one, in one statement: those of the lesion first, then the newest first.

    The reading of the case is audited by who opens it; a picture from here is audited when it is opened.
    """
    this = aliased(Case)
    decided = (
        select(Review.decision, Review.diagnosis)
        .where(Review.case_id == Case.id, Case.state == CaseState.REVIEWED, stands())
        .order_by(Review.created_at.desc())
        .limit(1)
        .correlate(Case)
        .lateral("decided")
    )
    same = func.coalesce(Case.lesion_id == this.lesion_id, False)
    place = (Lesion.body_site, Lesion.laterality, Case.lead_image_id, Case.lead_thumbnail_key)
    query = (
        select(Case.id, Case.received_at, same, *place, decided.c.decision, decided.c.diagnosis)
        .join(this, this.patient_id == Case.patient_id)
        .outerjoin(Lesion, Lesion.id == Case.lesion_id)
        .outerjoin(decided, true())
        .where(this.id == case_id, this.tenant_id.in_(tenant_ids), Case.tenant_id == this.tenant_id, Case.id != this.id)
        .where(or_(Case.received_at < this.received_at, (Case.received_at == this.received_at) & (Case.id < this.id)))
        .order_by(same.desc(), Case.received_at.desc(), Case.id)
        .limit(limit)
    )
    return tuple(EarlierCase(*row) for row in session.execute(query))


def used_models(*, session: Session, pipeline_versions: Collection[str]) -> tuple[UsedModel, ...]:
    """Return the model versions that these pipelines are made of, in one statement; those that nobody registered are left out."""
    digests = {part for version in pipeline_versions for part in version.split("-")[1:] if part}
    if not digests:
        return ()
    columns = (ModelVersion.kind, ModelVersion.digest, ModelVersion.name, ModelVersion.version, ModelVersion.card["licence"].astext)
    query = select(*columns).where(func.left(ModelVersion.digest, DIGITS).in_({digest[:DIGITS] for digest in digests}))
    return tuple(UsedModel(*row) for row in session.execute(query.order_by(ModelVersion.kind.desc(), ModelVersion.name)))
