"""What in a picture may tell who the patient is, and what a human said about it."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import IdentityKind, IdentityVerdictWord
from services.records.tables.base import Base, Owned, word_column


class IdentityFinding(Owned, Base):
    """One thing that was seen in a picture. Append-only. ``version`` names the method.

    ``box``: x, y, width, height as shares of the upright picture, 0..1; none where the file itself declares it of the whole picture.
    """

    __tablename__ = "identity_findings"
    __table_args__ = (
        CheckConstraint("score BETWEEN 0 AND 1", name="score"),
        CheckConstraint("(kind = 'declared') = (box IS NULL)", name="box"),
        Index("ix_identity_findings_image_id", "image_id", "created_at"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    version: Mapped[str]
    kind: Mapped[IdentityKind] = word_column(IdentityKind, "kind")
    box: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    score: Mapped[float]


class IdentityVerdict(Owned, Base):
    """What a human who looked said about a picture. Append-only; the newest counts, and the picture's state repeats it."""

    __tablename__ = "identity_verdicts"
    __table_args__ = (Index("ix_identity_verdicts_image_id", "image_id", "created_at"),)

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    verdict: Mapped[IdentityVerdictWord] = word_column(IdentityVerdictWord, "verdict")
    note: Mapped[str] = mapped_column(server_default="")
