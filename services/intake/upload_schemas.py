"""The JSON of direct uploads and batches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.intake.schemas import CaseIn, Strict, Whole
from services.records.states import BatchItemState, UploadState

STATE = (
    "pending: the file is to come. ready: it has come and is what was announced. reserved: a line of a batch names it. "
    "used: it belongs to a case."
)
ITEM = "waiting: it will be accepted or refused. accepted: it is a case. refused: it is none, and `reason` says why."
NAMED = "Ids of uploads that are ready, in the order of the pictures. An upload belongs to one case."

Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class UploadIn(Strict):
    """A file that will be put into the store."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        description="Shown to readers; without a patient's name.", examples=["mole.jpg"]
    )
    byte_size: Whole = Field(ge=1, le=2**40, description="Exact length of the file in bytes.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Of the file, in hexadecimal.")


class UploadOut(BaseModel):
    """An announced file. `put_url` is given while the state is `pending`."""

    id: UUID
    state: UploadState = Field(description=STATE)
    filename: str
    byte_size: int
    sha256: str
    expires_at: datetime = Field(description="Until then it waits for its case; afterwards it is deleted.")
    put_url: str | None = Field(description="PUT exactly the announced bytes there, without the API key; valid for 15 minutes.")
    put_headers: Mapping[str, str] = Field(description="Headers that must go with them.")
    complete_url: str = Field(description="POST there afterwards.")


class UploadedCaseIn(CaseIn):
    """A case whose pictures lie in the store already."""

    uploads: list[UUID] = Field(min_length=1, max_length=100, description=NAMED)


class BatchItemIn(UploadedCaseIn):
    """One case of a batch."""

    idempotency_key: Key | None = Field(
        default=None, description="As the header of a single submission: an equal case that was accepted under it is not made again."
    )


class ManifestIn(Strict):
    """A batch: each item is a case."""

    items: list[BatchItemIn] = Field(min_length=1, max_length=10_000)


class BatchCounts(BaseModel):
    """How many items stand how."""

    waiting: int
    accepted: int
    refused: int


class BatchOut(BaseModel):
    """A batch: a promise that each item will be accepted or refused."""

    id: UUID
    created_at: datetime
    item_count: int
    counts: BatchCounts
    finished_at: datetime | None = Field(description="When the last item ended; none while one waits.")
    status_url: str
    items_url: str


class BatchItemOut(BaseModel):
    """One item."""

    line: int = Field(description="Of the CSV file, whose head is line 1; in JSON the number of the item, from 1 on.")
    status: BatchItemState = Field(description=ITEM)
    uploads: Sequence[UUID]
    case_id: UUID | None
    case_url: str | None
    reason: str | None = Field(description="Machine-readable; why it was refused.")
    detail: str | None
    finished_at: datetime | None


class BatchItemPage(BaseModel):
    """A page of items in their order."""

    items: Sequence[BatchItemOut]
    next_cursor: str | None = Field(description="Send it back as `cursor` for the next page; none on the last page.")


class BatchItemQuery(Strict):
    """Which items to list."""

    status: BatchItemState | None = Field(default=None, description="Only items that stand so.")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)

    @model_validator(mode="before")
    @classmethod
    def without_empty(cls, given: Any) -> Any:
        """`?cursor=` means no cursor."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


def plain_case(named: UploadedCaseIn) -> CaseIn:
    """The case without its uploads: what a multipart request would have said."""
    return CaseIn.model_construct(**{name: getattr(named, name) for name in CaseIn.model_fields})
