"""The JSON that portals send and get. One thing has one name from the database to here."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from services.intake.dicom_results import DicomOut
from services.records.states import CaseState, Decision, JobState, Laterality, Management, Modality, Outcome, Sex, Urgency, VisitSource

STATUS = (
    "queued: being analysed. awaiting_review: a dermatologist reads it next. awaiting_second_read: another one does. "
    "awaiting_adjudication: a lead settles two reads that differ. reviewed: decided."
)
DISCLAIMER = "Decision support only. The automatic finding is no diagnosis: no case is answered without the decision of a dermatologist."


# Python's first and last years leave Postgres's calendar, or Python's own, once an offset is applied.
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _no_bool(value: object) -> object:
    # JSON true is no number; pydantic would take it as 1.
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


# Postgres cannot store NUL, and no other control character belongs into a reference.
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Notes = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Length = Annotated[float, BeforeValidator(_no_bool)]


def _in_utc(moment: datetime) -> datetime:
    # Python knows offsets of up to a day, Postgres none beyond 16 hours.
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie within the calendar") from error


def _not_to_come(moment: datetime) -> datetime:
    # A day of grace: clocks of cameras and portals are set by hand.
    if moment > datetime.now(UTC) + timedelta(days=1):
        raise ValueError("must not lie in the future")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Strict(BaseModel):
    """A misspelt field is an error and not silence."""

    model_config = ConfigDict(extra="forbid")


class PatientIn(Strict):
    """Who: the portal's own pseudonym, never a name."""

    reference: Line = Field(description="The portal's pseudonymous reference of the patient.", examples=["P-1042"])
    sex: Sex | None = None
    birth_year: Whole | None = Field(default=None, ge=1900, le=2100)
    fitzpatrick: Whole | None = Field(default=None, ge=1, le=6, description="Fitzpatrick skin type, 1 to 6.")
    consent_training: bool | None = Field(
        default=None,
        description="The patient agrees that their pictures teach models; what is not said means no. The newest word counts, also a no.",
    )
    consent_care: bool | None = Field(
        default=None,
        description="The patient agrees to be cared for here; what is not said means yes. After a no, cases are refused and results "
        "are not handed out (403, care_consent_withdrawn) until a yes.",
    )
    consent_audit: bool | None = Field(
        default=None, description="The patient agrees that their cases are counted in exported statistics; what is not said means yes."
    )


class LesionIn(Strict):
    """Where. A reference lets the same lesion be followed over time."""

    reference: Line | None = None
    body_site: Line | None = Field(default=None, examples=["back"])
    laterality: Laterality | None = None


class ImageIn(Strict):
    """What the portal knows about one file. What a DICOM file says itself wins."""

    modality: Modality = Modality.UNKNOWN
    pixel_spacing_mm: Length | None = Field(default=None, gt=0, le=10, description="Side of one pixel on the skin, in mm.")
    magnification: Length | None = Field(
        default=None, gt=0, le=1000, description="The dermoscope's, such as 10. Two pictures of one device can then be compared in size."
    )


class CaseIn(Strict):
    """A case as the portal submits it."""

    patient: PatientIn
    lesion: LesionIn = LesionIn()
    reference: Line | None = Field(default=None, description="The portal's own reference of the case.")
    urgency: Urgency = Urgency.ROUTINE
    clinical_notes: Notes = ""
    visited_at: Annotated[Moment, AfterValidator(_not_to_come)] | None = Field(
        default=None,
        ge=EARLIEST,
        description="When the pictures were taken (RFC 3339 with an offset). Without it a DICOM file's own date counts, else the time "
        "of receipt. A lesion's trail is in this order.",
    )
    images: list[ImageIn] = Field(
        default_factory=list, max_length=100, description="Optional: one entry for each file, in the order of the files."
    )


class AddedIn(Strict):
    """What is said about images that are added to a case."""

    images: list[ImageIn] = Field(
        default_factory=list, max_length=100, description="Optional: one entry for each file, in the order of the files."
    )


class ListQuery(Strict):
    """Which cases to list."""

    status: CaseState | None = Field(default=None, description="Only cases in this state.")
    since: Moment | None = Field(
        default=None, ge=EARLIEST, le=LATEST, description="Received at or after this time (RFC 3339 with an offset)."
    )
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=200)

    @model_validator(mode="before")
    @classmethod
    def without_empty(cls, given: Any) -> Any:
        """`?cursor=` means no cursor."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


class AcceptedImage(BaseModel):
    """One stored file."""

    id: UUID
    filename: str


class Accepted(BaseModel):
    """A promise: the case is stored durably and will be answered."""

    id: UUID
    status: CaseState = Field(description=STATUS)
    received_at: datetime
    due_at: datetime
    images: Sequence[AcceptedImage]
    status_url: str


class MeasuresSource(StrEnum):
    """Who drew the outline that was measured."""

    MODEL = "model"
    READER = "reader"


class OutlineOut(BaseModel):
    """The outline that a reader has drawn; it wins over the model's."""

    author: str
    drawn_at: datetime
    measures: dict[str, Any] | None
    mask_url: str


class AnalysisOut(BaseModel):
    """The latest automatic finding about an image."""

    pipeline_version: str
    created_at: datetime
    outcome: Outcome
    prediction: str | None = Field(description="Code of the one class that the models name; none where they name a set or abstain.")
    classes: Sequence[str] = Field(description="Codes of the answer, most likely first: one for a prediction, several for a set.")
    coverage: float | None = Field(description="How often such an answer holds the true class, by design (conformal prediction).")
    reason: str | None = Field(description="Why the models abstain: out_of_distribution, no_lesion_found or poor_quality.")
    next_step: str | None = Field(description="What an abstention asks for: retake, dermatologist or not_skin (check the picture).")
    suspicious: bool | None = Field(description="The malignant probability reaches the operating point; none where the models abstain.")
    malignant_probability: float
    probabilities: dict[str, float] = Field(description="By code, over the classes listed in `taxonomy`.")
    taxonomy: Sequence[dict[str, Any]] = Field(description="Code, name and malignancy of every class that the models know.")
    ood: dict[str, Any] | None = Field(description="Whether the picture is unlike what the models know.")
    quality: dict[str, Any] | None
    measures: dict[str, Any] | None = Field(
        description="Of the outline that counts; millimetres where the scale is known. None for a moment after a reader has drawn one."
    )
    measures_source: MeasuresSource = Field(description="Whose outline was measured: the model's, or a reader's, which wins.")
    finding: dict[str, Any] = Field(description="Everything that the pipeline said, with the measures of its own outline.")
    mask_url: str | None = Field(description="The outline that counts: a reader's where one has drawn it, else the model's.")
    thumbnail_url: str | None
    heatmap_url: str | None


class ImageOut(BaseModel):
    """One image and what became of it."""

    id: UUID
    position: int
    filename: str
    media_type: str
    byte_size: int
    sha256: str = Field(description="Of the file as it was sent, in hexadecimal.")
    width: int = Field(description="Upright, in pixels.")
    height: int
    modality: Modality
    pixel_spacing_mm: float | None
    state: JobState
    attempts: int
    reason: str | None = Field(description="Why the image was not analysed.")
    analysis: AnalysisOut | None
    outline: OutlineOut | None = Field(description="Present where a reader has corrected the outline, or drawn one where there was none.")


class DecisionOut(BaseModel):
    """What was decided: the one decision that stands, after every read that the portal asks for."""

    decision: Decision
    diagnosis: str | None
    reason: str | None = Field(description="Why the case is not assessable.")
    management: Management | None = Field(
        description="What should happen next: discharge, follow_up, face_to_face, urgent_referral, or retake (send a new picture)."
    )
    follow_up_months: int | None = Field(description="When to come back, with `follow_up`.")
    follow_up_on: date | None = Field(description="The day of it, in UTC.")
    note: str
    reviewer: str
    decided_at: datetime
    amended: bool = Field(description="This decision replaces an earlier one.")
    amendment_reason: str | None


class CaseOut(BaseModel):
    """A case with its images, findings and decision."""

    id: UUID
    status: CaseState = Field(description=STATUS)
    reference: str | None
    patient: PatientIn
    patient_id: UUID
    lesion: LesionIn
    lesion_id: UUID = Field(description="Of the lesion that the case belongs to now: it changes when a reader links or merges lesions.")
    tracking_uid: str = Field(description="DICOM Tracking Unique Identifier of that lesion.")
    lesion_url: str
    urgency: Urgency
    clinical_notes: str
    visited_at: datetime = Field(description="When the pictures were taken.")
    visit_source: VisitSource = Field(description="Who said so: portal, dicom, or receipt (nobody: the time of arrival).")
    received_at: datetime
    due_at: datetime
    reviewed_at: datetime | None
    images: Sequence[ImageOut]
    decision: DecisionOut | None = Field(description="Present once the case is `reviewed`: reads before that are not final and not shown.")
    dicom: DicomOut | None = Field(
        description="Present once the case is `reviewed`: its DICOM instances, and whether results are among them."
    )
    disclaimer: str = DISCLAIMER


class CaseLine(BaseModel):
    """One case in a list."""

    id: UUID
    status: CaseState = Field(description=STATUS)
    reference: str | None
    patient_reference: str
    urgency: Urgency
    received_at: datetime
    due_at: datetime
    reviewed_at: datetime | None
    image_count: int
    status_url: str


class CasePage(BaseModel):
    """A page of cases, oldest first."""

    cases: Sequence[CaseLine]
    next_cursor: str | None = Field(description="Send it back as `cursor` for the next page; none on the last page.")


class Readiness(BaseModel):
    """What this process needs (database, store) and what it can do without (broker)."""

    ready: bool
    database: bool
    store: bool
    broker: bool

    @classmethod
    def of(cls, *, database: bool, store: bool, broker: bool) -> Self:
        """Ready without the broker: it carries doorbells only."""
        return cls(ready=database and store, database=database, store=store, broker=broker)


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"
