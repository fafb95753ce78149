"""The JSON of patients' consents and of erasures with their receipts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.intake.schemas import Strict
from services.intake.trail_schemas import NEXT
from services.records.states import ErasureReason, ErasureState, Sex

SAID = "none: nobody said anything."


class ConsentIn(Strict):
    """What the patient agrees to from now on. What is left out stays as it is; null takes back what was said, as if nobody had."""

    consent_care: bool | None = Field(default=None, description="To be cared for here. What is not said means yes.")
    consent_audit: bool | None = Field(default=None, description="To be counted in exported statistics. What is not said means yes.")
    consent_training: bool | None = Field(default=None, description="That their pictures teach models. What is not said means no.")


class LegalHoldIn(Strict):
    """Whether everything of the patient is to be kept, whoever asks to erase it."""

    legal_hold: bool


class PatientRecordOut(BaseModel):
    """A patient, by the portal's pseudonym. The times say when a word last changed."""

    id: UUID
    reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    consent_care: bool | None = Field(description=SAID)
    consent_care_at: datetime | None
    consent_audit: bool | None = Field(description=SAID)
    consent_audit_at: datetime | None
    consent_training: bool | None = Field(description=SAID)
    consent_training_at: datetime | None
    legal_hold: bool
    legal_hold_at: datetime | None
    lesions_url: str


class ExportShareOut(BaseModel):
    """A data set for training that held erased pictures."""

    export_id: UUID
    name: str = Field(description="Of its folder.")
    images: int = Field(description="Erased pictures that it held.")
    pruned: int = Field(description="Of how many its folder has been rid since.")


class ReceiptOut(BaseModel):
    """What was erased. It names nobody: the ids in it lead to nothing any more."""

    id: UUID
    status: ErasureState = Field(
        description="pending: the records are gone, objects may be left. done: nothing is left, and nothing can come late."
    )
    reason: ErasureReason = Field(
        description="request: it was asked for. retention: the time that this portal's records are kept was over."
    )
    patient_id: UUID
    whole_patient: bool = Field(description="Nothing of the patient is left. False: one lesion's trail whose time was over.")
    cases: int
    records: Mapping[str, int] = Field(description="How many records went, by kind.")
    objects: int = Field(description="Objects deleted from the store so far: originals, views, masks, heat maps, tiles and others.")
    created_at: datetime = Field(description="When the records went, all in one moment.")
    objects_gone_at: datetime | None = Field(description="When nothing was found in the store any more.")
    done_at: datetime | None = Field(description="When still nothing was found, after the last moment at which work under way could end.")
    problem: str | None = Field(description="Why objects wait; they are tried again by themselves.")
    exports: Sequence[ExportShareOut] = Field(description="Data sets for training that held pictures of the patient.")
    receipt_url: str


class ReceiptPageOut(BaseModel):
    """A page of receipts, the newest first."""

    receipts: Sequence[ReceiptOut]
    next_cursor: str | None = Field(description=NEXT)
