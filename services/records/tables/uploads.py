"""Files on their way to the store, and batches: manifests of many cases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import BatchItemState, UploadState
from services.records.tables.base import Base, Owned, word_column

WAITS = "state = 'waiting'"


class Upload(Owned, Base):
    """A file that a portal puts into the store itself, kept until ``expires_at``. ``byte_size`` and ``sha256`` (hex) are what it said.

    Where it lies follows from its id: :func:`services.records.uploads.object_key`. A row that is deleted had its object deleted before.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("byte_size > 0", name="byte_size"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        Index("ix_uploads_expires_at", "expires_at"),
    )

    filename: Mapped[str]
    byte_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    state: Mapped[UploadState] = word_column(UploadState, "state", server_default=UploadState.PENDING)
    expires_at: Mapped[datetime]


class Batch(Owned, Base):
    """A manifest that was taken as a whole. ``key_id``: with whose API key its cases are accepted."""

    __tablename__ = "batches"
    __table_args__ = (UniqueConstraint("tenant_id", "idempotency_key"), CheckConstraint("item_count > 0", name="item_count"))

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    item_count: Mapped[int]
    manifest_sha256: Mapped[str]
    idempotency_key: Mapped[str]


class BatchItem(Owned, Base):
    """One line of a manifest: a case that waits, or what became of it.

    ``submission``: the case as it was sent, until it is accepted or refused; then None, as nobody needs it twice. ``not_before``: until
    then a process that has claimed the item works on it. ``case_id`` is no foreign key: a case may be erased later.
    """

    __tablename__ = "batch_items"
    __table_args__ = (
        UniqueConstraint("batch_id", "line"),
        CheckConstraint("(state = 'accepted') = (case_id IS NOT NULL)", name="accepted"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused"),
        CheckConstraint("(state = 'waiting') = (finished_at IS NULL)", name="finished"),
        Index("ix_batch_items_waiting", "tenant_id", "created_at", "line", postgresql_where=WAITS),
    )

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id"))
    line: Mapped[int]
    submission: Mapped[dict[str, Any] | None]
    upload_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    idempotency_key: Mapped[str]
    state: Mapped[BatchItemState] = word_column(BatchItemState, "state", server_default=BatchItemState.WAITING)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    case_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    finished_at: Mapped[datetime | None]
