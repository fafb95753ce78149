"""What readers leave at the desk besides decisions: claims, first opinions, corrected outlines, templates, saved views."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from services.records.tables.base import Base, Born, Owned


class CaseClaim(Owned, Base):
    """Who has a case open, until when. A row whose time is over means nothing: the next reader takes it."""

    __tablename__ = "case_claims"
    __table_args__ = (UniqueConstraint("case_id"), Index("ix_case_claims_user_id", "user_id", "expires_at"))

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class FirstOpinion(Owned, Base):
    """What a reader thought before they saw what the model thought. Append-only, one for each reader and case."""

    __tablename__ = "first_opinions"
    __table_args__ = (
        UniqueConstraint("case_id", "user_id"),
        CheckConstraint("assessable = (diagnosis IS NOT NULL)", name="diagnosis"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    assessable: Mapped[bool]
    diagnosis: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="")


class NoteTemplate(Owned, Base):
    """Words to begin a note with: a reader's own, or (without a user) for everybody who reads for the portal."""

    __tablename__ = "note_templates"
    __table_args__ = (Index("ix_note_templates_tenant_id", "tenant_id"),)

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    body: Mapped[str]
    retired_at: Mapped[datetime | None]


class SavedView(Born, Base):
    """A reader's own name for a set of filters. Row-level security shows each reader theirs alone."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    query: Mapped[dict[str, Any]]


class Outline(Owned, Base):
    """A mask drawn by a reader. The newest of an image wins over the model's; ``measures`` are the worker's, once it has them.

    A row without a mask gives the word back to the model. ``reason``: why the worker could not measure what was drawn.
    """

    __tablename__ = "outlines"
    __table_args__ = (
        CheckConstraint("mask_key IS NOT NULL OR (measured_at IS NOT NULL AND measures IS NULL)", name="restored"),
        CheckConstraint("measures IS NULL OR measured_at IS NOT NULL", name="measured"),
        Index("ix_outlines_image_id", "image_id", "created_at"),
        Index("ix_outlines_unmeasured", "created_at", postgresql_where="measured_at IS NULL"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    analysis_id: Mapped[UUID | None] = mapped_column(ForeignKey("analyses.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    mask_key: Mapped[str | None]
    measures: Mapped[dict[str, Any] | None]
    measured_at: Mapped[datetime | None]
    reason: Mapped[str | None]
