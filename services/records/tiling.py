"""Which large pictures have no tiles yet. The worker makes them when nothing better is to be done."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.orm import Session

from services.records.states import JobState
from services.records.tables import Image, Job

# Part of an index's condition, too: a larger side than this is worth tiles.
LARGE_SIDE = 2048
SETTLED = (JobState.DONE, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class UntiledImage:
    """A picture to be cut into tiles, and where it lies."""

    image_id: UUID
    tenant_id: UUID
    case_id: UUID
    view_key: str


def next_untiled(*, session: Session, skip: Collection[UUID]) -> UntiledImage | None:
    """Lock the large picture that has waited longest since its analysis ended; None when there is none but `skip`.

    The lock lasts for the transaction and stops nobody but another worker that looks for the same.
    """
    query = _untiled().where(Image.id.not_in(skip)).order_by(Image.created_at).limit(1)
    row = session.execute(query.with_for_update(of=Image, skip_locked=True, key_share=True)).one_or_none()
    return None if row is None else UntiledImage(row.id, row.tenant_id, row.case_id, row.view_key)


def any_untiled(*, session: Session) -> bool:
    """Whether a large picture waits for its tiles."""
    return session.execute(_untiled().limit(1)).first() is not None


def keep_tiles(*, session: Session, image_id: UUID, tiles_key: str) -> None:
    """Say where a picture's tiles lie."""
    session.execute(update(Image).where(Image.id == image_id).values(tiles_key=tiles_key))


def tiles_key(*, session: Session, tenant_ids: Collection[UUID], case_id: UUID, image_id: UUID) -> tuple[UUID, str] | None:
    """Tenant and tiles of one picture of one of the tenants' cases; None where it is another's, or has none."""
    query = select(Image.tenant_id, Image.tiles_key).where(
        Image.id == image_id, Image.case_id == case_id, Image.tenant_id.in_(tenant_ids), Image.tiles_key.is_not(None)
    )
    row = session.execute(query).one_or_none()
    return (row.tenant_id, row.tiles_key) if row and row.tiles_key else None


def _untiled() -> Select[UUID, UUID, UUID, str]:
    settled = exists().where(Job.image_id == Image.id, Job.state.in_(SETTLED))
    large = func.greatest(Image.width, Image.height) > LARGE_SIDE
    return select(Image.id, Image.tenant_id, Image.case_id, Image.view_key).where(Image.tiles_key.is_(None), large, settled)
