"""Decisions: what is recorded, what is refused, and what comes next."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from services.records.audit import Actor
from services.records.cases import add_images
from tests.review.conftest import Browser, hidden, preset, seen, token, words_of
from tests.review.seeds import MELANOMA, PIPELINE, Clinic, Failed, Seen, abstention, finding


def decisions(engine: Engine) -> list[dict[str, Any]]:
    """Every decision on file, oldest first."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM reviews ORDER BY created_at")).mappings()]


def test_confirm_records_who_what_and_what_was_shown(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    answer = reader.decide(case_id, "confirm", note=" Excise. ", reading_seconds="37")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/cases/next")
    (review,) = decisions(superuser_engine)
    assert (review["case_id"], review["decision"], review["diagnosis"], review["note"]) == (case_id, "confirm", "MEL", "Excise.")
    assert (review["kind"], review["management"], review["reading_seconds"]) == ("first", "urgent_referral", 37)
    (shown,) = review["shown"]["images"]
    assert review["shown"]["leading_class"] == "MEL"
    assert (shown["pipeline_version"], shown["leading_probability"], shown["probabilities"]["NV"]) == (PIPELINE, 0.71, 0.19)
    assert shown["ood"]["entropy_threshold"] == 0.72
    assert UUID(shown["analysis_id"])


def test_the_next_case_opens_under_a_quiet_line_that_is_shown_once(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    first, second = clinic.case(tenant, Seen(MELANOMA)), clinic.case(tenant, Seen(MELANOMA), patient_reference="P-2000")
    reader.decide(first, "confirm")
    assert reader.get("/cases/next").headers["Location"] == f"/cases/{second}"
    assert "Confirmed MEL, urgent referral · P-1042 Undo ( 10 s)" in words_of(reader.get(f"/cases/{second}"))
    assert "Confirmed MEL" not in words_of(reader.get(f"/cases/{second}"))


def test_after_the_last_case_the_worklist_says_that_nothing_waits(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    reader.decide(clinic.case(tenant, Seen(MELANOMA)), "correct", diagnosis="NV")
    assert reader.get("/cases/next").headers["Location"] == "/"
    words = words_of(reader.get("/"))
    assert "Corrected to NV, urgent referral · P-1042" in words
    assert "No case is waiting" in words


@pytest.mark.parametrize("answer", [Seen(abstention("poor_quality", "retake")), Failed("the file is damaged")])
def test_where_the_model_gave_no_class_the_reader_chooses_one(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine, answer: Seen | Failed
) -> None:
    case_id = clinic.case(tenant, answer)
    assert reader.decide(case_id, "confirm").status_code == 422
    unplanned = reader.decide(case_id, "correct", diagnosis="BCC")
    assert (unplanned.status_code, "Choose the plan" in words_of(unplanned)) == (422, True)
    assert reader.decide(case_id, "correct", diagnosis="BCC", management="face_to_face").status_code == 303
    (review,) = decisions(superuser_engine)
    assert (review["decision"], review["diagnosis"], review["shown"]["leading_class"]) == ("correct", "BCC", None)


def test_not_assessable_records_its_reason(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    assert reader.decide(case_id, "not_assessable", reason="obscured").status_code == 303
    (review,) = decisions(superuser_engine)
    assert (review["decision"], review["diagnosis"], review["reason"]) == ("not_assessable", None, "obscured")
    assert review["management"] == "retake"
    assert "Not assessable, new picture asked for Dr Lind" in words_of(reader.get(f"/cases/{case_id}"))


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"decision": "correct"}, "Choose the diagnosis."),
        ({"decision": "correct", "diagnosis": "FLU"}, "Choose the diagnosis."),
        ({"decision": "correct", "diagnosis": "MEL"}, "This is the leading class already"),
        ({"decision": "correct", "diagnosis": "OTHER"}, "Name the other diagnosis in the note."),
        ({"decision": "not_assessable"}, "Choose why the pictures cannot be judged."),
        ({"decision": "not_assessable", "reason": "other"}, "Say the reason in the note."),
        ({"decision": "confirm", "note": "x" * 4001}, "The note is longer than 4000 characters"),
        ({"decision": "not_assessable", "reason": "obscured", "then": "discharge"}, "Choose what happens next"),
        ({"decision": "confirm", "management": "retake"}, "Choose the plan"),
        ({"decision": "confirm", "management": "follow_up", "months": "61"}, "Say after how many months"),
        ({"decision": "discard"}, "Choose Confirm, Correct or Not assessable."),
    ],
)
def test_an_incomplete_decision_comes_back_with_what_was_entered(
    clinic: Clinic, tenant: UUID, reader: Browser, fields: dict[str, str], advice: str
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    answer = reader.decide(case_id, **{"note": "", **fields})
    assert answer.status_code == 422
    assert advice in words_of(answer)
    assert 'name="decision"' in reader.get(f"/cases/{case_id}").text


def test_a_refused_form_keeps_the_note_and_opens_the_panel(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.decide(clinic.case(tenant, Seen(MELANOMA)), "not_assessable", note="gel bubbles").text
    assert ">gel bubbles</textarea>" in page
    assert '<details data-panel="n" open>' in page


def test_another_diagnosis_is_taken_with_a_note(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    reader.decide(clinic.case(tenant, Seen(MELANOMA)), "correct", diagnosis="OTHER", note="Psoriasis")
    assert [(review["diagnosis"], review["note"]) for review in decisions(superuser_engine)] == [("OTHER", "Psoriasis")]


def test_a_second_decision_is_refused_and_names_the_way_on(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    form = {**hidden(page), **preset(page)}
    reader.client.post(f"/cases/{case_id}/decision", data={**form, "decision": "confirm"})
    late = reader.client.post(f"/cases/{case_id}/decision", data={**form, "decision": "correct", "diagnosis": "NV"})
    assert late.status_code == 409
    assert "This case is already decided" in words_of(late)
    assert [review["decision"] for review in decisions(superuser_engine)] == ["confirm"]
    assert "Confirmed MEL, urgent referral Dr Lind" in words_of(reader.get(f"/cases/{case_id}"))


def test_a_decision_on_an_older_analysis_is_refused(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    with superuser_engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE newer ON COMMIT DROP AS SELECT * FROM analyses"))
        connection.execute(text("UPDATE newer SET id = gen_random_uuid(), pipeline_version = 'p2', created_at = now()"))
        connection.execute(text("INSERT INTO analyses SELECT * FROM newer"))
    form = {"csrf_token": token(page), "seen": seen(page), "decision": "confirm"}
    stale = reader.client.post(f"/cases/{case_id}/decision", data=form)
    assert stale.status_code == 409
    assert "The analysis changed while you were reading" in words_of(stale)
    assert f'href="/cases/{case_id}"' in stale.text
    assert decisions(superuser_engine) == []
    assert reader.decide(case_id, "confirm").status_code == 303


def test_a_picture_that_arrived_meanwhile_stops_the_decision(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    image = clinic.new_image(tenant, case_id, Seen(finding({"NV": 1.0})))
    with clinic.intake.transaction(tenants=[tenant]) as session:
        add_images(session=session, tenant_id=tenant, case_id=case_id, images=[image], actor=Actor.system("test"))
    form = {"csrf_token": token(page), "seen": seen(page), "decision": "confirm"}
    assert reader.client.post(f"/cases/{case_id}/decision", data=form).status_code == 409
    assert decisions(superuser_engine) == []


def test_a_decision_without_the_token_is_refused(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    form = {"seen": seen(reader.get(f"/cases/{case_id}").text), "decision": "confirm"}
    assert reader.client.post(f"/cases/{case_id}/decision", data=form).status_code == 400
    assert decisions(superuser_engine) == []


def test_a_decision_is_recorded_in_the_trail(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    with superuser_engine.connect() as connection:
        query = text("SELECT actor_kind, subject_id FROM audit_events WHERE action = 'case.reviewed'")
        assert [tuple(row) for row in connection.execute(query)] == [("user", case_id)]


def test_a_follow_up_is_recorded_with_its_months(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "correct", diagnosis="NV", management="follow_up", months="3")
    (review,) = decisions(superuser_engine)
    assert (review["management"], review["follow_up_months"]) == ("follow_up", 3)
    assert "Corrected to NV, follow-up in 3 months" in words_of(reader.get(f"/cases/{case_id}"))


def test_a_case_that_another_reader_has_is_not_decided(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    clinic.user(tenant, email="b@clinic.example", name="Dr Berg")
    other = Browser(reader.client.application.test_client())
    other.sign_in(email="b@clinic.example")
    page = other.get(f"/cases/{case_id}").text
    held = reader.get(f"/cases/{case_id}")
    assert "Dr Berg has this case until" in words_of(held)
    assert 'name="decision"' not in held.text
    form = {**hidden(page), **preset(page), "csrf_token": token(held.text), "decision": "confirm"}
    refused = reader.client.post(f"/cases/{case_id}/decision", data=form)
    assert (refused.status_code, decisions(superuser_engine)) == (409, [])
    assert other.decide(case_id, "confirm").status_code == 303


def test_deciding_a_case_that_does_not_exist_is_not_found(reader: Browser) -> None:
    assert reader.post(f"/cases/{uuid4()}/decision", page="/", decision="confirm").status_code == 404
