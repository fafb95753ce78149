"""What a portal submits: a patient's case with its images."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import CaseState, Laterality, Modality, Outcome, Sex, Urgency
from services.records.tables.base import Base, Owned, word_column, words

OPEN = "state <> 'reviewed'"
# Large pictures that wait for their tiles: :mod:`services.records.tiling`.
UNTILED = "tiles_key IS NULL AND greatest(width, height) > 2048"
SLA_HOURS = "((EXTRACT(epoch FROM (due_at - received_at)) / (3600)::numeric))::integer"
# What is typed into a search box is the beginning of a reference, in any case of letters.
# It is a column: under row-level security an index on an expression would not be used, as lower() might leak.
SEARCH = "lower(reference)"
# The order and the filters of a worklist are answered from this index alone.
ORDER = ("tenant_id", "state", "sla_hours", "risk_level", "received_at", "id")
BESIDE = ["urgency", "lead_class", "lead_outcome", "body_site", "flags", "due_at"]
BEGINNING = {"search": "text_pattern_ops"}


class Patient(Owned, Base):
    """A person, known only by the portal's pseudonymous reference.

    ``consent_training``: whether their pictures may teach models; None (not asked) means no.
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
    search: Mapped[str] = mapped_column(Computed(SEARCH, persisted=True))


class Lesion(Owned, Base):
    """One place on one patient, seen once or over years."""

    __tablename__ = "lesions"
    __table_args__ = (UniqueConstraint("patient_id", "reference"), Index("ix_lesions_body_site", "tenant_id", "body_site"))

    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    reference: Mapped[str | None]
    body_site: Mapped[str | None]
    laterality: Mapped[Laterality | None] = word_column(Laterality, "laterality")


class Case(Owned, Base):
    """One question to a dermatologist. Decided exactly when ``reviewed_at`` is set.

    ``risk`` and what follows repeat the answer about the leading image, so that a worklist reads one index and no finding;
    :mod:`services.records.answers` writes them with the answers. ``risk_level`` is the risk in twentieths. ``body_site`` repeats the
    lesion's as it was known when the case came.
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
        Index("ix_cases_lesion_id", "lesion_id"),
        Index("ix_cases_search", "tenant_id", "search", postgresql_ops=BEGINNING),
        Index("ix_cases_patient_id", "patient_id"),
    )

    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    lesion_id: Mapped[UUID | None] = mapped_column(ForeignKey("lesions.id"))
    reference: Mapped[str | None]
    urgency: Mapped[Urgency] = word_column(Urgency, "urgency")
    clinical_notes: Mapped[str] = mapped_column(server_default="")
    state: Mapped[CaseState] = word_column(CaseState, "state")
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reviewed_at: Mapped[datetime | None]
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
    search: Mapped[str | None] = mapped_column(Computed(SEARCH, persisted=True))


class Image(Owned, Base):
    """One stored picture. ``width`` and ``height`` are pixels of the upright picture."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("case_id", "position"),
        CheckConstraint("byte_size > 0 AND width > 0 AND height > 0", name="size"),
        CheckConstraint("pixel_spacing_mm > 0", name="pixel_spacing_mm"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        Index("ix_images_untiled", "created_at", postgresql_where=UNTILED),
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
    original_key: Mapped[str]
    view_key: Mapped[str]
    tiles_key: Mapped[str | None]


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
