"""What was erased, of whom nothing else is left; and which pictures went into which exported data set."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import ErasureReason, ErasureState
from services.records.tables.base import Base, Born, Owned, word_column


class Erasure(Owned, Base):
    """The receipt of an erasure. Only the function that erases writes one, and nobody deletes one.

    ``patient_id`` and ``case_ids`` are random numbers that lead to no row any more: with them a receipt is recognised, and an erasure
    is done again after a restore. ``whole``: everything of the patient went, and not only what a portal's retention policy ended.
    ``counts``: rows by table. ``prefixes``: beginnings of the keys of objects that may still lie in the store; none once it is done.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done"),
        CheckConstraint("state <> 'done' OR cardinality(prefixes) = 0", name="prefixes"),
        Index("ix_erasures_list", "tenant_id", "created_at", "id"),
        Index("ix_erasures_patient_id", "patient_id"),
        Index("ix_erasures_unfinished", "state", "created_at", postgresql_where="state <> 'done'"),
    )

    reason: Mapped[ErasureReason] = word_column(ErasureReason, "reason")
    state: Mapped[ErasureState] = word_column(ErasureState, "state")
    patient_id: Mapped[UUID]
    whole: Mapped[bool]
    case_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    prefixes: Mapped[list[str]]
    objects: Mapped[int] = mapped_column(server_default="0")
    objects_gone_at: Mapped[datetime | None]
    problem: Mapped[str | None]
    done_at: Mapped[datetime | None]


class DatasetExport(Born, Base):
    """A data set that was written for training. ``name``: its folder's; ``manifest_sha256``: of its table, as it was written last."""

    __tablename__ = "dataset_exports"
    __table_args__ = (CheckConstraint("manifest_sha256 ~ '^[0-9a-f]{64}$'", name="manifest_sha256"),)

    name: Mapped[str]
    manifest_sha256: Mapped[str]
    pruned_at: Mapped[datetime | None]


class DatasetImage(Owned, Base):
    """A picture in an exported data set. ``name``: of its file there, without folder and suffix.

    Once its patient is erased ``image_id`` is gone, and the name waits, under the receipt ``erasure_id``, to be removed from the folder.
    """

    __tablename__ = "dataset_images"
    __table_args__ = (
        UniqueConstraint("export_id", "name"),
        CheckConstraint("(image_id IS NULL) = (erasure_id IS NOT NULL)", name="erased"),
        CheckConstraint("pruned_at IS NULL OR erasure_id IS NOT NULL", name="pruned"),
        Index("ix_dataset_images_image_id", "image_id"),
        Index("ix_dataset_images_erasure_id", "erasure_id", postgresql_where="erasure_id IS NOT NULL"),
    )

    export_id: Mapped[UUID] = mapped_column(ForeignKey("dataset_exports.id"))
    image_id: Mapped[UUID | None] = mapped_column(ForeignKey("images.id"))
    name: Mapped[str]
    erasure_id: Mapped[UUID | None] = mapped_column(ForeignKey("erasures.id"))
    pruned_at: Mapped[datetime | None]
