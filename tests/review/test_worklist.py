"""One line for each state a case can be in."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text
from werkzeug.test import TestResponse

from services.records.states import Role, Urgency
from services.review import worklist_pages
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, seen, token, words_of
from tests.review.seeds import MELANOMA, Clinic, Failed, Pending, Seen, abstention, finding


def rows(page: str) -> list[str]:
    """The text of each line."""
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in re.findall(r"<tr data-case=.*?</tr>", page, re.DOTALL)]


def test_a_predicted_case_shows_class_probability_site_due_time_and_portal(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Seen(MELANOMA), laterality="left")
    (row,) = rows(reader.get("/").text)
    for part in ("P-1042", "back, left", "MEL", "0.71", "Portal A", "due 13 d"):
        assert part in row


def test_an_abstained_case_says_so_and_names_its_flags(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Seen(abstention("out_of_distribution", "dermatologist"), flags=("blurred", "out_of_distribution")))
    (row,) = rows(reader.get("/").text)
    for part in ("abstains", "out of distribution", "blurred"):
        assert part in row
    assert "0.24" not in row


def test_a_case_without_analysis_says_read_by_hand_and_why(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Failed("the file is damaged"))
    page = reader.get("/")
    assert "not analysed" in words_of(page)
    assert "read by hand: the file is damaged" in words_of(page)
    assert "/thumbnail" not in page.text


def test_a_partly_analysed_case_shows_its_answer_and_the_missing_picture(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Seen(MELANOMA), Failed("the file is damaged"))
    (row,) = rows(reader.get("/").text)
    for part in ("MEL", "one picture not analysed, read by hand: the file is damaged", "2 pictures"):
        assert part in row


def test_a_case_still_being_analysed_is_not_listed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Pending())
    assert "No case is waiting" in words_of(reader.get("/"))


def test_urgency_then_risk_orders_the_rows_and_every_row_says_why(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    benign = finding({"NV": 0.98, "MEL": 0.02})
    clinic.case(tenant, Seen(benign), patient_reference="P-low")
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-high")
    clinic.case(tenant, Seen(benign), patient_reference="P-urgent", urgency=Urgency.URGENT)
    page = reader.get("/").text
    assert re.findall(r'row-link"[^>]*>(P-\w+)<', page) == ["P-urgent", "P-high", "P-low"]
    reasons = re.findall(r'id="why-[0-9a-f-]{36}" data-why>([^<]+)<', page)
    assert [reason.split(" = ")[0] for reason in reasons] == [
        "Risk 0.20 (the least that counts) × (waited 0 min + 8 h) of 24 h (urgent)",
        "Risk 0.75 × (waited 0 min + 8 h) of 14 days (routine)",
        "Risk 0.20 (the least that counts) × (waited 0 min + 8 h) of 14 days (routine)",
    ]
    assert len(re.findall(r'aria-describedby="why-[0-9a-f-]{36}"', page)) == 3


def test_an_overdue_case_is_marked_with_a_shape_and_a_word(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    clinic.case(tenant, Seen(MELANOMA))
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE cases SET due_at = now() - interval '3 hours 5 minutes'"))
    page = reader.get("/")
    assert "overdue 3 h" in words_of(page)
    assert "Queue 1 Mine 0 Overdue 1" in words_of(page)


def test_the_reviewed_list_shows_the_decision_and_who_took_it(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    reader.decide(clinic.case(tenant, Seen(MELANOMA)), "confirm")
    (row,) = rows(reader.get("/?status=reviewed").text)
    assert "Confirmed MEL" in row
    assert "Dr Lind" in row


def test_a_reader_of_two_portals_can_look_at_one(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    clinic.user(tenant, other)
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-of-A")
    clinic.case(other, Seen(MELANOMA), patient_reference="P-of-B")
    browser.sign_in()
    assert {"P-of-A", "P-of-B"} <= set(words_of(browser.get("/")).split())
    only = words_of(browser.get(f"/?portal={other}"))
    assert "P-of-B" in only
    assert "P-of-A" not in only


def test_a_portal_or_status_that_does_not_exist_is_not_found(reader: Browser) -> None:
    assert reader.get("/?status=everything").status_code == 404
    assert reader.get("/?portal=00000000-0000-4000-8000-000000000000").status_code == 404
    assert reader.get("/?leading=XYZ").status_code == 404
    assert reader.get("/worklist/rows?at=2026-01-01T00:00:00%2B00:00&after=x&key=1").status_code == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=second_read", "No second read is due from you"),
        ("status=mine", "You have no case"),
        ("status=overdue", "Nothing is overdue"),
        ("status=analysing", "No picture is being analysed"),
        ("status=reviewed", "No case is decided yet"),
        ("mark=suspicious", "No case fits these filters"),
    ],
)
def test_every_empty_list_says_why_it_is_empty(reader: Browser, query: str, said: str) -> None:
    assert said in words_of(reader.get(f"/?{query}"))


def test_a_case_being_analysed_is_in_a_list_of_its_own(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Pending())
    (row,) = rows(reader.get("/?status=analysing").text)
    assert "being analysed" in row


def test_only_a_lead_is_offered_the_differences(clinic: Clinic, tenant: UUID, reader: Browser, app: Flask) -> None:
    assert reader.get("/?status=adjudication").status_code == 404
    clinic.user(tenant, email="lead@clinic.example", role=Role.LEAD)
    lead = Browser(app.test_client())
    lead.sign_in("lead@clinic.example")
    assert "No difference waits for a lead" in words_of(lead.get("/?status=adjudication"))


def test_the_rest_of_a_long_list_is_fetched_where_the_first_page_ends(
    clinic: Clinic, tenant: UUID, reader: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist_pages, "ROWS", 2)
    for number in range(5):
        clinic.case(tenant, Failed("broken"), patient_reference=f"P-{number}")
    page, seen = reader.get("/").text, list[str]()
    while True:
        seen += re.findall(r'row-link"[^>]*>(P-\w+)<', page)
        more = re.search(r'data-more="([^"]+)"', page)
        if not more:
            break
        page = reader.get(unescape(more[1])).text
    assert seen == [f"P-{number}" for number in range(5)]


def test_a_search_finds_a_patient_and_leaves_no_trace_in_an_address(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-77")
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-80")
    answer = reader.post("/worklist/search", page="/", search="p-7")
    assert [row.split()[0] for row in rows(answer.text)] == ["P-77"]
    assert not re.search(r"(href|action|data-more)=\"[^\"]*p-7", answer.text, re.IGNORECASE)
    assert "No case found" in words_of(reader.post("/worklist/search", page="/", search="x"))
    assert reader.post("/worklist/search", page="/", search=" ").status_code == 303


def live(reader: Browser, since: str, *shown: UUID, **more: str) -> TestResponse:
    """What the page's script asks."""
    data = {"csrf_token": token(reader.get("/").text), "since": since, "shown": [str(case_id) for case_id in shown], **more}
    return reader.client.post("/worklist/live", data=data, headers={"X-Automatic": "yes"})


def test_the_changes_name_holders_and_arrivals_but_no_patient(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-77")
    reader.get(f"/cases/{case}")
    answer = live(reader, datetime.now(UTC).isoformat(), case)
    assert answer.json is not None
    assert (answer.json["rows"][str(case)]["mine"], answer.json["arrived"]) == (True, [])
    assert answer.json["counts"] == {"queue": "1", "mine": "1", "overdue": "0"}
    assert "P-77" not in answer.text
    arrived = live(reader, (datetime.now(UTC) - timedelta(minutes=5)).isoformat()).json
    assert arrived is not None
    assert arrived["arrived"] == [str(case)]


def test_another_portals_case_looks_like_none_to_changes_and_claims(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    theirs = clinic.case(clinic.tenant("Portal B", "portal-b"), Seen(MELANOMA))
    answer = live(reader, "2026-01-01T00:00:00+00:00", theirs)
    assert answer.json is not None
    assert (answer.json["rows"], answer.json["arrived"], answer.json["counts"]["queue"]) == ({}, [], "0")
    held = reader.post(f"/cases/{theirs}/lease", page="/")
    assert held.json == {"mine": False, "holder": "", "ends": None, "clock": ""}
    assert reader.post(f"/cases/{theirs}/lease/take", page="/").status_code == 404


def test_a_page_that_asks_by_itself_keeps_no_session_alive(clinic: Clinic, reader: Browser) -> None:
    data = {"csrf_token": token(reader.get("/").text), "since": datetime.now(UTC).isoformat()}
    with reader.client.session_transaction() as session:
        session["seen"] -= 600
        long_ago = session["seen"]
    assert reader.client.post("/worklist/live", data=data, headers={"X-Automatic": "yes"}).status_code == 200
    with reader.client.session_transaction() as session:
        assert session["seen"] == long_ago


@pytest.mark.parametrize("path", ["/worklist/live", "/worklist/search", "/worklist/views", f"/cases/{UUID(int=1)}/lease"])
def test_nothing_is_taken_without_the_token_of_a_page(reader: Browser, path: str) -> None:
    assert reader.client.post(path, data={"search": "P", "since": "2026-01-01T00:00:00+00:00", "name": "x"}).status_code == 400


def test_an_administrator_sees_and_has_no_cases(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant, role=Role.ADMIN)
    case = clinic.case(tenant, Seen(MELANOMA))
    browser.sign_in()
    assert browser.post(f"/cases/{case}/lease", page="/").status_code == 403
    browser.get(f"/cases/{case}")
    assert "Mine 0" in words_of(browser.get("/"))


def test_a_decision_on_a_case_that_somebody_has_is_refused_until_it_is_taken_over(
    clinic: Clinic, tenant: UUID, reader: Browser, app: Flask
) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    page = reader.get(f"/cases/{case}").text
    clinic.user(tenant, email="m@clinic.example", name="Dr Moss")
    other = Browser(app.test_client())
    other.sign_in("m@clinic.example")
    taken = other.post(f"/cases/{case}/lease/take", page="/")
    assert (taken.status_code, taken.location) == (303, f"/cases/{case}")
    refused = reader.client.post(
        f"/cases/{case}/decision", data={"csrf_token": token(page), "seen": seen(page), "decision": "confirm", "management": "discharge"}
    )
    assert refused.status_code == 409
    assert "Dr Moss has this case until" in words_of(refused)


def test_saved_views_hold_filters_and_can_be_removed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    saved = reader.post("/worklist/views", page="/", name="Mornings", urgency="urgent", search="P-1")
    assert (saved.status_code, saved.location) == (303, "/?urgency=urgent")
    page = reader.get("/?urgency=urgent").text
    assert "Mornings" in page
    remove = re.search(r'action="(/worklist/views/[^"]+/remove)"', page)
    assert remove
    reader.post(remove[1], page="/")
    assert "Mornings" not in reader.get("/?urgency=urgent").text
    assert reader.post("/worklist/views", page="/", name="  ").status_code == 422


def test_an_empty_worklist_says_what_to_do(reader: Browser) -> None:
    assert "New cases appear here when their pictures are analysed." in words_of(reader.get("/"))


def test_the_number_of_statements_does_not_grow_with_the_rows(clinic: Clinic, tenant: UUID, settings_for: SettingsFor) -> None:
    clinic.user(tenant)
    app = create_app(settings_for("review"))
    browser = Browser(app.test_client())
    browser.sign_in()
    counts = []
    for _ in range(2):
        clinic.case(tenant, Seen(MELANOMA))
        clinic.case(tenant, Seen(MELANOMA), Failed("broken"))
        statements: list[str] = []
        engine = app.extensions["dermatrail"].database.engine

        def count(_connection: object, _cursor: object, statement: str, *_rest: object, seen: list[str] = statements) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", count)
        browser.get("/")
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 20
    app.extensions["dermatrail"].database.close()
