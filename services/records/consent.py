"""What a patient agrees to: care here, counting in statistics that leave (audit), teaching of models (training); and legal holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import CareWithdrawn, PatientNotFound
from services.records.states import AuditAction, Sex
from services.records.tables import Case, Lesion, Patient

CONSENTS = ("consent_care", "consent_audit", "consent_training")


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """A patient as their portal sees them. Of each consent None means that nobody said anything; ``*_at``: when it last changed."""

    id: UUID
    reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    consent_care: bool | None
    consent_care_at: datetime | None
    consent_audit: bool | None
    consent_audit_at: datetime | None
    consent_training: bool | None
    consent_training_at: datetime | None
    legal_hold: bool
    legal_hold_at: datetime | None


COLUMNS = tuple(getattr(Patient, name) for name in PatientRecord.__dataclass_fields__)


def read_patient_record(*, session: Session, tenant_id: UUID, patient_id: UUID, actor: Actor) -> PatientRecord:
    """Return a patient of the tenant; the reading is audited. Raises PatientNotFound."""
    record = _record(session, tenant_id, patient_id)
    subject = Subject("patient", patient_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.PATIENT_READ, subject=subject)
    return record


def set_consent(*, session: Session, tenant_id: UUID, patient_id: UUID, said: Mapping[str, bool | None], actor: Actor) -> PatientRecord:
    """Keep what the patient agrees to from now on; what is not ``said`` stays. ``said``: by the names in `CONSENTS`.

    Raises:
        PatientNotFound: the tenant has no such patient.
    """
    before = _record(session, tenant_id, patient_id)
    changed = {name: word for name, word in said.items() if getattr(before, name) is not word}
    if not changed:
        return before
    _change(session, tenant_id, patient_id, changed)
    subject = Subject("patient", patient_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.CONSENT_CHANGED, subject=subject, details=changed)
    return _record(session, tenant_id, patient_id)


def set_legal_hold(*, session: Session, tenant_id: UUID, patient_id: UUID, held: bool, actor: Actor) -> PatientRecord:
    """Keep everything of a patient from now on, whoever asks to erase it; or no longer. Raises PatientNotFound."""
    if _record(session, tenant_id, patient_id).legal_hold is not held:
        _change(session, tenant_id, patient_id, {"legal_hold": held})
        action, subject, details = AuditAction.HOLD_CHANGED, Subject("patient", patient_id), {"legal_hold": held}
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
    return _record(session, tenant_id, patient_id)


def cared_for() -> ColumnElement[bool]:
    """Condition on a case: its patient has not withdrawn their consent to care."""
    return ~exists().where(Patient.id == Case.patient_id, Patient.consent_care.is_(False)).correlate(Case)


def require_care(
    *, session: Session, tenant_id: UUID, case_id: UUID | None = None, lesion_id: UUID | None = None, patient_id: UUID | None = None
) -> None:
    """Refuse what needs a patient's consent to care: theirs, or of a case or a lesion. One that is not there is for others to find.

    Raises:
        CareWithdrawn: they have withdrawn it.
    """
    refused = select(Patient.id).where(Patient.tenant_id == tenant_id, Patient.consent_care.is_(False))
    if case_id is not None:
        refused = refused.join(Case, Case.patient_id == Patient.id).where(Case.id == case_id, Case.tenant_id == tenant_id)
    if lesion_id is not None:
        refused = refused.join(Lesion, Lesion.patient_id == Patient.id).where(Lesion.id == lesion_id, Lesion.tenant_id == tenant_id)
    if patient_id is not None:
        refused = refused.where(Patient.id == patient_id)
    if session.scalar(refused.limit(1)) is not None:
        raise CareWithdrawn


def _record(session: Session, tenant_id: UUID, patient_id: UUID) -> PatientRecord:
    row = session.execute(select(*COLUMNS).where(Patient.id == patient_id, Patient.tenant_id == tenant_id)).one_or_none()
    if row is None:
        raise PatientNotFound(patient_id)
    return PatientRecord(*row)


def _change(session: Session, tenant_id: UUID, patient_id: UUID, values: Mapping[str, bool | None]) -> None:
    change = update(Patient).where(Patient.id == patient_id, Patient.tenant_id == tenant_id).values(dict(values))
    session.execute(change.execution_options(synchronize_session=False))
