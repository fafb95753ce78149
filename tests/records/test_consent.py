"""What patients agree to, since when, and what follows from a no."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records.audit import Actor
from services.records.consent import PatientRecord, require_care, set_consent, set_legal_hold
from services.records.errors import CareWithdrawn, PatientNotFound
from tests.records.worlds import Portal


def patient_of(portal: Portal, **said: Any) -> UUID:
    return portal.status(portal.submit(**said).id).patient_id


def say(portal: Portal, patient_id: UUID, **said: bool | None) -> PatientRecord:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        return set_consent(session=session, tenant_id=portal.tenant_id, patient_id=patient_id, said=said, actor=portal.actor)


def test_a_word_has_the_date_of_its_last_change(portal: Portal, behind: Connection) -> None:
    patient_id = patient_of(portal, consent_training=True)
    first = say(portal, patient_id)
    assert (first.consent_training, first.consent_care, first.consent_care_at) == (True, None, None)
    assert isinstance(first.consent_training_at, datetime)
    behind.execute(text("UPDATE patients SET consent_training_at = consent_training_at - interval '1 day'"))
    before = say(portal, patient_id, consent_training=True)
    assert say(portal, patient_id, consent_audit=False).consent_training_at == before.consent_training_at
    assert say(portal, patient_id, consent_training=False).consent_training_at != before.consent_training_at
    forgotten = say(portal, patient_id, consent_training=None)
    assert (forgotten.consent_training, forgotten.consent_audit) == (None, False)


def test_a_case_says_it_too(portal: Portal) -> None:
    patient_id = patient_of(portal, consent_care=True, consent_audit=False)
    record = say(portal, patient_id)
    assert (record.consent_care, record.consent_audit, record.consent_training) == (True, False, None)
    assert record.consent_care_at is not None


def test_without_consent_to_care_nothing_new_is_taken(portal: Portal) -> None:
    case = portal.submit()
    patient_id = portal.status(case.id).patient_id
    say(portal, patient_id, consent_care=False)
    for attempt in (portal.submit, lambda: portal.add(case.id), lambda: portal.status(case.id)):
        with pytest.raises(CareWithdrawn):
            attempt()
    assert portal.submit(consent_care=True).id
    assert portal.status(case.id).id == case.id


def test_a_refused_first_case_leaves_no_patient(portal: Portal, behind: Connection) -> None:
    with pytest.raises(CareWithdrawn):
        portal.submit(consent_care=False)
    assert behind.scalar(text("SELECT count(*) FROM patients")) == 0


def test_care_is_asked_for_cases_and_lesions(portal: Portal) -> None:
    case = portal.submit()
    view = portal.status(case.id)
    asked: list[dict[str, UUID]] = [{"case_id": case.id}, {"lesion_id": view.lesion_id}]
    for what in asked:
        with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            require_care(session=session, tenant_id=portal.tenant_id, **what)
    say(portal, view.patient_id, consent_care=False)
    for what in asked:
        with pytest.raises(CareWithdrawn), portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            require_care(session=session, tenant_id=portal.tenant_id, **what)


def test_changes_are_audited_by_word_and_nothing_else(portal: Portal, behind: Connection) -> None:
    patient_id = patient_of(portal)
    say(portal, patient_id, consent_audit=False)
    say(portal, patient_id, consent_audit=False)
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        set_legal_hold(session=session, tenant_id=portal.tenant_id, patient_id=patient_id, held=True, actor=portal.actor)
    query = (
        "SELECT action, subject_id, details FROM audit_events WHERE action IN ('consent.changed', 'legal_hold.changed') ORDER BY sequence"
    )
    told = [tuple(row) for row in behind.execute(text(query))]
    assert told == [("consent.changed", patient_id, {"consent_audit": False}), ("legal_hold.changed", patient_id, {"legal_hold": True})]


def test_another_portals_patient_looks_like_none(portal: Portal, other: Portal) -> None:
    patient_id = patient_of(portal)
    with pytest.raises(PatientNotFound), other.logins.intake.transaction(tenants=[other.tenant_id]) as session:
        set_consent(session=session, tenant_id=other.tenant_id, patient_id=patient_id, said={}, actor=Actor.system("test"))
