"""DICOM instances: what portals sent, and what was made of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import InstanceKind
from services.records.tables.base import Base, Owned, word_column


class DicomInstance(Owned, Base):
    """One SOP instance. Nobody changes a row: a new version of a result is a new instance.

    ``object_key``: the whole DICOM file (PS3.10) of ``byte_size`` bytes; of what was received it is the image's original.
    ``attributes``: what a query is answered with, in the DICOM JSON model (PS3.18 F): no pixel data, no name, no birth date.
    ``image_id``: the picture that it holds, or that it is about. ``review_id``: the decision that a result tells.
    """

    __tablename__ = "dicom_instances"
    __table_args__ = (
        UniqueConstraint("tenant_id", "sop_instance_uid"),
        CheckConstraint("byte_size > 0", name="byte_size"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        CheckConstraint("kind NOT IN ('received', 'photograph') OR (image_id IS NOT NULL AND review_id IS NULL)", name="picture"),
        CheckConstraint("kind IN ('received', 'photograph') OR review_id IS NOT NULL", name="result"),
        Index("ix_dicom_instances_series", "tenant_id", "study_uid", "series_uid"),
        Index("ix_dicom_instances_case_id", "case_id"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    image_id: Mapped[UUID | None] = mapped_column(ForeignKey("images.id"))
    review_id: Mapped[UUID | None] = mapped_column(ForeignKey("reviews.id"))
    kind: Mapped[InstanceKind] = word_column(InstanceKind, "kind")
    study_uid: Mapped[str]
    series_uid: Mapped[str]
    sop_instance_uid: Mapped[str]
    sop_class_uid: Mapped[str]
    transfer_syntax_uid: Mapped[str]
    modality: Mapped[str]
    object_key: Mapped[str]
    byte_size: Mapped[int]
    sha256: Mapped[str]
    attributes: Mapped[dict[str, Any]]
