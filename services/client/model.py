"""What is sent and what comes back, as frozen values. ``raw`` is the JSON that an answer came as, with all that is not named here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Patient:
    """Who: the portal's own pseudonym, never a name. ``fitzpatrick``: skin type 1 to 6."""

    reference: str
    sex: str | None = None
    birth_year: int | None = None
    fitzpatrick: int | None = None
    consent_training: bool | None = None
    consent_care: bool | None = None
    consent_audit: bool | None = None


@dataclass(frozen=True, slots=True)
class Lesion:
    """Where. With a reference the same lesion is followed over time. ``laterality``: left or right."""

    reference: str | None = None
    body_site: str | None = None
    laterality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One file. ``modality``: dermoscopic or clinical; ``pixel_spacing_mm``: side of a pixel on the skin."""

    path: Path
    filename: str | None = None
    modality: str | None = None
    pixel_spacing_mm: float | None = None
    magnification: float | None = None

    @property
    def name(self) -> str:
        """As readers will see it."""
        return self.filename or self.path.name

    def said(self) -> dict[str, Any]:
        """What the case says of it, as JSON."""
        return present({name: getattr(self, name) for name in ("modality", "pixel_spacing_mm", "magnification")})


@dataclass(frozen=True, slots=True)
class NewCase:
    """A question to a dermatologist. ``urgency``: urgent, soon or routine; ``visited_at``: when the pictures were taken, with an offset."""

    patient: Patient
    lesion: Lesion = Lesion()
    reference: str | None = None
    urgency: str | None = None
    clinical_notes: str | None = None
    visited_at: datetime | None = None

    def as_json(self, pictures: Sequence[Picture] = ()) -> dict[str, Any]:
        """The case as the API takes it, without what is not said."""
        said: dict[str, Any] = {"patient": present(_fields(self.patient)), "lesion": present(_fields(self.lesion))}
        said |= {"reference": self.reference, "urgency": self.urgency, "clinical_notes": self.clinical_notes}
        said["visited_at"] = self.visited_at.isoformat() if self.visited_at else None
        images = [picture.said() for picture in pictures]
        said["images"] = images if any(images) else None
        return {name: value for name, value in said.items() if value not in (None, {})}


@dataclass(frozen=True, slots=True)
class PortalInfo:
    """The portal that a key belongs to. ``sandbox``: a script answers and decides, and no person reads."""

    name: str
    slug: str
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """A promise: the case is stored durably and will be answered. ``replayed``: it had been accepted before."""

    case_id: UUID
    received_at: datetime
    due_at: datetime
    status_url: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in the store. ``state``: pending, ready, reserved or used."""

    id: UUID
    state: str
    expires_at: datetime
    put_url: str | None
    put_headers: Mapping[str, str]
    complete_url: str


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One case to be sent in a batch: its uploads are ready."""

    case: Mapping[str, Any]
    uploads: Sequence[UUID]
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch and how its items stand."""

    id: UUID
    item_count: int
    waiting: int
    accepted: int
    refused: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One item. ``status``: waiting, accepted (then ``case_id``) or refused (then ``reason`` and ``detail``)."""

    line: int
    status: str
    case_id: UUID | None
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case in a list."""

    id: UUID
    status: str
    reference: str | None
    patient_reference: str
    received_at: datetime
    reviewed_at: datetime | None
    image_count: int


@dataclass(frozen=True, slots=True)
class CaseImage:
    """One image of a case. ``analysis``: the automatic finding, which is no diagnosis."""

    id: UUID
    filename: str
    state: str
    reason: str | None
    analysis: Mapping[str, Any] | None
    mask_url: str | None
    thumbnail_url: str | None
    heatmap_url: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the dermatologist decided."""

    decision: str
    diagnosis: str | None
    reason: str | None
    management: str | None
    follow_up_on: date | None
    note: str
    reviewer: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands; decided exactly when ``decision`` is there."""

    id: UUID
    status: str
    reference: str | None
    patient_reference: str
    received_at: datetime
    due_at: datetime
    reviewed_at: datetime | None
    images: tuple[CaseImage, ...]
    decision: Decision | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read the API's JSON."""
        decision = raw["decision"]
        return cls(
            id=UUID(raw["id"]),
            status=raw["status"],
            reference=raw["reference"],
            patient_reference=raw["patient"]["reference"],
            received_at=moment(raw["received_at"]),
            due_at=moment(raw["due_at"]),
            reviewed_at=maybe_moment(raw["reviewed_at"]),
            images=tuple(_image(image) for image in raw["images"]),
            decision=_decision(decision) if decision else None,
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``kind`` such as followup.due; ask for the rest with the ids."""

    id: UUID
    kind: str
    subject_kind: str
    subject_id: UUID
    created_at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, oldest first. Keep ``cursor``: it goes on from here, now or in a month."""

    events: tuple[Event, ...]
    cursor: str
    more: bool


def accepted(raw: Mapping[str, Any], *, replayed: bool) -> Accepted:
    """Read the answer to a submission."""
    return Accepted(UUID(raw["id"]), moment(raw["received_at"]), moment(raw["due_at"]), raw["status_url"], replayed)


def upload(raw: Mapping[str, Any]) -> Upload:
    """Read an announced file."""
    return Upload(UUID(raw["id"]), raw["state"], moment(raw["expires_at"]), raw["put_url"], raw["put_headers"], raw["complete_url"])


def batch(raw: Mapping[str, Any]) -> Batch:
    """Read a batch."""
    counts = raw["counts"]
    finished = maybe_moment(raw["finished_at"])
    return Batch(UUID(raw["id"]), raw["item_count"], counts["waiting"], counts["accepted"], counts["refused"], finished)


def batch_item(raw: Mapping[str, Any]) -> BatchItem:
    """Read one item of a batch."""
    case_id = UUID(raw["case_id"]) if raw["case_id"] else None
    return BatchItem(raw["line"], raw["status"], case_id, raw["reason"], raw["detail"])


def case_line(raw: Mapping[str, Any]) -> CaseLine:
    """Read one line of the list of cases."""
    return CaseLine(
        id=UUID(raw["id"]),
        status=raw["status"],
        reference=raw["reference"],
        patient_reference=raw["patient_reference"],
        received_at=moment(raw["received_at"]),
        reviewed_at=maybe_moment(raw["reviewed_at"]),
        image_count=raw["image_count"],
    )


def event_page(raw: Mapping[str, Any]) -> EventPage:
    """Read a page of events."""
    return EventPage(tuple(_event(event) for event in raw["events"]), raw["next_cursor"], raw["more"])


def moment(text: str) -> datetime:
    """Read a time (RFC 3339)."""
    return datetime.fromisoformat(text)


def maybe_moment(text: str | None) -> datetime | None:
    """Read a time that may be none."""
    return datetime.fromisoformat(text) if text else None


def present(said: Mapping[str, Any]) -> dict[str, Any]:
    """Only what is said."""
    return {name: value for name, value in said.items() if value is not None}


def _fields(value: Patient | Lesion) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _event(raw: Mapping[str, Any]) -> Event:
    created = moment(raw["created_at"])
    return Event(UUID(raw["id"]), raw["kind"], raw["subject_kind"], UUID(raw["subject_id"]), created, raw["payload"])


def _image(raw: Mapping[str, Any]) -> CaseImage:
    analysis = raw["analysis"] or {}
    urls = (analysis.get("mask_url"), analysis.get("thumbnail_url"), analysis.get("heatmap_url"))
    return CaseImage(UUID(raw["id"]), raw["filename"], raw["state"], raw["reason"], raw["analysis"], *urls)


def _decision(raw: Mapping[str, Any]) -> Decision:
    return Decision(
        decision=raw["decision"],
        diagnosis=raw["diagnosis"],
        reason=raw["reason"],
        management=raw["management"],
        follow_up_on=date.fromisoformat(raw["follow_up_on"]) if raw["follow_up_on"] else None,
        note=raw["note"],
        reviewer=raw["reviewer"],
        decided_at=moment(raw["decided_at"]),
    )
