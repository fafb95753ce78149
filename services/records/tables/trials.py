"""Pictures that visitors try: of no tenant and no patient, gone within the hour."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped

from services.records.states import TrialState
from services.records.tables.base import Base, Born, word_column


class Trial(Born, Base):
    """One picture, and what the models say about it. Deleted when ``expires_at`` has passed."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint("(state = 'done') = (finding IS NOT NULL)", name="done"),
        CheckConstraint("(state = 'queued') = (finished_at IS NULL)", name="finished"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed"),
        Index("ix_trials_expires_at", "expires_at"),
    )

    state: Mapped[TrialState] = word_column(TrialState, "state", server_default=TrialState.QUEUED)
    picture_key: Mapped[str]
    finding: Mapped[dict[str, Any] | None]
    mask_key: Mapped[str | None]
    heatmap_key: Mapped[str | None]
    reason: Mapped[str | None]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
