"""What a portal submits: a patient's case with its images."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, SmallInteger, UniqueConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import (
    CaseState,
    IdentityState,
    Laterality,
    MapView,
    Modality,
    Outcome,
    Sex,
    SpacingSource,
    Urgency,
    VisitSource,
)
from services.records.tables.base import Base, Owned, word_column, words

OPEN = "state <> 'reviewed'"
# Large pictures that wait for their tiles: :mod:`services.records.tiling`.
UNTILED = "tiles_key IS NULL AND greatest(width, height) > 2048"
# Pictures that stay until a human has looked: :mod:`services.records.identity`.
IDENTIFYING = "identity_state IN ('suspected', 'held')"
SLA_HOURS = "((EXTRACT(epoch FROM (due_at - received_at)) / (3600)::numeric))::integer"
# What is typed into a search box is the beginning of a reference, in any case of letters.
# It is a column: under row-level security an index on an expression would not be used, as lower() might leak.
SEARCH = "lower(reference)"
# The order and the filters of a worklist are answered from this index alone.
ORDER = ("tenant_id", "state", "sla_hours", "risk_level", "received_at", "id")
BESIDE = ["urgency", "lead_class", "lead_outcome", "body_site", "flags", "due_at"]
BEGINNING = {"search": "text_pattern_ops"}
# The order of a lesion's trail.
TRAIL = ("lesion_id", "visited_at", "received_at", "id")
WAITS_FOR_TRAIL = "trail_due_at IS NOT NULL"
WAITS_FOR_RESULTS = "results_due_at IS NOT NULL"


def tracking_uid() -> str:
    """Mint a UID from a UUID (DICOM PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


class Patient(Owned, Base):
    """A person, known only by the portal's pseudonymous reference.

    ``consent_training``: whether their pictures may teach models; None (not asked) means no. ``consent_care``: whether they are cared
    for here, ``consent_audit``: whether their cases are counted in statistics that leave; for these None means yes. A trigger dates
    what changes. ``legal_hold``: nothing of theirs may be erased.
    """

    __tablename__ = "patients"
    __table_args__ = (
        UniqueConstraint("tenant_id", "reference"),
        CheckConstraint("birth_year BETWEEN 1850 AND 2200", name="birth_year"),
        CheckConstraint("fitzpatrick BETWEEN 1 AND 6", name="fitzpatrick"),
        Index("ix_patients_search", "tenant_id", "search", postgresql_ops=BEGINNING),
    )

    reference: Mapped[str]
    sex: Mapped[Sex | None] = word_column(Sex, "sex")
    birth_year: Mapped[int | None] = mapped_column(SmallInteger)
    fitzpatrick: Mapped[int | None] = mapped_column(SmallInteger)
    consent_training: Mapped[bool | None]
    consent_training_at: Mapped[datetime | None]
    consent_care: Mapped[bool | None]
    consent_care_at: Mapped[datetime | None]
    consent_audit: Mapped[bool | None]
    consent_audit_at: Mapped[datetime | None]
    legal_hold: Mapped[bool] = mapped_column(server_default=false())
    legal_hold_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(Computed(SEARCH, persisted=True))


class Lesion(Owned, Base):
    """One place on one patient, seen once or over years.

    ``tracking_uid``: DICOM's Tracking UID, minted once. ``merged_into``: it was found to be the same as another; it stays on file and
    its address leads there. ``map_x``, ``map_y``: 0..1 of the figure ``map_view`` of the body map, from its upper left corner.
    """

    __tablename__ = "lesions"
    __table_args__ = (
        UniqueConstraint("patient_id", "reference"),
        UniqueConstraint("tracking_uid"),
        CheckConstraint("merged_into <> id", name="merged_into"),
        CheckConstraint("num_nonnulls(map_view, map_x, map_y) IN (0, 3)", name="placed"),
        CheckConstraint("map_x BETWEEN 0 AND 1 AND map_y BETWEEN 0 AND 1", name="map_point"),
        Index("ix_lesions_body_site", "tenant_id", "body_site"),
        Index("ix_lesions_merged_into", "merged_into", postgresql_where="merged_into IS NOT NULL"),
    )

    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    reference: Mapped[str | None]
    body_site: Mapped[str | None]
    laterality: Mapped[Laterality | None] = word_column(Laterality, "laterality")
    tracking_uid: Mapped[str] = mapped_column(default=tracking_uid)
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("lesions.id"))
    map_view: Mapped[MapView | None] = word_column(MapView, "map_view")
    map_x: Mapped[float | None]
    map_y: Mapped[float | None]


class Case(Owned, Base):
    """One question to a dermatologist. Decided exactly when ``reviewed_at`` is set.

    ``risk`` and what follows repeat the answer about the leading image, so that a worklist reads one index and no finding;
    :mod:`services.records.answers` writes them with the answers. ``risk_level`` is the risk in twentieths. ``body_site`` repeats the
    lesion's as it was known when the case came.

    A case is a visit of its lesion, at ``visited_at``. ``trail_due_at``: from then on the lesion's trail waits for the worker that
    compares visits; ``trail_failed`` says in words why it gave up. ``alert``: the headline of the standing alert about this visit.
    ``results_due_at``, ``results_attempts`` and ``results_failed`` are the same for the DICOM results of the standing decision.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint("(state = 'reviewed') = (reviewed_at IS NOT NULL)", name="reviewed"),
        Index("ix_cases_list", "tenant_id", "received_at", "id"),
        CheckConstraint("lead_outcome IN ('prediction', 'set', 'abstain')", name="lead_outcome"),
        CheckConstraint("risk BETWEEN 0 AND 1", name="risk"),
        CheckConstraint("risk_level BETWEEN 0 AND 20", name="risk_level"),
        Index("ix_cases_open", *ORDER, postgresql_where=OPEN, postgresql_include=BESIDE),
        Index("ix_cases_due", "tenant_id", "state", "due_at", postgresql_where=OPEN),
        Index("ix_cases_reviewed", "tenant_id", "reviewed_at", postgresql_where="state = 'reviewed'"),
        CheckConstraint("trail_attempts >= 0", name="trail_attempts"),
        Index("ix_cases_trail", *TRAIL),
        Index("ix_cases_trail_due", "trail_due_at", postgresql_where=WAITS_FOR_TRAIL),
        CheckConstraint("results_attempts >= 0", name="results_attempts"),
        Index("ix_cases_results_due", "results_due_at", postgresql_where=WAITS_FOR_RESULTS),
        Index("ix_cases_search", "tenant_id", "search", postgresql_ops=BEGINNING),
        Index("ix_cases_patient_id", "patient_id"),
    )

    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    lesion_id: Mapped[UUID] = mapped_column(ForeignKey("lesions.id"))
    reference: Mapped[str | None]
    urgency: Mapped[Urgency] = word_column(Urgency, "urgency")
    clinical_notes: Mapped[str] = mapped_column(server_default="")
    state: Mapped[CaseState] = word_column(CaseState, "state")
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reviewed_at: Mapped[datetime | None]
    visited_at: Mapped[datetime] = mapped_column(server_default=func.now())
    visit_source: Mapped[VisitSource] = word_column(VisitSource, "visit_source", server_default=VisitSource.RECEIPT)
    sla_hours: Mapped[int] = mapped_column(Computed(SLA_HOURS, persisted=True))
    risk: Mapped[float | None]
    risk_level: Mapped[int] = mapped_column(SmallInteger, server_default="10")
    lead_image_id: Mapped[UUID | None]
    lead_outcome: Mapped[Outcome | None] = mapped_column(words(Outcome, "lead_outcome", constrained=False))
    lead_classes: Mapped[list[str]] = mapped_column(server_default="{}")
    lead_class: Mapped[str | None]
    lead_probability: Mapped[float | None]
    lead_thumbnail_key: Mapped[str | None]
    flags: Mapped[list[str]] = mapped_column(server_default="{}")
    not_analysed: Mapped[str | None]
    body_site: Mapped[str | None]
    alert: Mapped[str | None]
    trail_due_at: Mapped[datetime | None]
    trail_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    trail_failed: Mapped[str | None]
    results_due_at: Mapped[datetime | None]
    results_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    results_failed: Mapped[str | None]
    search: Mapped[str | None] = mapped_column(Computed(SEARCH, persisted=True))


class Image(Owned, Base):
    """One stored picture. ``width`` and ``height`` are pixels of the upright picture; ``magnification`` is the dermoscope's."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("case_id", "position"),
        CheckConstraint("byte_size > 0 AND width > 0 AND height > 0", name="size"),
        CheckConstraint("pixel_spacing_mm > 0", name="pixel_spacing_mm"),
        CheckConstraint("magnification > 0", name="magnification"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        Index("ix_images_untiled", "created_at", postgresql_where=UNTILED),
        Index("ix_images_identity", "tenant_id", "created_at", postgresql_where=IDENTIFYING),
    )

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    filename: Mapped[str]
    media_type: Mapped[str]
    byte_size: Mapped[int]
    sha256: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    modality: Mapped[Modality] = word_column(Modality, "modality")
    pixel_spacing_mm: Mapped[float | None]
    spacing_source: Mapped[SpacingSource | None] = word_column(SpacingSource, "spacing_source")
    magnification: Mapped[float | None]
    original_key: Mapped[str]
    view_key: Mapped[str]
    tiles_key: Mapped[str | None]
    identity_state: Mapped[IdentityState] = word_column(IdentityState, "identity_state", server_default=IdentityState.UNCHECKED)


class IdempotencyKey(Owned, Base):
    """The portal's promise that two requests are one, with the first answer.

    The case is inserted after this row (whoever inserts the key first owns the request), hence the
    deferred foreign key.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    key: Mapped[str]
    request_sha256: Mapped[str]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", deferrable=True, initially="DEFERRED"))
