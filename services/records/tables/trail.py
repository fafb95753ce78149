"""One lesion over time: which visits belong together, what was measured at each, what changed between them, and who is told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import LesionEventKind, ProposalState, ReminderKind
from services.records.tables.base import Base, Owned, word_column


class LesionEvent(Owned, Base):
    """A step in the life of a lesion's identity. Append-only; without a user it was the portal or the system.

    ``case_id``: the visit that moved, from ``other_lesion_id`` to ``lesion_id``; without it the lesions as wholes are meant.
    """

    __tablename__ = "lesion_events"
    __table_args__ = (
        Index("ix_lesion_events_lesion_id", "lesion_id", "created_at"),
        Index("ix_lesion_events_other_lesion_id", "other_lesion_id", "created_at"),
        Index("ix_lesion_events_case_id", "case_id", "created_at", postgresql_where="case_id IS NOT NULL"),
    )

    lesion_id: Mapped[UUID] = mapped_column(ForeignKey("lesions.id"))
    kind: Mapped[LesionEventKind] = word_column(LesionEventKind, "kind")
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    other_lesion_id: Mapped[UUID | None] = mapped_column(ForeignKey("lesions.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(server_default="")


class LinkProposal(Owned, Base):
    """A case may show a lesion that is known already. ``score`` 0..1; ``reasons``: what speaks for it, as data."""

    __tablename__ = "link_proposals"
    __table_args__ = (
        UniqueConstraint("case_id", "lesion_id"),
        CheckConstraint("score BETWEEN 0 AND 1", name="score"),
        CheckConstraint("(state IN ('confirmed', 'rejected')) = (decided_by IS NOT NULL)", name="decided_by"),
        CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name="decided_at"),
        Index("ix_link_proposals_lesion_id", "lesion_id"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    lesion_id: Mapped[UUID] = mapped_column(ForeignKey("lesions.id"))
    score: Mapped[float]
    reasons: Mapped[dict[str, Any]]
    state: Mapped[ProposalState] = word_column(ProposalState, "state", server_default=ProposalState.OPEN)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]


class Calibration(Owned, Base):
    """A reader laid the ruler along one in the picture. Append-only; the newest of an image counts. Pixels of the upright picture."""

    __tablename__ = "calibrations"
    __table_args__ = (
        CheckConstraint("mm_per_px > 0 AND length_mm > 0 AND length_px > 0", name="length"),
        Index("ix_calibrations_image_id", "image_id", "created_at"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    mm_per_px: Mapped[float]
    length_mm: Mapped[float]
    length_px: Mapped[float]
    note: Mapped[str] = mapped_column(server_default="")


class VisitMeasure(Owned, Base):
    """What was measured in one picture, each figure with its error. Append-only; ``version`` names the method and its scale."""

    __tablename__ = "visit_measures"
    __table_args__ = (UniqueConstraint("image_id", "outline_id", "version", postgresql_nulls_not_distinct=True),)

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    outline_id: Mapped[UUID | None] = mapped_column(ForeignKey("outlines.id"))
    version: Mapped[str]
    measures: Mapped[dict[str, Any]]


class Comparison(Owned, Base):
    """Two visits laid over each other, or why that is not possible. Append-only; the newest of two images counts.

    ``basis`` names everything that it rests on beside the pictures: outlines, calibrations, versions.
    """

    __tablename__ = "comparisons"
    __table_args__ = (
        UniqueConstraint("earlier_image_id", "later_image_id", "basis"),
        CheckConstraint("earlier_image_id <> later_image_id", name="images"),
        CheckConstraint("valid = (why IS NULL) AND valid = (registration IS NOT NULL) AND valid = (changes IS NOT NULL)", name="valid"),
        Index("ix_comparisons_later_case_id", "later_case_id", "created_at"),
        Index("ix_comparisons_earlier_case_id", "earlier_case_id", "created_at"),
    )

    earlier_case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    later_case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    earlier_image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    later_image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    basis: Mapped[str]
    version: Mapped[str]
    valid: Mapped[bool]
    why: Mapped[str | None]
    registration: Mapped[dict[str, Any] | None]
    changes: Mapped[dict[str, Any] | None]
    registered_key: Mapped[str | None]
    difference_key: Mapped[str | None]


class Alert(Owned, Base):
    """Rules that fired for a visit. One stands for a case at most; what was said and taken back stays on file."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)", name="withdrawn"),
        Index("uq_alerts_standing", "case_id", unique=True, postgresql_where="withdrawn_at IS NULL"),
        Index("ix_alerts_case_id", "case_id", "created_at"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    comparison_id: Mapped[UUID | None] = mapped_column(ForeignKey("comparisons.id"))
    headline: Mapped[str]
    rules: Mapped[dict[str, Any]]
    rule_version: Mapped[str]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str | None]


class SequenceAnswer(Owned, Base):
    """What the sequence model said about the visits up to a case. Append-only. Of one visit there is nothing to say about progress."""

    __tablename__ = "sequence_answers"
    __table_args__ = (
        UniqueConstraint("case_id", "digest", "image_ids"),
        CheckConstraint("malignant_probability BETWEEN 0 AND 1", name="malignant_probability"),
        CheckConstraint("progressing_probability BETWEEN 0 AND 1", name="progressing_probability"),
        CheckConstraint("visits = cardinality(image_ids)", name="visits"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    image_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    digest: Mapped[str]
    visits: Mapped[int] = mapped_column(SmallInteger)
    malignant_probability: Mapped[float]
    progressing_probability: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Reminder(Owned, Base):
    """The portal was told about a follow-up: once for each kind. Append-only."""

    __tablename__ = "reminders"
    __table_args__ = (UniqueConstraint("review_id", "kind"),)

    review_id: Mapped[UUID] = mapped_column(ForeignKey("reviews.id"))
    kind: Mapped[ReminderKind] = word_column(ReminderKind, "kind")


class PortalEvent(Owned, Base):
    """What a portal should know, written in the transaction of what happened. Append-only; ``sequence`` is the order of the commits.

    ``not_before``: nobody is told earlier; ``review_id``: it tells of this decision, and nobody is told where that was taken back.
    """

    __tablename__ = "portal_events"
    __table_args__ = (UniqueConstraint("sequence"), Index("ix_portal_events_order", "tenant_id", "sequence"))

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    kind: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    payload: Mapped[dict[str, Any]]
    not_before: Mapped[datetime | None]
    review_id: Mapped[UUID | None] = mapped_column(ForeignKey("reviews.id"))
