"""One line for each state a case can be in."""

import re
from uuid import UUID

from sqlalchemy import Engine, event, text

from services.records.states import Urgency
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Failed, Pending, Seen, abstention, finding


def rows(page: str) -> list[str]:
    """The text of each line."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in body.split("</tr>")[:-1]]


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
    reasons = re.findall(r'id="why-\d" data-why>([^<]+)<', page)
    assert [reason.split(",")[0] for reason in reasons] == ["Urgent", "Routine", "Routine"]
    assert re.findall(r'aria-describedby="(why-\d)"', page) == ["why-1", "why-2", "why-3"]


def test_an_overdue_case_is_marked_with_a_shape_and_a_word(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    clinic.case(tenant, Seen(MELANOMA))
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE cases SET due_at = now() - interval '3 hours 5 minutes'"))
    page = reader.get("/")
    assert "overdue 3 h" in words_of(page)
    assert "1 overdue" in words_of(page)


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
    assert counts[0] == counts[1] <= 8
    app.extensions["dermatrail"].database.close()
