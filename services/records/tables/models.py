"""Which model versions there are and which one serves; what versions in shadow said. The first two belong to no tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import ActorKind, ModelAction, ModelKind, ModelState, Outcome
from services.records.tables.base import Base, Born, Owned, word_column


class ModelVersion(Born, Base):
    """One bundle. ``digest`` names everything that could change an answer; ``card`` is its bundle.json.

    A trigger admits a version as a candidate, and only the first of its kind as champion.
    """

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("kind", "digest"),
        CheckConstraint("digest ~ '^[0-9a-f]{8,64}$'", name="digest"),
        Index("uq_model_versions_champion", "kind", unique=True, postgresql_where="state = 'champion'"),
    )

    kind: Mapped[ModelKind] = word_column(ModelKind, "kind")
    digest: Mapped[str]
    name: Mapped[str]
    version: Mapped[str]
    card: Mapped[dict[str, Any]]
    state: Mapped[ModelState] = word_column(ModelState, "state")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ModelEvent(Born, Base):
    """Who moved a version from which state to which, and why. Append-only.

    ``sequence`` orders events of one transaction: a promotion retires one version and crowns another.
    """

    __tablename__ = "model_events"
    __table_args__ = (
        CheckConstraint("from_state IS DISTINCT FROM to_state", name="change"),
        CheckConstraint("btrim(reason) <> ''", name="reason"),
        UniqueConstraint("sequence"),
        Index("ix_model_events_model_version_id", "model_version_id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    action: Mapped[ModelAction] = word_column(ModelAction, "action")
    actor_kind: Mapped[ActorKind] = word_column(ActorKind, "actor_kind")
    actor_id: Mapped[str | None]
    from_state: Mapped[ModelState | None] = word_column(ModelState, "from_state")
    to_state: Mapped[ModelState] = word_column(ModelState, "to_state")
    reason: Mapped[str]


class ShadowAnalysis(Owned, Base):
    """What a version in shadow said about one image. Append-only; no process that people talk to may read it.

    ``outline_jaccard``: agreement of its outline with the served one, 0..1.
    """

    __tablename__ = "shadow_analyses"
    __table_args__ = (
        UniqueConstraint("image_id", "model_version_id"),
        CheckConstraint("malignant_probability BETWEEN 0 AND 1", name="malignant_probability"),
        CheckConstraint("top_probability BETWEEN 0 AND 1", name="top_probability"),
        CheckConstraint("outline_jaccard BETWEEN 0 AND 1", name="outline_jaccard"),
    )

    image_id: Mapped[UUID] = mapped_column(ForeignKey("images.id"))
    model_version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    pipeline_version: Mapped[str]
    outcome: Mapped[Outcome] = word_column(Outcome, "outcome")
    classes: Mapped[list[str]]
    top_class: Mapped[str | None]
    top_probability: Mapped[float | None]
    malignant_probability: Mapped[float]
    flags: Mapped[list[str]]
    finding: Mapped[dict[str, Any]]
    outline_jaccard: Mapped[float | None]
