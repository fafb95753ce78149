"""What the workers do: jobs to do, and answers that are never changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import JobState, Outcome
from services.records.tables.base import Base, Owned, word_column


class Job(Owned, Base):
    """One image waiting for, or having had, its analysis.

    ``urgency_rank`` and ``due_at`` repeat the case's, so that a claim reads one index.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "(state = 'leased') = (lease_owner IS NOT NULL) AND (state = 'leased') = (lease_expires_at IS NOT NULL)",
            name="leased",
        ),
        CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("urgency_rank BETWEEN 0 AND 2", name="urgency_rank"),
        Index("uq_jobs_open", "image_id", unique=True, postgresql_where="state IN ('queued', 'leased')"),
        Index("ix_jobs_claim", "tenant_id", "urgency_rank", "due_at", "id", postgresql_where="state = 'queued'"),
        Index("ix_jobs_expiry", "lease_expires_at", postgresql_where="state = 'leased'"),
        Index("ix_jobs_image_id", "image_id"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    state: Mapped[JobState] = word_column(JobState, "state", server_default=JobState.QUEUED)
    urgency_rank: Mapped[int] = mapped_column(SmallInteger)
    due_at: Mapped[datetime]
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    reason: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class Analysis(Owned, Base):
    """What one pipeline version said about one image. Append-only: what was shown stays as it was.

    ``embedding``: the classifier's features, float16 little endian of length 1; only those of one pipeline version are comparable.
    """

    __tablename__ = "analyses"
    __table_args__ = (
        UniqueConstraint("image_id", "pipeline_version"),
        CheckConstraint("malignant_probability BETWEEN 0 AND 1", name="malignant_probability"),
        CheckConstraint("top_probability BETWEEN 0 AND 1", name="top_probability"),
        CheckConstraint("outcome <> 'prediction' OR (top_class IS NOT NULL AND top_probability IS NOT NULL)", name="prediction"),
        CheckConstraint("outcome <> 'set' OR cardinality(classes) >= 2", name="set"),
        Index("ix_analyses_created", "tenant_id", "created_at"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    pipeline_version: Mapped[str]
    outcome: Mapped[Outcome] = word_column(Outcome, "outcome")
    classes: Mapped[list[str]]
    top_class: Mapped[str | None]
    top_probability: Mapped[float | None]
    malignant_probability: Mapped[float]
    flags: Mapped[list[str]]
    finding: Mapped[dict[str, Any]]
    mask_key: Mapped[str | None]
    thumbnail_key: Mapped[str | None]
    heatmap_key: Mapped[str | None]
    hairfree_key: Mapped[str | None]
    embedding: Mapped[bytes | None]
