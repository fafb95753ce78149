"""Outlines that readers draw. Nothing is overwritten: the newest row of an image counts, and the model's mask stays on file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, insert, null, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.changes import mark_image_due
from services.records.errors import CaseClosed, CaseNotFound
from services.records.states import AuditAction
from services.records.tables import Analysis, Case, Image, Outline


@dataclass(frozen=True, slots=True)
class ReadersOutline:
    """The outline of an image that a reader drew last; it wins over the model's. ``measures`` as in a finding, None until measured."""

    id: UUID
    image_id: UUID
    user_id: UUID
    mask_key: str
    measures: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UnmeasuredOutline:
    """An outline that waits for its measures, with the picture that it lies on."""

    id: UUID
    tenant_id: UUID
    image_id: UUID
    mask_key: str
    original_key: str


def record_outline(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    case_id: UUID,
    image_id: UUID,
    user_id: UUID,
    mask_key: str | None,
    outline_id: UUID | None = None,
) -> UUID:
    """Keep the outline that a reader has drawn, and return its id; its measures follow (``store_measures``).

    Args:
        mask_key: where the mask lies in the object store; None gives the word back to the model.
        outline_id: the id it shall have, where the key was made of it.

    Raises:
        CaseNotFound: none of the tenants has such a case, or the case has no such image.
        CaseClosed: the case has been decided.
    """
    image = _open_image(session, tenant_ids, case_id, image_id)
    outline_id = outline_id or uuid4()
    row = {"id": outline_id, "tenant_id": image.tenant_id, "image_id": image_id, "analysis_id": image.analysis_id, "user_id": user_id}
    # What the model drew was measured with it.
    measured_at = func.now() if mask_key is None else null()
    session.execute(insert(Outline).values(**row, mask_key=mask_key, measured_at=measured_at))
    if mask_key is None:
        mark_image_due(session=session, image_id=image_id)
    record_event(
        session=session,
        tenant_id=image.tenant_id,
        actor=Actor.user(user_id),
        action=AuditAction.OUTLINE_CORRECTED,
        subject=Subject("image", image_id),
        details={"outline": str(outline_id), "restored": mask_key is None},
    )
    return outline_id


def newest_outlines(*, session: Session, tenant_ids: Sequence[UUID], image_ids: Sequence[UUID]) -> dict[UUID, ReadersOutline]:
    """Of each image the outline that counts instead of the model's, by image id, in one statement.

    Images whose newest row gave the word back to the model, or that nobody drew on, are left out: the model's mask counts there.
    """
    newest = select(Outline).where(Outline.image_id.in_(image_ids), Outline.tenant_id.in_(tenant_ids))
    rows = session.scalars(newest.ext(distinct_on(Outline.image_id)).order_by(Outline.image_id, Outline.created_at.desc()))
    return {
        row.image_id: ReadersOutline(row.id, row.image_id, row.user_id, row.mask_key, row.measures, row.created_at)
        for row in rows
        if row.mask_key is not None
    }


def unmeasured_outlines(*, session: Session, limit: int) -> list[UnmeasuredOutline]:
    """Outlines without measures, oldest first, of every tenant (the worker's login)."""
    query = (
        select(Outline.id, Outline.tenant_id, Outline.image_id, Outline.mask_key, Image.original_key)
        .join(Image, Image.id == Outline.image_id)
        .where(Outline.measured_at.is_(None), Outline.mask_key.is_not(None))
        .order_by(Outline.created_at)
        .limit(limit)
    )
    return [UnmeasuredOutline(row.id, row.tenant_id, row.image_id, row.mask_key, row.original_key) for row in session.execute(query)]


def count_unmeasured(*, session: Session) -> int:
    """How many outlines wait for their measures."""
    return session.scalar(select(func.count()).select_from(Outline).where(Outline.measured_at.is_(None))) or 0


def store_measures(
    *, session: Session, outline_id: UUID, measures: Mapping[str, Any] | None, reason: str | None = None, worker: str = "worker"
) -> bool:
    """Keep what was measured, or in ``reason`` why nothing could be. False when somebody else was faster: theirs stays."""
    swap = update(Outline).where(Outline.id == outline_id, Outline.measured_at.is_(None))
    values = {"measures": dict(measures) if measures is not None else null(), "reason": reason, "measured_at": func.now()}
    swapped = session.execute(swap.values(**values).returning(Outline.tenant_id, Outline.image_id)).one_or_none()
    if swapped is None:
        return False
    mark_image_due(session=session, image_id=swapped.image_id)
    record_event(
        session=session,
        tenant_id=swapped.tenant_id,
        actor=Actor.system(worker),
        action=AuditAction.OUTLINE_MEASURED,
        subject=Subject("image", swapped.image_id),
        details={"outline": str(outline_id), "measured": measures is not None},
    )
    return True


def _open_image(session: Session, tenant_ids: Sequence[UUID], case_id: UUID, image_id: UUID) -> Row[*tuple[Any, ...]]:
    # The lock orders a drawing against a decision: what is drawn after it would change what was decided on. It is the one for changes:
    # two readers with a weaker one each could not flag the trail.
    newest = select(Analysis.id).where(Analysis.image_id == Image.id).order_by(Analysis.created_at.desc()).limit(1)
    query = (
        select(Image.tenant_id, Case.state, newest.scalar_subquery().label("analysis_id"))
        .join(Case, Case.id == Image.case_id)
        .where(Image.id == image_id, Case.id == case_id, Case.tenant_id.in_(tenant_ids))
    )
    image = session.execute(query.with_for_update(of=Case, key_share=True)).one_or_none()
    if image is None:
        raise CaseNotFound(case_id)
    if image.state.terminal:
        raise CaseClosed("The case has been decided: its outlines stay as they were then.")
    return image
