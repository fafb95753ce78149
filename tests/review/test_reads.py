"""More than one read: blind first opinions, second readers, a lead who resolves, taking back, amending."""

import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.records.audit import Actor
from services.records.registry import register_model_version
from services.records.states import ModelKind, Role
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Seen, jpeg

SECRETS = (
    "0.71",
    "Ranked probabilities",
    "Confirm MEL",
    "Reliability",
    "asymmetry",
    "data-heat=",
    "data-outline=",
    "/mask",
    "/heatmap",
)


@pytest.fixture
def policy(tenant: UUID, superuser_engine: Engine) -> "Policy":
    return Policy(superuser_engine)


class Policy:
    """What the portal asks for, set behind the scenes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def set(self, change: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE tenants SET {change}"))

    def age(self, seconds: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {seconds})"))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


def somebody(app: Flask, clinic: Clinic, tenant: UUID, name: str, role: Role = Role.DERMATOLOGIST) -> Browser:
    """One more person, signed in."""
    email = f"{name.lower().replace(chr(32), chr(46))}@clinic.example"
    clinic.user(tenant, email=email, name=name, role=role)
    browser = Browser(app.test_client())
    browser.sign_in(email=email)
    return browser


def opine(browser: Browser, case_id: UUID, **fields: str) -> int:
    return browser.post(f"/cases/{case_id}/opinion", page=f"/cases/{case_id}", **fields).status_code


# Blind first read


def test_before_the_first_opinion_nothing_of_the_answer_is_in_the_page(
    clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy
) -> None:
    policy.set("blind_first_read = true")
    case_id = clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)), clinical_notes="Itches.")
    page = reader.get(f"/cases/{case_id}")
    assert [secret for secret in SECRETS if secret in page.text or secret in words_of(page)] == []
    assert "Blind first read" in words_of(page)
    assert "Itches." in words_of(page)
    assert 'name="seen"' not in page.text
    row = words_of(reader.get("/"))
    assert "blind read your opinion comes first" in row
    assert "0.71" not in row
    assert opine(reader, case_id, opinion="diagnosis", diagnosis="NV", note="flat") == 303
    opened = reader.get(f"/cases/{case_id}")
    assert [secret for secret in ("Ranked probabilities", "asymmetry") if secret not in words_of(opened)] == []
    assert [secret for secret in ("Confirm MEL", "/mask", "/heatmap") if secret not in opened.text] == []
    assert "First opinion, before the model NV · Dr Lind" in words_of(opened)


def test_masks_and_heat_maps_wait_for_the_first_opinion_too(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)))
    page = reader.get(f"/cases/{case_id}").text
    answers = sorted(
        {address.replace("&amp;", "&") for address in re.findall(r'"(/pictures/[^"]+/(?:mask|model-mask|heatmap)[^"]*)"', page)}
    )
    view = re.findall(r'"(/pictures/[^"]+/view)"', page)[0]
    policy.set("blind_first_read = true")
    assert len(answers) >= 2
    assert {reader.get(address).status_code for address in answers} == {403}
    assert reader.get(view).status_code == 200
    opine(reader, case_id, opinion="not_assessable")
    assert {reader.get(address).status_code for address in answers} == {200}


def test_a_decision_without_the_opinion_is_refused(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    policy.set("blind_first_read = true")
    seen = re.findall(r'name="seen" value="([^"]+)"', page)
    answer = reader.decide(case_id, "confirm", management="discharge", seen=seen)
    assert (answer.status_code, "first opinion" in words_of(answer)) == (409, True)
    assert policy.rows("SELECT * FROM reviews") == []


def test_an_incomplete_opinion_comes_back(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    policy.set("blind_first_read = true")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    assert opine(reader, case_id, opinion="diagnosis") == 422
    assert opine(reader, case_id, opinion="diagnosis", diagnosis="OTHER") == 422
    assert opine(reader, case_id, opinion="diagnosis", diagnosis="OTHER", note="Psoriasis") == 303
    assert opine(reader, case_id, opinion="diagnosis", diagnosis="NV") == 409


# Second reads


def test_the_second_reader_sees_nothing_of_the_first_read(
    app: Flask, clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy
) -> None:
    policy.set("second_read_share = 1")
    second = somebody(app, clinic, tenant, "Dr Berg")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "correct", diagnosis="NV", note="flat and even", management="discharge")
    own = words_of(reader.get(f"/cases/{case_id}"))
    assert "Your read is recorded · waits for a second reader Corrected to NV, discharge with advice" in own
    page = second.get(f"/cases/{case_id}")
    for secret in ("flat and even", "Corrected to NV", "discharge with advice. ", "Dr Lind"):
        assert secret not in words_of(page)
    assert "Confirm MEL" in page.text
    assert second.decide(case_id, "correct", diagnosis="NV", management="discharge").status_code == 303
    done = words_of(second.get(f"/cases/{case_id}"))
    assert "Versions of the decision" in done
    assert "flat and even" in done
    assert policy.rows("SELECT state FROM cases") == [("reviewed",)]


def test_the_first_reader_cannot_be_the_second(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    assert reader.decide(case_id, "second_opinion").status_code == 303
    seen = re.findall(r'name="seen" value="([^"]+)"', page)
    again = reader.decide(case_id, "confirm", kind="second", seen=seen, management="discharge")
    assert (again.status_code, "another person gives the second" in words_of(again)) == (403, True)


def test_a_lead_who_sees_both_reads_resolves_them(app: Flask, clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    policy.set("second_read_share = 1")
    second, lead = somebody(app, clinic, tenant, "Dr Berg"), somebody(app, clinic, tenant, "Dr Moss", Role.LEAD)
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm", note="blue veil")
    second.decide(case_id, "correct", diagnosis="NV", management="discharge", note="even network")
    assert "two reads differ: waits for a lead" in words_of(second.get(f"/cases/{case_id}"))
    assert "blue veil" not in words_of(second.get(f"/cases/{case_id}"))
    page = lead.get(f"/cases/{case_id}")
    for part in ("Two reads that differ", "blue veil", "even network", "As Dr Lind: MEL, urgent referral"):
        assert part in words_of(page)
    chosen = re.findall(r'name="resolve" value="([^"]+)"', page.text)[0]
    silent = lead.post(f"/cases/{case_id}/decision", page=f"/cases/{case_id}", resolve=chosen)
    assert (silent.status_code, "Say why you resolve it so" in words_of(silent)) == (422, True)
    assert lead.post(f"/cases/{case_id}/decision", page=f"/cases/{case_id}", resolve=chosen, rationale="Veil").status_code == 303
    assert policy.rows("SELECT decision, diagnosis, management, rationale FROM reviews WHERE kind = 'adjudication'") == [
        ("confirm", "MEL", "urgent_referral", "Veil")
    ]


# Taking back


def test_a_decision_is_taken_back_from_the_next_page(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    undone = reader.post(f"/cases/{case_id}/undo", page=f"/cases/{clinic.case(tenant, Seen(MELANOMA))}")
    assert (undone.status_code, undone.headers["Location"]) == (303, f"/cases/{case_id}")
    page = reader.get(f"/cases/{case_id}")
    assert "Taken back · P-1042 · decide again" in words_of(page)
    assert "Confirm MEL" in page.text
    assert policy.rows("SELECT DISTINCT state FROM cases") == [("awaiting_review",)]


def test_after_ten_seconds_the_way_back_is_closed(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    (review,) = re.findall(r'name="review" value="([^"]+)"', reader.get(f"/cases/{case_id}").text)
    policy.age(11)
    assert 'name="review"' not in reader.get(f"/cases/{case_id}").text
    late = reader.post(f"/cases/{case_id}/undo", page="/templates", review=review)
    assert (late.status_code, "The decision stands" in words_of(late)) == (409, True)


# Amendments


def test_an_amendment_keeps_every_version_on_the_page(clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    assert f'href="/cases/{case_id}/amend"' in reader.get(f"/cases/{case_id}").text
    path = f"/cases/{case_id}/amend"
    silent = reader.post(path, page=path, decision="correct", diagnosis="BCC", management="face_to_face")
    assert (silent.status_code, "Say why the decision changes" in words_of(silent)) == (422, True)
    said = {"decision": "correct", "diagnosis": "BCC", "management": "face_to_face", "rationale": "Histology: nodular BCC."}
    assert reader.post(path, page=path, **said).status_code == 303
    words = words_of(reader.get(f"/cases/{case_id}"))
    for part in (
        "Corrected to BCC, face-to-face visit",
        "Histology: nodular BCC.",
        "First read replaced Confirmed MEL",
        "Versions of the decision",
    ):
        assert part in words
    assert policy.rows("SELECT count(*) FROM reviews") == [(2,)]


def test_another_reader_is_not_offered_to_amend(app: Flask, clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    other = somebody(app, clinic, tenant, "Dr Berg")
    reader.decide(case_id, "confirm")
    assert "/amend" not in other.get(f"/cases/{case_id}").text
    assert 'name="rationale"' not in other.get(f"/cases/{case_id}/amend").text
    assert "/amend" in somebody(app, clinic, tenant, "Dr Moss", Role.LEAD).get(f"/cases/{case_id}").text


# What stands around a case


def test_earlier_cases_of_the_patient_lead_to_their_pages(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    facts = {"patient_reference": "P-7", "lesion_reference": "L-2"}
    first = clinic.case(tenant, Seen(MELANOMA), **facts)
    reader.decide(first, "confirm")
    elsewhere = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-7", body_site="cheek")
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-8")
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA), **facts)}")
    found = re.findall(r'<li><a href="/cases/([^"]+)" title="Received', page.text)
    assert found == [str(first), str(elsewhere)]
    words = words_of(page)
    assert "this lesion Confirmed MEL" in words
    assert "cheek not decided yet" in words


def test_the_models_that_answered_are_named_with_their_licence(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    with clinic.worker.transaction() as session:
        for kind, digest in (("segmenter", "5f0c2a71"), ("classifier", "9be4d310"), ("classifier", "ffffffff")):
            register_model_version(
                session=session,
                kind=ModelKind(kind),
                digest=digest * 2,
                name=f"small {kind}",
                version=digest[:2],
                card={"licence": "CC-BY-NC-4.0"},
                actor=Actor.system("test"),
                reason="first start",
            )
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}"))
    assert "outlines small segmenter 5f · CC-BY-NC-4.0 names small classifier 9b · CC-BY-NC-4.0" in words
    assert "small classifier ff" not in words


# Note templates


def test_templates_are_kept_offered_and_retired(app: Flask, clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lead = somebody(app, clinic, tenant, "Dr Moss", Role.LEAD)
    shared = {"title": "Excise", "body": "Excise with 2 mm margin.", "portal": str(tenant), "for": "everybody"}
    assert reader.post("/templates", page="/templates", **shared).status_code == 403
    assert lead.post("/templates", page="/templates", **shared).status_code == 303
    mine = {"title": "Sun", "body": "Sun protection advised.", "portal": str(tenant)}
    assert reader.post("/templates", page="/templates", **mine).status_code == 303
    assert reader.post("/templates", page="/templates", **{**mine, "title": " "}).status_code == 422
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case_id}").text
    assert re.findall(r'data-insert="([^"]+)"', page) == ["Sun protection advised.", "Excise with 2 mm margin."]
    (own,) = re.findall(r'action="(/templates/[^"]+)"[^>]*aria-label="Sun"', reader.get("/templates").text)
    assert lead.post(own, page="/templates", step="retire").status_code == 422
    assert reader.post(own, page="/templates", step="retire").status_code == 303
    assert "Sun protection" not in reader.get(f"/cases/{case_id}").text


def test_the_next_case_of_a_lead_is_a_disagreement_that_is_not_their_own(
    app: Flask, clinic: Clinic, tenant: UUID, reader: Browser, policy: Policy
) -> None:
    policy.set("second_read_risk = 0.1")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    first, lead = (somebody(app, clinic, tenant, name, Role.LEAD) for name in ("Dr Arne", "Dr Bjarne"))
    first.decide(case_id, "confirm")
    reader.decide(case_id, "correct", diagnosis="NV")
    assert policy.rows("SELECT state FROM cases") == [("awaiting_adjudication",)]
    waiting = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-2")
    assert reader.get("/cases/next").location == f"/cases/{waiting}"
    assert first.get("/cases/next").location == f"/cases/{waiting}"
    assert lead.get("/cases/next").location == f"/cases/{case_id}"
