"""One visit of a lesion as pages read it, and what the change worker wrote about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.records.states import CaseState, Decision, Management, Modality, Outcome, VisitSource


@dataclass(frozen=True, slots=True)
class VisitImage:
    """The picture of a visit: its case's leading one. ``mask_version`` changes with the outline that counts; None where there is none."""

    id: UUID
    width: int
    height: int
    modality: Modality
    tiled: bool
    thumbnail_key: str | None
    analysis_id: UUID | None
    mask_version: UUID | None

    @property
    def has_thumbnail(self) -> bool:
        """Whether there is a small picture."""
        return self.thumbnail_key is not None


@dataclass(frozen=True, slots=True)
class VisitDecision:
    """What was decided of a visit, and when. ``follow_up_on``: the day of the next one."""

    review_id: UUID
    at: datetime
    decision: Decision
    diagnosis: str | None
    management: Management | None
    follow_up_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One case of the lesion. ``measures``: what ``VisitMeasures.to_json`` wrote, None until measured or where no lesion was found.

    ``waits_since``: the change worker has it still to do; ``failed``: why it gave up. ``opinion_given``: by the reader who asks.
    ``decision`` only of decided cases.
    """

    case_id: UUID
    visited_at: datetime
    source: VisitSource
    received_at: datetime
    state: CaseState
    outcome: Outcome | None
    classes: tuple[str, ...]
    malignant_probability: float | None
    not_analysed: str | None
    waits_since: datetime | None
    failed: str | None
    image: VisitImage | None
    measures: Mapping[str, Any] | None
    measures_version: str | None
    decision: VisitDecision | None
    opinion_given: bool


@dataclass(frozen=True, slots=True)
class VisitComparison:
    """Two visits laid over each other, or in ``why`` the word for why not. ``registration``, ``changes``: as the worker wrote them."""

    id: UUID
    created_at: datetime
    earlier: UUID
    later: UUID
    valid: bool
    why: str | None
    registration: Mapping[str, Any] | None
    changes: Mapping[str, Any] | None
    registered_key: str | None
    difference_key: str | None
    version: str


@dataclass(frozen=True, slots=True)
class TrailAlert:
    """Rules that fired for a visit; ``withdrawn_at`` where the alert was taken back."""

    case_id: UUID
    created_at: datetime
    headline: str
    rules: Mapping[str, Any]
    rule_version: str
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


@dataclass(frozen=True, slots=True)
class SequenceView:
    """The newest word of the sequence model on the visits up to ``case_id``; ``progressing`` None where one visit was read."""

    case_id: UUID
    visits: int
    malignant: float
    progressing: float | None
    model: str
