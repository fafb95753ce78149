"""Decisions of dermatologists, and the trail of everything that was done. Both append-only."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import ActorKind, Decision, Management, ReviewKind
from services.records.tables.base import Base, Born, Owned, word_column


class Review(Owned, Base):
    """Who decided what, and exactly what they were shown when they did.

    A review stands until another one supersedes it, and is superseded once: of two amendments at once, one wins.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        CheckConstraint("decision = 'second_opinion' OR (decision IN ('confirm', 'correct')) = (diagnosis IS NOT NULL)", name="diagnosis"),
        CheckConstraint("decision <> 'not_assessable' OR reason IS NOT NULL", name="reason"),
        CheckConstraint("(kind = 'undo') = (decision = 'withdrawn')", name="undo"),
        CheckConstraint("kind NOT IN ('amendment', 'undo') OR supersedes IS NOT NULL", name="supersedes"),
        CheckConstraint("kind NOT IN ('adjudication', 'amendment') OR btrim(coalesce(rationale, '')) <> ''", name="rationale"),
        CheckConstraint("(coalesce(management, '') = 'follow_up') = (follow_up_months IS NOT NULL)", name="follow_up"),
        CheckConstraint("follow_up_months BETWEEN 1 AND 60", name="follow_up_months"),
        CheckConstraint("(follow_up_months IS NULL) = (follow_up_on IS NULL)", name="follow_up_on"),
        CheckConstraint("coalesce(management, '') <> 'retake' OR decision = 'not_assessable'", name="retake"),
        CheckConstraint("reading_seconds >= 0", name="reading_seconds"),
        UniqueConstraint("supersedes"),
        Index("ix_reviews_case_id", "case_id"),
        Index("ix_reviews_created", "tenant_id", "created_at"),
        Index("ix_reviews_follow_up", "tenant_id", "follow_up_on", postgresql_where="follow_up_on IS NOT NULL"),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[Decision] = word_column(Decision, "decision")
    diagnosis: Mapped[str | None]
    reason: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="")
    shown: Mapped[dict[str, Any]]
    kind: Mapped[ReviewKind] = word_column(ReviewKind, "kind", server_default=ReviewKind.FIRST)
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("reviews.id"))
    management: Mapped[Management | None] = word_column(Management, "management")
    follow_up_months: Mapped[int | None] = mapped_column(SmallInteger)
    follow_up_on: Mapped[date | None]
    rationale: Mapped[str | None]
    reading_seconds: Mapped[int | None]


class AuditEvent(Born, Base):
    """One link of a tenant's hash chain; events of no tenant (sign-ins, set-up) form a chain of their own.

    A trigger fills ``sequence``, ``created_at`` and both hashes; the application cannot choose them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "sequence", postgresql_nulls_not_distinct=True),
        Index("ix_audit_events_created", "created_at", "id"),
        Index("ix_audit_events_actor", "actor_id", "created_at", "id"),
        Index("ix_audit_events_action", "action", "created_at", "id"),
    )

    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    actor_kind: Mapped[ActorKind] = word_column(ActorKind, "actor_kind")
    actor_id: Mapped[str | None]
    action: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class AuditHead(Base):
    """The newest link of each chain. No application role may change it: a cut-off tail shows against it."""

    __tablename__ = "audit_heads"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
