"""The report on the desk: a link on a decided case, the document itself, and a calm page where there is none yet."""

import re
from uuid import UUID

from sqlalchemy import Engine, text

from services.records import reading
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Seen


def wait(engine: Engine) -> None:
    """Let the time for taking a decision back pass."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {reading.UNDO_SECONDS + 0.1})"))


def test_a_decided_case_links_to_its_report(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    assert "/report" not in reader.get(f"/cases/{case_id}").text
    reader.decide(case_id, "confirm")
    assert "/report" not in reader.get(f"/cases/{case_id}").text, "it can still be taken back"
    wait(superuser_engine)
    links = re.findall(rf'href="(/cases/{case_id}/report[^"]*)"', reader.get(f"/cases/{case_id}").text)
    assert links == [f"/cases/{case_id}/report", f"/cases/{case_id}/report?form=pdf"]
    page, printed = (reader.get(link) for link in links)
    assert "Melanoma (MEL)" in page.text
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert printed.data.startswith(b"%PDF-")
    assert "P-1042" not in printed.headers["Content-Disposition"]


def test_the_link_tells_that_a_picture_may_identify_the_patient(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    wait(superuser_engine)
    assert "may show who the patient is" not in words_of(reader.get(f"/cases/{case_id}"))
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE images SET identity_state = 'suspected'"))
    assert "may show who the patient is" in words_of(reader.get(f"/cases/{case_id}"))
    assert reader.get(f"/cases/{case_id}/report").status_code == 200


def test_the_report_comes_in_german_too(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.decide(case_id, "confirm")
    wait(superuser_engine)
    assert "Dermatologischer Befundbericht" in reader.get(f"/cases/{case_id}/report?language=de").text
    with superuser_engine.connect() as connection:
        details = connection.execute(text("SELECT details FROM audit_events WHERE action = 'result.read'")).scalars().all()
    assert details == [{"report": "html", "language": "de", "version": 1}]


def test_without_a_decision_a_page_says_so(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    answer = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}/report")
    assert answer.status_code == 409
    assert "There is no report yet" in words_of(answer)


def test_a_case_of_a_portal_that_one_does_not_read_for_has_no_page(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    foreign = clinic.case(clinic.tenant("Other", "other"), Seen(MELANOMA))
    assert reader.get(f"/cases/{foreign}/report").status_code == 404
