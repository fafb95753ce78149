"""The report over HTTP: who gets it, when, in which form and language, and what the answer carries."""

import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from services.records import reading
from services.records.states import Management
from tests.intake.conftest import Backstage, Portal, Sender


@pytest.fixture
def case_id(sender: Sender, picture: bytes, backstage: Backstage) -> uuid.UUID:
    """An analysed case that nobody has decided."""
    answer = sender.post(("mole.jpg", picture))
    backstage.analyse()
    return uuid.UUID(answer.get_json()["id"])


@pytest.fixture
def decided(case_id: uuid.UUID, backstage: Backstage, portal: Portal, superuser_engine: Engine) -> uuid.UUID:
    """The case, decided long enough ago."""
    backstage.confirm(portal, case_id, management=Management.URGENT_REFERRAL)
    wait(superuser_engine)
    return case_id


def wait(engine: Engine) -> None:
    """Let the time for taking a decision back pass."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {reading.UNDO_SECONDS + 0.1})"))


def ask(sender: Sender, case_id: uuid.UUID, *, accept: str = "", language: str = "", **headers: str) -> TestResponse:
    told: dict[str, Any] = {**sender.portal.headers, **({"Accept": accept} if accept else {}), **headers}
    return sender.client.get(f"/v1/cases/{case_id}/report", query_string={"language": language} if language else {}, headers=told)


def test_a_decided_case_has_a_pdf(sender: Sender, decided: uuid.UUID) -> None:
    answer = ask(sender, decided)
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    words = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages)
    assert "Melanoma (MEL)" in words
    assert "Urgent referral or excision" in words
    assert "P-1042" in words
    assert answer.headers["Content-Disposition"] == f'inline; filename="report-{decided}-v1-en.pdf"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Language"] == "en"
    assert "Accept" in answer.headers["Vary"]


def test_html_is_given_to_who_asks_for_it(sender: Sender, decided: uuid.UUID) -> None:
    answer = ask(sender, decided, accept="text/html,application/xhtml+xml,*/*;q=0.8", language="de-CH")
    assert answer.content_type == "text/html; charset=utf-8"
    assert "Dringende Überweisung oder Exzision" in answer.text
    assert answer.headers["Content-Language"] == "de"
    assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("asked", "header", "given"),
    [("de", "en", "de"), ("fr", "", "en"), ("", "fr, de;q=0.5", "de"), ("", "", "en"), ("%%%", "", "en"), ("en", "de", "en")],
)
def test_the_language_is_the_one_asked_for_or_english(sender: Sender, decided: uuid.UUID, asked: str, header: str, given: str) -> None:
    answer = ask(sender, decided, language=asked, **({"Accept-Language": header} if header else {}))
    assert answer.status_code == 200
    assert answer.headers["Content-Language"] == given


def test_an_unchanged_report_is_not_sent_again(sender: Sender, decided: uuid.UUID) -> None:
    first, second = ask(sender, decided), ask(sender, decided)
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]
    again = ask(sender, decided, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert ask(sender, decided, language="de", **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_an_undecided_case_has_none(sender: Sender, case_id: uuid.UUID) -> None:
    answer = ask(sender, case_id)
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "not_decided")
    assert "Retry-After" not in answer.headers


def test_a_decision_that_can_be_taken_back_makes_none_yet(sender: Sender, case_id: uuid.UUID, backstage: Backstage, portal: Portal) -> None:
    backstage.confirm(portal, case_id, management=Management.URGENT_REFERRAL)
    answer = ask(sender, case_id)
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "decision_not_final")
    assert 1 <= int(answer.headers["Retry-After"]) <= reading.UNDO_SECONDS


def test_another_portals_case_and_no_case_look_alike(sender: Sender, decided: uuid.UUID, new_portal: Callable[[], Portal]) -> None:
    missing = ask(sender, uuid.uuid4())
    foreign = ask(Sender(sender.client, new_portal()), decided)
    for answer in (missing, foreign):
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "case_not_found")


def test_what_is_neither_pdf_nor_html_is_refused(sender: Sender, decided: uuid.UUID) -> None:
    answer = ask(sender, decided, accept="image/png")
    assert (answer.status_code, answer.get_json()["reason"]) == (406, "not_acceptable")


def test_a_misspelt_parameter_is_told(sender: Sender, decided: uuid.UUID) -> None:
    assert sender.get(f"/v1/cases/{decided}/report", lang="de").status_code == 422


def test_without_consent_to_care_there_is_none(sender: Sender, decided: uuid.UUID, superuser_engine: Engine) -> None:
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE patients SET consent_care = false"))
    answer = ask(sender, decided)
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "care_consent_withdrawn")


def test_each_reading_is_audited(sender: Sender, decided: uuid.UUID, superuser_engine: Engine) -> None:
    ask(sender, decided, language="de")
    with superuser_engine.connect() as connection:
        row = connection.execute(text("SELECT subject_id, details FROM audit_events WHERE action = 'result.read'")).one()
    assert row.subject_id == decided
    assert row.details == {"report": "pdf", "language": "de", "version": 1}


def test_nothing_about_the_patient_is_logged(sender: Sender, decided: uuid.UUID, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="services"):
        ask(sender, decided)
    assert "/report 200" in caplog.text or "report" in caplog.text
    assert str(decided) not in caplog.text
    assert "P-1042" not in caplog.text
