"""What every answer carries, what is never written down, and which doors stay shut."""

import logging
import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.records.states import ModelKind, Role
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.codes import code, secret_of
from tests.review.conftest import Browser, token, words_of
from tests.review.routes import anywhere
from tests.review.seeds import MELANOMA, PASSWORD, Clinic, Failed, Seen, jpeg
from tests.review.test_models_page import register


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nowhere", "/healthz", "/static/css/tokens.css"])
def test_every_answer_carries_the_headers(reader: Browser, path: str) -> None:
    headers = reader.get(path, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_pages_are_not_kept_by_the_browser(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    for path in ("/", f"/cases/{clinic.case(tenant, Seen(MELANOMA))}"):
        assert reader.get(path).headers["Cache-Control"] == "no-store"


def test_no_page_has_inline_script_or_style(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)), Failed("broken"))
    for path in ("/sign-in", "/", "/?status=reviewed", f"/cases/{case_id}", "/models", "/nowhere"):
        page = reader.client.get(path, follow_redirects=True).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)
        assert "http" not in re.sub(r'"http://www.w3.org/2000/svg"', "", page)


def test_what_portals_write_is_shown_as_text(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA), patient_reference="<b>P</b>", clinical_notes="<script>alert(1)</script>")
    for path in ("/", f"/cases/{case_id}"):
        page = reader.get(path).text
        assert "<b>P</b>" not in page
        assert "<script>alert" not in page


def test_a_form_larger_than_any_note_is_refused(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    answer = reader.decide(clinic.case(tenant, Seen(MELANOMA)), "confirm", note="x" * 100_000)
    assert answer.status_code == 413


def test_logs_hold_no_patient_and_no_password(clinic: Clinic, tenant: UUID, reader: Browser, caplog: pytest.LogCaptureFixture) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-7731", clinical_notes="itches badly")
    with caplog.at_level(logging.DEBUG):
        reader.sign_in(password="a wrong passphrase")
        reader.get(f"/cases/{case_id}")
        reader.decide(case_id, "confirm", note="private words")
    for secret in ("P-7731", "itches badly", "private words", "a wrong passphrase", "reader@clinic.example"):
        assert secret not in caplog.text


def test_the_cookie_holds_no_patient(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    reader.decide(clinic.case(tenant, Seen(MELANOMA), patient_reference="P-7731"), "confirm")
    with reader.client.session_transaction() as session:
        assert "P-7731" not in str(dict(session))


def test_the_desk_says_when_its_database_is_away(clinic: Clinic, tenant: UUID, settings_for: SettingsFor) -> None:
    away = "postgresql+psycopg2://review:x@127.0.0.1:9/none"
    settings = settings_for("review")
    app = create_app(settings.model_copy(update={"database_url": type(settings.database_url)(away)}))
    browser = Browser(app.test_client())
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "cannot reach its records" in words_of(answer)
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.get_json()["database"], ready.get_json()["objects"]) == (503, "unavailable", "ok")
    assert browser.get("/healthz").status_code == 200


def test_the_desk_says_when_its_store_is_away(clinic: Clinic, tenant: UUID, settings_for: SettingsFor) -> None:
    clinic.user(tenant)
    app = create_app(settings_for("review").model_copy(update={"s3_endpoint": "127.0.0.1:9"}))
    browser = Browser(app.test_client())
    browser.sign_in()
    page = browser.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}")
    assert page.status_code == 200
    view = re.findall(r'"(/pictures/[^"]+/view)"', page.text)[0]
    answer = browser.get(view)
    assert answer.status_code == 503
    assert "picture store does not answer" in words_of(answer)
    app.extensions["dermatrail"].database.close()


def test_readiness_is_said_when_all_is_there(browser: Browser) -> None:
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ready")


def test_a_fault_is_a_calm_page(reader: Browser) -> None:
    app = reader.client.application
    app.testing = False
    app.view_functions["desk.next_case"] = lambda: str(1 // 0)
    answer = reader.get("/cases/next")
    assert answer.status_code == 500
    assert "Something went wrong in the desk" in words_of(answer)
    assert "ZeroDivisionError" not in answer.text


INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:")
ADMINISTRATION = {"admin", "erasures", "people", "trail", "webhooks"}


def everybody(clinic: Clinic, tenant: UUID, app: Flask) -> dict[Role, Browser]:
    """One person of each role, signed in."""
    found = {}
    for role in Role:
        clinic.user(tenant, email=f"{role}@clinic.example", role=role)
        found[role] = Browser(app.test_client())
        assert found[role].sign_in(f"{role}@clinic.example").status_code == 303
    return found


def test_every_form_is_refused_without_its_token(clinic: Clinic, tenant: UUID, app: Flask) -> None:
    admin = everybody(clinic, tenant, app)[Role.ADMIN]
    posts = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(posts) > 20
    for rule in posts:
        answer = admin.client.post(anywhere(app, rule))
        assert (answer.status_code, "no longer valid" in words_of(answer)) == (400, True), rule.endpoint


def test_every_page_of_every_role_has_a_strict_policy_and_nothing_inline(
    clinic: Clinic, tenant: UUID, app: Flask, superuser_engine: Engine
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)), Failed("broken"))
    register(clinic, ModelKind.CLASSIFIER, "0123456789ab")
    people = everybody(clinic, tenant, app)
    people[Role.ADMIN].post(f"/admin/portals/{tenant}/keys", page="/account", name="upload")
    with superuser_engine.connect() as connection:
        made = {
            "case_id": case_id,
            "tenant_id": tenant,
            "user_id": connection.execute(text("SELECT id FROM users WHERE role = 'lead'")).scalar_one(),
            "key_id": connection.execute(text("SELECT id FROM api_keys")).scalar_one(),
            "version_id": connection.execute(text("SELECT id FROM model_versions")).scalar_one(),
        }
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint.split(".")[0] in {"static", "vendor"}:
            continue
        for role, browser in people.items():
            answer = browser.get(anywhere(app, rule, **made), buffered=True)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, rule.endpoint
            assert not re.search(r"unsafe|https?:|\*", policy), rule.endpoint
            assert answer.status_code < 500 or rule.endpoint == "health.readyz", (rule.endpoint, role)
            if answer.mimetype == "text/html":
                assert not INLINE.search(answer.text), (rule.endpoint, role)


def test_a_planted_session_and_its_form_token_are_worth_nothing_after_sign_in(clinic: Clinic, tenant: UUID, app: Flask) -> None:
    clinic.user(tenant)
    attacker, victim = app.test_client(), Browser(app.test_client())
    planted_token = token(attacker.get("/sign-in").text)
    planted = attacker.get_cookie("dermatrail")
    assert planted is not None
    victim.client.set_cookie("dermatrail", planted.value)
    assert victim.sign_in().status_code == 303
    assert attacker.get("/models").status_code == 303
    assert victim.client.post("/sign-out", data={"csrf_token": planted_token}).status_code == 400


def test_the_session_is_renewed_at_the_second_step(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = "/account/second-factor"
    secret = secret_of(reader.get(page).text)
    reader.post(page, page=page, password=PASSWORD, code=code(secret, steps=-1))
    reader.post("/sign-out", page="/account")
    reader.sign_in()
    with reader.client.session_transaction() as session:
        between = dict(session)
    assert reader.post("/sign-in/code", page="/sign-in/code", code=code(secret)).status_code == 303
    with reader.client.session_transaction() as session:
        assert session["id"] != between["id"]
        assert "pending" not in session
        assert session.get("csrf_token") != between.get("csrf_token", "none")


def test_no_address_and_no_line_of_a_log_knows_the_patient(
    clinic: Clinic, tenant: UUID, reader: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    cases = [
        clinic.case(tenant, Seen(MELANOMA), patient_reference=f"P-773{number}", lesion_reference="L-77", clinical_notes="itches")
        for number in range(2)
    ]
    addresses: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for path in ("/", "/?status=reviewed", "/cases/next", *(f"/cases/{case}" for case in cases)):
            answer = reader.get(path, follow_redirects=True)
            addresses += [answer.request.url, *re.findall(r'(?:href|action|src|data-[\w-]+|hx-[\w-]+)="([^"]*)"', answer.text)]
        addresses.append(reader.decide(cases[0], "confirm", note="private words").headers.get("Location", ""))
        for address in {found for found in addresses if "/pictures/" in found or "/images/" in found}:
            reader.get(address.replace("&amp;", "&"), buffered=True)
    for secret in ("P-773", "L-77", "itches", "private words"):
        assert not [address for address in addresses if secret in address]
        assert secret not in caplog.text


def test_another_tenants_case_is_not_found_by_any_address(clinic: Clinic, tenant: UUID, app: Flask, superuser_engine: Engine) -> None:
    case_id = clinic.case(clinic.tenant("Portal B", "portal-b"), Seen(MELANOMA, heatmap=jpeg(64, 48)))
    with superuser_engine.connect() as connection:
        image_id = connection.execute(text("SELECT id FROM images")).scalar_one()
    people = everybody(clinic, tenant, app)
    rules = [rule for rule in app.url_map.iter_rules() if {"case_id", "image_id"} & rule.arguments]
    assert len(rules) > 5
    for role in (Role.DERMATOLOGIST, Role.LEAD):
        browser = people[role]
        form_token = token(browser.get("/account").text)
        for rule in rules:
            address = anywhere(app, rule, case_id=case_id, image_id=image_id)
            if "GET" in (rule.methods or ()):
                assert browser.get(address, buffered=True).status_code == 404, rule.endpoint
            if "POST" in (rule.methods or ()):
                said = {"decision": "confirm", "seen": [], "reason": "x", "length_px": "100", "length_mm": "1", "verdict": "clear"}
                answer = browser.client.post(address, data={"csrf_token": form_token, **said})
                # A script that asks for a lease is told that it has none.
                told = answer.is_json and answer.status_code == 200
                given = answer.get_json() if told else {"mine": answer.status_code not in (400, 403, 404), "holder": ""}
                assert (given["mine"], given["holder"]) == (False, ""), rule.endpoint
    with superuser_engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM cases")).scalar_one() == "awaiting_review"
        for table in ("reviews", "case_claims", "first_opinions", "outlines", "calibrations", "lesion_events", "identity_verdicts"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_administration_is_refused_to_everybody_else(clinic: Clinic, tenant: UUID, app: Flask) -> None:
    people = everybody(clinic, tenant, app)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in ADMINISTRATION]
    assert len(rules) > 15
    for role in (Role.DERMATOLOGIST, Role.LEAD):
        form_token = token(people[role].get("/account").text)
        for rule in rules:
            address = anywhere(app, rule)
            if "GET" in (rule.methods or ()):
                assert people[role].get(address).status_code == 403, rule.endpoint
            else:
                assert people[role].client.post(address, data={"csrf_token": form_token}).status_code == 403, rule.endpoint
