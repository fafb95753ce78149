"""Erasure at the desk: the receipts, how long a portal's trails are kept, and a case that was open when it was erased."""

import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.records.audit import Actor
from services.records.erasure import Receipt, erase_patient
from services.records.states import Role
from tests.review.conftest import Browser, words_of
from tests.review.history import write_history
from tests.review.seeds import MELANOMA, Clinic, Seen

ADMIN = "admin@clinic.example"


@pytest.fixture
def admin(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    clinic.user(email=ADMIN, role=Role.ADMIN, name="Ada Min")
    assert browser.sign_in(ADMIN).status_code == 303
    return browser


def patient_of(engine: Engine, case_id: UUID) -> UUID:
    with engine.connect() as connection:
        found: UUID = connection.execute(text("SELECT patient_id FROM cases WHERE id = :id"), {"id": case_id}).scalar_one()
    return found


def erase(clinic: Clinic, tenant: UUID, engine: Engine, case_id: UUID) -> Receipt:
    patient_id = patient_of(engine, case_id)
    return erase_patient(database=clinic.intake, tenant_id=tenant, patient_id=patient_id, actor=Actor.system("test"))


def test_the_receipts_name_portals_and_numbers_and_nobody(clinic: Clinic, tenant: UUID, admin: Browser, superuser_engine: Engine) -> None:
    assert "Nothing was erased yet" in words_of(admin.get("/admin/erasures"))
    case_id = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-secret")
    receipt = erase(clinic, tenant, superuser_engine, case_id)
    page = admin.get("/admin/erasures")
    assert "a patient, 1 case" in words_of(page)
    assert "objects are being deleted" in words_of(page)
    assert str(receipt.id) in page.text
    assert not any(each in page.text for each in ("P-secret", str(case_id), str(receipt.patient_id)))


def test_a_cursor_that_is_none_shows_the_newest(admin: Browser) -> None:
    assert admin.get("/admin/erasures?before=nonsense").status_code == 200


@pytest.mark.parametrize(("typed", "kept"), [("3650", 3650), ("", None)])
def test_an_administrator_says_how_long_trails_are_kept(
    tenant: UUID, admin: Browser, superuser_engine: Engine, typed: str, kept: int | None
) -> None:
    page = f"/admin/portals/{tenant}"
    served = {"name": "Portal A", "urgent_hours": "4", "soon_hours": "48", "routine_hours": "200", "second_read_share": "0"}
    assert admin.post(page, page=page, **served, retention_days=typed).status_code == 303
    with superuser_engine.connect() as connection:
        assert connection.execute(text("SELECT retention_days FROM tenants WHERE id = :id"), {"id": tenant}).scalar() == kept
    assert ('value="3650"' in admin.get(page).text) is bool(kept)


@pytest.mark.parametrize("typed", ["0", "-1", "soon", "99999"])
def test_a_time_that_cannot_be_is_refused(tenant: UUID, admin: Browser, typed: str) -> None:
    page = f"/admin/portals/{tenant}"
    served = {"name": "Portal A", "urgent_hours": "4", "soon_hours": "48", "routine_hours": "200", "second_read_share": "0"}
    answer = admin.post(page, page=page, **served, retention_days=typed)
    assert answer.status_code == 422
    assert "Retention" in words_of(answer)


def test_who_has_the_case_open_is_told_that_it_was_erased(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine, app: Flask
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    assert reader.get(f"/cases/{case_id}").status_code == 200
    erase(clinic, tenant, superuser_engine, case_id)
    answer = reader.get(f"/cases/{case_id}")
    assert answer.status_code == 410
    assert "This case was erased" in words_of(answer)


def test_a_dermatologist_sees_that_care_was_withdrawn(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    assert "withdrawn" not in words_of(reader.get(f"/cases/{case_id}"))
    with superuser_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE patients SET consent_care = false")
    assert "has withdrawn their consent to care" in words_of(reader.get(f"/cases/{case_id}"))


LEAVING = (
    ("queue", "arrivals"),
    ("readers", "throughput"),
    ("readers", "readers-confusion"),
    ("model", "safety"),
    ("model", "abstentions"),
    ("drift", "drift"),
    ("subgroups", "sex"),
)


def test_who_refuses_to_be_counted_is_in_no_file_that_leaves(
    clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine
) -> None:
    lead = clinic.user(tenant, role=Role.LEAD)
    assert browser.sign_in().status_code == 303
    write_history(clinic.owner, tenants=[tenant], readers=[lead], cases=1000)
    before = {each: browser.get("/lead/{}/{}.csv".format(*each)).text for each in LEAVING}
    seen = words_of(browser.get("/lead/model"))
    with superuser_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE patients SET consent_audit = false")
    left = {each: browser.get("/lead/{}/{}.csv".format(*each)).text for each in LEAVING}
    assert [each for each in LEAVING if left[each] == before[each]] == []
    assert re.findall(r",[1-9]\d*", left["queue", "arrivals"].split("\n", 1)[1]) == []
    assert words_of(browser.get("/lead/model")) == seen
