"""A patient's page: body map, list of lesions, what stands out; who sees what, and who may place a lesion."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from services.records.opinions import give_opinion
from services.records.states import Laterality, Role
from tests.review.conftest import Browser, token, words_of
from tests.review.patients import many_lesions
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen

NOWHERE = UUID("00000000-0000-4000-8000-000000000000")


def patient_of(superuser_engine: Engine, case_id: UUID) -> tuple[UUID, UUID]:
    """The case's patient and lesion."""
    with superuser_engine.connect() as connection:
        row = connection.execute(text("SELECT patient_id, lesion_id FROM cases WHERE id = :id"), {"id": case_id}).one()
    return row.patient_id, row.lesion_id


def events(superuser_engine: Engine, action: str) -> list[Any]:
    with superuser_engine.connect() as connection:
        found = "SELECT subject_id, details FROM audit_events WHERE action = :action ORDER BY sequence"
        return list(connection.execute(text(found), {"action": action}))


def place(reader: Browser, patient: UUID, lesion: UUID, **fields: Any) -> Any:
    csrf = token(reader.get(f"/patients/{patient}").text) or token(reader.get("/account").text)
    form = {"csrf_token": csrf, "view": "front", "x": "0.4", "y": "0.3", **fields}
    return reader.client.post(f"/patients/{patient}/lesions/{lesion}/place", data=form)


def test_it_lists_each_lesion_once_with_its_last_visit(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-1", body_site="back", laterality=Laterality.LEFT)
    last = clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-1", body_site="back", laterality=Laterality.LEFT)
    clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-2", body_site="sole", laterality=Laterality.RIGHT)
    page = reader.get(f"/patients/{patient_of(superuser_engine, last)[0]}")
    words = words_of(page)
    assert page.text.count("data-spot=") == 2
    assert "back, left" in words
    assert "2 visits" in words
    assert f"/pictures/{last}/" in page.text
    assert "Back: 1 lesion" in page.text
    assert "Right foot: 1 lesion" in page.text


def test_a_lesion_without_a_known_site_is_listed_beside_the_map(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case = clinic.case(tenant, Seen(MELANOMA), body_site=None)
    page = reader.get(f"/patients/{patient_of(superuser_engine, case)[0]}")
    assert "data-spot=" not in page.text
    assert "site not given" in words_of(page)
    assert "1 not on the map" in words_of(page)


def test_a_lesion_with_one_picture_that_nobody_could_analyse_is_shown(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case = clinic.case(tenant, Failed("The file is damaged."), lesion_reference="L-1")
    words = words_of(reader.get(f"/patients/{patient_of(superuser_engine, case)[0]}"))
    assert "L-1" in words
    assert "not measured" in words
    assert "one visit" in words


def test_a_merged_lesion_is_not_listed_twice(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    kept = clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-1")
    gone = clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-2")
    (patient, survivor), (_, merged) = patient_of(superuser_engine, kept), patient_of(superuser_engine, gone)
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE cases SET lesion_id = :into WHERE id = :case"), {"into": survivor, "case": gone})
        connection.execute(text("UPDATE lesions SET merged_into = :into WHERE id = :id"), {"into": survivor, "id": merged})
    page = reader.get(f"/patients/{patient}")
    assert page.text.count("data-spot=") == 1
    assert "2 visits" in words_of(page)
    assert place(reader, patient, merged).status_code == 422


def test_a_patient_of_another_portal_is_not_found(clinic: Clinic, reader: Browser, superuser_engine: Engine) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    patient, lesion = patient_of(superuser_engine, clinic.case(other, Seen(MELANOMA)))
    assert reader.get(f"/patients/{patient}").status_code == 404
    assert place(reader, patient, lesion).status_code == 404
    assert reader.get(f"/patients/{NOWHERE}").status_code == 404


def test_reading_is_an_audit_event(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    patient, _ = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    reader.get(f"/patients/{patient}")
    assert [row.subject_id for row in events(superuser_engine, "patient.read")] == [patient]


def test_a_reader_places_a_lesion_and_who_did_so_is_kept(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    patient, lesion = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    answer = place(reader, patient, lesion, view="left_foot", x="0.25", y="0.5")
    assert answer.get_json() == {"view": "left_foot", "x": 0.25, "y": 0.5}
    place(reader, patient, lesion, view="back")
    page = reader.get(f"/patients/{patient}")
    assert "Back: 1 lesion" in page.text
    assert "place from its site" not in re.findall(r'data-spot="[^>]*aria-label="([^"]*)"', page.text)[0]
    assert [row.subject_id for row in events(superuser_engine, "lesion.placed")] == [lesion, lesion]
    with superuser_engine.connect() as connection:
        reasons = list(connection.scalars(text("SELECT reason FROM lesion_events WHERE kind = 'placed' ORDER BY created_at")))
    assert reasons == ["left_foot 0.25, 0.50", "back 0.40, 0.30, before: left_foot 0.25, 0.50"]


@pytest.mark.parametrize("fields", [{"x": "1.01"}, {"x": "nan"}, {"y": "-0.1"}, {"view": "tail"}, {"y": ""}, {"x": "inf"}])
def test_a_point_outside_the_figures_is_refused(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine, fields: dict[str, str]
) -> None:
    patient, lesion = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    answer = place(reader, patient, lesion, **fields)
    assert answer.status_code == 422
    assert answer.get_json()["message"]
    assert events(superuser_engine, "lesion.placed") == []


def test_a_lesion_of_another_patient_is_not_placed(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    patient, _ = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    _, other = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA), patient_reference="P-2"))
    assert place(reader, patient, other).status_code == 404


def test_an_administrator_sees_the_map_and_places_nothing(clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine) -> None:
    clinic.user(tenant, role=Role.ADMIN)
    browser.sign_in()
    patient, lesion = patient_of(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    page = browser.get(f"/patients/{patient}")
    assert page.status_code == 200
    assert '<button class="button button-plain to-map"' not in page.text
    assert place(browser, patient, lesion).status_code == 403


def test_before_the_first_opinion_nothing_that_the_model_said_is_shown(
    clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine
) -> None:
    user = clinic.user(tenant)
    browser.sign_in()
    seeded = many_lesions(superuser_engine, tenant=tenant, reader=user, lesions=10, visits=2)
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE tenants SET blind_first_read = true"))
        case = connection.scalar(text("SELECT id FROM cases WHERE lesion_id = :id AND alert IS NOT NULL"), {"id": seeded.lesion_ids[0]})
    row = line_of(browser.get(f"/patients/{seeded.patient_id}").text, seeded.lesion_ids[0])
    assert "opens after your first opinion" in row
    assert "grew" not in row
    assert " mm" not in row
    with clinic.owner.transaction(tenants=[tenant]) as session:
        give_opinion(session=session, tenant_ids=[tenant], case_id=case, user_id=user, diagnosis="NV", assessable=True, note="")
    row = line_of(browser.get(f"/patients/{seeded.patient_id}").text, seeded.lesion_ids[0])
    assert "grew 30 % ± 4 in 3 months" in row
    assert " mm" in row


def line_of(page: str, lesion: UUID) -> str:
    """The row and the point of a lesion."""
    row = re.search(rf'<tr id="lesion-{lesion}".*?</tr>', page, re.DOTALL)
    spot = re.search(rf'<a class="spot[^>]*data-spot="{lesion}".*?</a>', page, re.DOTALL)
    assert row
    return row[0] + (spot[0] if spot else "")


def test_the_story_of_the_lesions_is_told_in_words(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    user = clinic.user(tenant, email="second@clinic.example")
    seeded = many_lesions(superuser_engine, tenant=tenant, reader=user, lesions=12, visits=3)
    page = reader.get(f"/patients/{seeded.patient_id}")
    words = words_of(page)
    assert re.search(r"L-2, [a-z ,]+ stands out: [a-z, ]*darker[a-z, ]*, beside the other 11", words)
    assert "Different is not malignant" in words
    assert "different magnification" in words
    rows = re.findall(r'<tr id="lesion-([^"]+)"', page.text)
    assert rows[:2] == [str(seeded.lesion_ids[0]), str(seeded.lesion_ids[1])]


def test_with_few_lesions_none_is_said_to_stand_out(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    words = words_of(reader.get(f"/patients/{patient_of(superuser_engine, case)[0]}"))
    assert "Too few to compare: 5 measured lesions are needed, and the patient has 1" in words


def test_the_number_of_statements_does_not_grow_with_lesions_and_visits(
    clinic: Clinic, tenant: UUID, app: Flask, reader: Browser, superuser_engine: Engine
) -> None:
    user = clinic.user(tenant, email="second@clinic.example")
    counts = []
    for lesions, visits in ((2, 1), (40, 4)):
        seeded = many_lesions(superuser_engine, tenant=tenant, reader=user, lesions=lesions, visits=visits, reference=str(uuid4()))
        statements: list[str] = []

        def count(_connection: object, _cursor: object, statement: str, *_rest: object, seen: list[str] = statements) -> None:
            seen.append(statement)

        engine = app.extensions["dermatrail"].database.engine
        event.listen(engine, "before_cursor_execute", count)
        assert reader.get(f"/patients/{seeded.patient_id}").status_code == 200
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10


def test_the_case_page_leads_to_the_patient(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    assert f'href="/patients/{patient_of(superuser_engine, case)[0]}"' in reader.get(f"/cases/{case}").text
