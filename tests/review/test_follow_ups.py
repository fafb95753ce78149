"""The page of lesions that are to be seen again."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.records.reminders import remind
from services.records.states import ReminderKind
from services.review.follow_up_view import day_words
from tests.review.conftest import Browser, words_of
from tests.review.planned import AGES, one_of_each, plan_follow_up
from tests.review.seeds import Clinic, Pending


@pytest.fixture
def doctor(clinic: Clinic, tenant: UUID) -> UUID:
    """A dermatologist of the portal."""
    return clinic.user(tenant)


@pytest.fixture
def signed_in(doctor: UUID, browser: Browser) -> Browser:
    browser.sign_in()
    return browser


@pytest.fixture
def planned(clinic: Clinic, tenant: UUID, superuser_engine: Engine, doctor: UUID) -> dict[str, UUID]:
    return one_of_each(clinic, superuser_engine, tenant, doctor)


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 21), "today"),
        (date(2026, 11, 22), "tomorrow"),
        (date(2026, 11, 20), "yesterday"),
        (date(2026, 12, 3), "in 12 days"),
        (date(2026, 11, 9), "12 days ago"),
        (date(2027, 3, 21), "in 4 months"),
        (date(2025, 11, 21), "12 months ago"),
    ],
)
def test_days_are_said_in_words(day: date, words: str) -> None:
    assert day_words(day, date(2026, 11, 21)) == words


@pytest.mark.parametrize("state", AGES)
def test_each_list_has_its_lesions_and_the_others_their_numbers(signed_in: Browser, planned: dict[str, UUID], state: str) -> None:
    answer = signed_in.get(f"/follow-ups?state={state}")
    said = words_of(answer)
    assert "Overdue 1 Due 1 Upcoming 1" in said
    assert [name for name in AGES if f"P-{name}" in said] == [state]
    assert "Corrected to NV" in said
    assert f'href="/cases/{planned[state]}"' in answer.text


def test_the_overdue_ones_come_unasked_and_lead_to_their_lesion(
    signed_in: Browser, planned: dict[str, UUID], superuser_engine: Engine
) -> None:
    answer = signed_in.get("/follow-ups")
    with superuser_engine.connect() as connection:
        lesion_id = connection.execute(text("SELECT lesion_id FROM cases WHERE id = :id"), {"id": planned["overdue"]}).scalar_one()
    assert f'href="/lesions/{lesion_id}"' in answer.text
    assert "months ago" in words_of(answer)
    assert signed_in.get(f"/lesions/{lesion_id}").status_code == 200


def test_a_new_visit_takes_a_lesion_off_the_list(signed_in: Browser, clinic: Clinic, tenant: UUID, planned: dict[str, UUID]) -> None:
    clinic.case(tenant, Pending(), patient_reference="P-overdue", lesion_reference="L-2")
    assert "No follow-up is overdue" in words_of(signed_in.get("/follow-ups"))


def test_it_says_whether_the_portal_was_reminded(signed_in: Browser, clinic: Clinic, planned: dict[str, UUID]) -> None:
    assert "not reminded yet" in words_of(signed_in.get("/follow-ups"))
    with clinic.worker.transaction() as session:
        remind(session=session, kind=ReminderKind.OVERDUE, limit=10)
    assert f"reminded {datetime.now(UTC):%Y-%m-%d}" in words_of(signed_in.get("/follow-ups"))


def test_one_portal_can_be_chosen(clinic: Clinic, tenant: UUID, superuser_engine: Engine, browser: Browser) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    reader = clinic.user(tenant, other)
    for portal, name in ((tenant, "P-A"), (other, "P-B")):
        plan_follow_up(clinic, superuser_engine, portal, reader, days_ago=200, patient_reference=name)
    browser.sign_in()
    assert "Overdue 2" in words_of(browser.get("/follow-ups"))
    only = words_of(browser.get(f"/follow-ups?portal={other}"))
    assert ("P-A" in only, "P-B" in only, "Overdue 1" in only) == (False, True, True)


def test_nothing_of_another_portal_is_shown(clinic: Clinic, signed_in: Browser, superuser_engine: Engine) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    stranger = clinic.user(other, email="b@clinic.example")
    plan_follow_up(clinic, superuser_engine, other, stranger, days_ago=200, patient_reference="P-B")
    assert "P-B" not in signed_in.get("/follow-ups").text
    assert signed_in.get(f"/follow-ups?portal={other}").status_code == 404


@pytest.mark.parametrize("query", ["state=late", "state=fulfilled", "portal=x", "cursor=x", "portal=00000000-0000-4000-8000-000000000000"])
def test_an_address_that_asks_for_nothing_of_ours_finds_nothing(signed_in: Browser, query: str) -> None:
    assert signed_in.get(f"/follow-ups?{query}").status_code == 404


def test_long_lists_go_on_on_the_next_page(
    *, clinic: Clinic, tenant: UUID, doctor: UUID, signed_in: Browser, superuser_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.review.follow_up_pages.ROWS", 2)
    for number in range(3):
        plan_follow_up(clinic, superuser_engine, tenant, doctor, days_ago=200 - number, patient_reference=f"P-{number}")
    first = signed_in.get("/follow-ups").text
    href = first.split('class="follow-ups-more"><a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    second = signed_in.get(href).text
    assert [f"P-{number}" in first for number in range(3)] == [True, True, False]
    assert [f"P-{number}" in second for number in range(3)] == [False, False, True]


def test_the_reading_is_audited(signed_in: Browser, planned: dict[str, UUID], superuser_engine: Engine) -> None:
    signed_in.get("/follow-ups?state=due")
    with superuser_engine.connect() as connection:
        found = connection.execute(text("SELECT actor_kind, details FROM audit_events WHERE action = 'follow_ups.listed'")).all()
    assert [tuple(row) for row in found] == [("user", {"follow_ups": 1})]


def test_a_visitor_signs_in_first(browser: Browser, clinic: Clinic) -> None:
    assert browser.get("/follow-ups").headers["Location"].endswith("/sign-in")
