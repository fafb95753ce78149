"""The JSON of what is followed over time: patients, lesions with their visits, changes, follow-ups, events."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.intake.schemas import DISCLAIMER, STATUS, Line, Strict
from services.records.follow_ups import GRACE_DAYS, FollowUpState
from services.records.portal_events import PortalEventKind
from services.records.states import CaseState, Laterality, MapView, Sex, VisitSource

STATE = (
    f"upcoming: its day is to come. due: on the day and for {GRACE_DAYS} days after it. overdue: since then. "
    "fulfilled: the lesion was seen again. Days are those of UTC."
)
CHANGES = (
    "Automatic measurements, with their errors. They are no finding and no diagnosis: a dermatologist decides each case, "
    "and what they decided stands with the case."
)
NEXT = "Send it back as `cursor` for the next page; none on the last page."
CURSOR = "`next_cursor` of the page before."


class Query(Strict):
    """Where to go on in a list. `?cursor=` means no cursor."""

    cursor: str | None = Field(default=None, max_length=500, description=CURSOR)
    limit: int = Field(default=50, ge=1, le=200)

    @model_validator(mode="before")
    @classmethod
    def without_empty(cls, given: Any) -> Any:
        """What is empty is not said."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


class FollowUpQuery(Query):
    """Which follow-ups to list."""

    state: FollowUpState | None = Field(default=None, description=f"Only these; without it all that are not fulfilled. {STATE}")
    due_before: date | None = Field(default=None, description="Only those whose day is before this one (YYYY-MM-DD).")


class EventQuery(Query):
    """Which events to read."""

    kind: PortalEventKind | None = Field(default=None, description="Only events of this kind.")


class PatientSearch(Strict):
    """Whom to look for."""

    reference: Line = Field(description="The portal's pseudonymous reference of the patient.", examples=["P-1042"])


class PatientOut(BaseModel):
    """A patient, by the portal's pseudonym."""

    id: UUID
    reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    consent_training: bool | None
    lesions_url: str


class MapPointOut(BaseModel):
    """A point on the body map: a figure, and 0..1 of its width and height from the upper left corner."""

    view: MapView
    x: float
    y: float


class NextVisit(BaseModel):
    """When the lesion is to be seen again."""

    case_id: UUID = Field(description="The case whose decision asks for it.")
    follow_up_on: date
    state: FollowUpState = Field(description=STATE)


class LesionLine(BaseModel):
    """One lesion in a list."""

    id: UUID
    tracking_uid: str = Field(description="DICOM Tracking Unique Identifier, the same for all time.")
    reference: str | None = Field(description="The portal's own reference of the lesion.")
    body_site: str | None
    laterality: Laterality | None
    map_point: MapPointOut | None
    visit_count: int
    first_visit_at: datetime | None
    last_visit_at: datetime | None
    last_case_id: UUID | None
    alert: str | None = Field(description="Headline of the alert about the last visit; none where no rule fires.")
    follow_up: NextVisit | None = Field(description="What the latest decision asks for, until the lesion is seen again.")
    lesion_url: str
    changes_url: str


class LesionPage(BaseModel):
    """A page of lesions, in the order in which they became known."""

    lesions: Sequence[LesionLine]
    next_cursor: str | None = Field(description=NEXT)


class VisitOut(BaseModel):
    """One case of a lesion."""

    case_id: UUID
    reference: str | None = Field(description="The portal's own reference of the case.")
    visited_at: datetime = Field(description="When the pictures were taken.")
    visit_source: VisitSource = Field(description="Who said so: portal, dicom, or receipt (nobody: the time of arrival).")
    received_at: datetime
    status: CaseState = Field(description=STATUS)
    reviewed_at: datetime | None
    image_id: UUID | None = Field(description="The leading picture, which is compared with those of other visits.")
    image_count: int
    thumbnail_url: str | None
    alert: str | None
    case_url: str


class LesionOut(LesionLine):
    """A lesion with its visits, from the first to the last."""

    patient_id: UUID
    patient_reference: str
    visits: Sequence[VisitOut]


class MergedOut(BaseModel):
    """The lesion was found to be the same as another one, whose address is in `Location`."""

    id: UUID
    merged_into: UUID
    lesion_url: str


class ChangeOut(BaseModel):
    """What has changed in one figure. `relative` 0.38 is 38 % more; `error` is one standard deviation of it, else of `absolute`."""

    model_config = ConfigDict(extra="allow")

    absolute: float | None = None
    relative: float | None = None
    error: float | None = None
    per_month: float | None = None
    unit: str | None = Field(
        default=None, description="Of `absolute`: mm², mm, px², px, ΔE, share (0..1); % where only `relative` is known."
    )
    significant: bool | None = Field(default=None, description="More than the error of looking twice.")
    earlier: float | None = None
    later: float | None = None


class ComparedVisitOut(BaseModel):
    """One side of a comparison."""

    case_id: UUID
    image_id: UUID
    visited_at: datetime
    status: CaseState = Field(description=STATUS)
    scale_source: str | None = Field(description="What says how large a pixel is: dicom, stated or ruler. None: sizes are relative.")


class ComparisonOut(BaseModel):
    """Two visits beside each other."""

    id: UUID
    created_at: datetime
    earlier: ComparedVisitOut
    later: ComparedVisitOut
    valid: bool
    why: str | None = Field(description="Why there is no valid comparison, such as blurred, magnification or other_place.")
    basis: str | None = Field(
        description="What sizes are compared by: mm (both scales are known), magnification or registration (relative only)."
    )
    months: float | None = Field(description="Between the visits, of 30.44 days.")
    changes: dict[str, ChangeOut] | None = Field(description="By figure: area, major, minor, asymmetry, colour and others.")
    new_classes: Sequence[str] = Field(description="In the later answer and not in the earlier one.")
    lower_bound: bool = Field(description="The lesion leaves a picture: sizes are at least these.")
    notes: Sequence[str]
    registration: dict[str, Any] | None = Field(description="How the earlier picture lies on the later one, and how well.")
    version: str


class RuleOut(BaseModel):
    """A rule that fired."""

    model_config = ConfigDict(extra="allow")

    rule: str
    text: str
    value: float | None = None
    error: float | None = None
    threshold: float | None = None


class AlertOut(BaseModel):
    """Rules that fired for a visit."""

    case_id: UUID
    status: CaseState = Field(description=STATUS)
    headline: str
    rules: Sequence[RuleOut]
    rule_version: str
    raised_at: datetime
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


class SequenceOut(BaseModel):
    """What the sequence model said about the visits up to a case. It stands beside the finding of the picture, not for it."""

    case_id: UUID
    status: CaseState = Field(description=STATUS)
    image_ids: Sequence[UUID] = Field(description="The pictures that it read, in the order of the visits.")
    malignant_probability: float
    progressing_probability: float | None = Field(description="None where one visit was read.")
    model_digest: str
    created_at: datetime


class ChangesOut(BaseModel):
    """What has changed on a lesion, from the first visit to the last."""

    lesion_id: UUID
    statement: str = CHANGES
    comparisons: Sequence[ComparisonOut]
    alerts: Sequence[AlertOut]
    sequence: Sequence[SequenceOut]
    disclaimer: str = DISCLAIMER


class FollowUpLine(BaseModel):
    """One follow-up."""

    follow_up_on: date
    state: FollowUpState = Field(description=STATE)
    decided_at: datetime
    case_id: UUID = Field(description="The case whose decision asks for it.")
    case_reference: str | None
    lesion_id: UUID
    lesion_reference: str | None
    tracking_uid: str
    patient_id: UUID
    patient_reference: str
    fulfilled_by: UUID | None = Field(description="The case that was the next visit.")
    case_url: str
    lesion_url: str


class FollowUpPage(BaseModel):
    """A page of follow-ups, the longest awaited first."""

    follow_ups: Sequence[FollowUpLine]
    next_cursor: str | None = Field(description=NEXT)


class EventOut(BaseModel):
    """Something that happened. It carries ids and the portal's own references: ask for the rest with the key."""

    id: UUID
    kind: str = Field(description=f"One of {', '.join(PortalEventKind)}; more may come.")
    subject_kind: str = Field(description="case or lesion; webhook for a test.")
    subject_id: UUID
    created_at: datetime
    payload: dict[str, Any]


class EventPage(BaseModel):
    """Events, oldest first."""

    events: Sequence[EventOut]
    next_cursor: str = Field(description="Keep it: it goes on from here, now or in a month, and passes no event.")
    more: bool = Field(description="There are further events already.")
