"""What every answer carries, and what is never written down."""

import logging
import re
from uuid import UUID

import pytest

from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, jpeg


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
    (view,) = re.findall(r'src="(/pictures/[^"]+/view)"', page.text)
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
