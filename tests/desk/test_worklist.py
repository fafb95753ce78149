"""The worklist in a real browser: keyboard, two readers on one case, leases that run out, live lines that keep their place."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from services.records.states import Urgency
from services.review import worklist_pages
from tests.desk.conftest import OpenWindow, Window
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, finding

pytestmark = pytest.mark.browser

BENIGN = finding({"NV": 0.98, "MEL": 0.02})
LOOK = "() => dispatchEvent(new Event('dermatrail:look'))"


@pytest.fixture
def three(clinic: Clinic, tenant: UUID) -> dict[str, UUID]:
    """Three waiting cases, in this order."""
    return {
        "P-1": clinic.case(tenant, Seen(MELANOMA), patient_reference="P-1", urgency=Urgency.URGENT),
        "P-2": clinic.case(tenant, Seen(MELANOMA), patient_reference="P-2"),
        "P-3": clinic.case(tenant, Seen(BENIGN), patient_reference="P-3"),
    }


def patients(page: Page) -> list[str]:
    """The references of the lines, from the top."""
    return page.locator(".row-link").all_inner_texts()


def second_reader(clinic: Clinic, tenant: UUID, open_window: OpenWindow) -> Page:
    """Another dermatologist, signed in."""
    clinic.user(tenant, email="second@clinic.example", name="Dr Moss")
    return open_window().sign_in("second@clinic.example")


def test_a_case_says_where_it_stands_in_the_list_from_which_it_was_opened(three: dict[str, UUID], reader: Window) -> None:
    page = reader.open("/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("[data-place]")).to_have_text("2 of 3")


def test_a_case_that_is_not_in_that_list_says_no_place(three: dict[str, UUID], reader: Window, clinic: Clinic, tenant: UUID) -> None:
    reader.open("/")
    page = reader.open(f"/cases/{clinic.case(tenant, Seen(MELANOMA), patient_reference='P-4')}")
    expect(page.locator("[data-place]")).to_be_hidden()


def test_the_keyboard_moves_claims_searches_and_opens(three: dict[str, UUID], reader: Window) -> None:
    page = reader.open("/")
    assert patients(page) == ["P-1", "P-2", "P-3"]
    expect(page.locator(".row-link").first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("[data-why-line]")).to_contain_text("Risk 0.")
    page.keyboard.press("c")
    expect(page.locator(f"[data-case='{three['P-2']}'] [data-holder]")).to_contain_text("yours until")
    page.keyboard.press("c")
    expect(page.locator(f"[data-case='{three['P-2']}'] [data-holder]")).to_have_text("")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("p-3")
    page.keyboard.press("Enter")
    page.wait_for_url("**/worklist/search")
    expect(page.locator(".row-link")).to_have_count(1)
    assert patients(page) == ["P-3"]
    assert "p-3" not in page.url
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(str(three["P-3"])))


def test_filters_stay_in_the_address_and_can_be_saved_and_removed(three: dict[str, UUID], reader: Window) -> None:
    page = reader.open("/")
    page.get_by_label("Urgency").select_option("urgent")
    page.wait_for_url(re.compile(r"/\?urgency=urgent$"))
    assert patients(page) == ["P-1"]
    page.get_by_text("save…").click()
    page.get_by_label("Name of this view").fill("Mornings")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Mornings")).to_have_attribute("aria-current", "page")
    page.get_by_role("button", name="Remove the saved view Mornings").click()
    expect(page.get_by_role("link", name="Mornings")).to_have_count(0)


def test_a_second_reader_sees_who_has_a_case_and_takes_it_only_on_purpose(
    clinic: Clinic, tenant: UUID, three: dict[str, UUID], reader: Window, open_window: OpenWindow
) -> None:
    first, path = reader.page, f"/cases/{three['P-1']}"
    reader.open(path)
    expect(first.locator("[data-lease-mine]")).to_contain_text("lease")
    second = second_reader(clinic, tenant, open_window)
    expect(second.locator(f"[data-case='{three['P-1']}'] [data-holder]")).to_contain_text("Dr Lind until")
    second.goto(f"{reader.address}{path}")
    expect(second.locator("[data-lease-other]")).to_contain_text("Dr Lind has this case until")
    expect(second.locator("form[data-decision]")).to_have_count(0)
    second.get_by_role("button", name="Take it over").click()
    expect(second.locator("[data-lease-mine]")).to_be_visible()
    expect(second.locator("form[data-decision]")).to_have_count(1)


def test_a_lease_that_is_over_returns_the_case_by_itself_and_activity_takes_it_again(  # noqa: PLR0917
    clinic: Clinic, tenant: UUID, three: dict[str, UUID], reader: Window, open_window: OpenWindow, superuser_engine: Engine
) -> None:
    page = reader.open(f"/cases/{three['P-1']}")
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE case_claims SET expires_at = now() - interval '1 second'"))
    second = second_reader(clinic, tenant, open_window)
    expect(second.locator(f"[data-case='{three['P-1']}'] [data-holder]")).to_have_text("")
    page.evaluate("() => { const real = Date.now; Date.now = () => real() + 16 * 60 * 1000; }")
    expect(page.locator("[data-lease-over]")).to_be_visible(timeout=7000)
    with page.expect_response(lambda response: response.url.endswith("/lease")):
        page.mouse.move(300, 300)
    second.evaluate(LOOK)
    expect(second.locator(f"[data-case='{three['P-1']}'] [data-holder]")).to_contain_text("Dr Lind until")


def test_leaving_a_case_gives_it_back(clinic: Clinic, three: dict[str, UUID], reader: Window, superuser_engine: Engine) -> None:
    page = reader.open(f"/cases/{three['P-1']}")
    page.keyboard.press("q")
    page.wait_for_url(f"{reader.address}/")
    page.wait_for_timeout(300)
    with superuser_engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM case_claims WHERE expires_at > now()")) == 0


def test_new_cases_are_announced_and_the_lines_do_not_move(
    clinic: Clinic, tenant: UUID, three: dict[str, UUID], reader: Window, superuser_engine: Engine
) -> None:
    page = reader.open("/")
    page.keyboard.press("j")
    expect(page.locator(".row-link").nth(1)).to_be_focused()
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-0", urgency=Urgency.URGENT)
    clinic.case(tenant, Failed("the file is damaged"), patient_reference="P-4")
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE cases SET due_at = now() - interval '2 hours' WHERE id = :id"), {"id": three["P-3"]})
    page.evaluate(LOOK)
    announced = page.get_by_role("button", name="2 new cases · show")
    expect(announced).to_be_visible()
    assert patients(page) == ["P-1", "P-2", "P-3"]
    expect(page.locator(".row-link").nth(1)).to_be_focused()
    expect(page.locator(f"[data-case='{three['P-3']}'] [data-due]")).to_contain_text("overdue 2 h")
    expect(page.locator("[data-count=queue]")).to_have_text("5")
    page.keyboard.press("n")
    expect(page.locator(".row-link")).to_have_count(5)
    expect(page.get_by_role("link", name="P-2", exact=True)).to_be_focused()


def test_a_long_list_is_read_by_scrolling_alone(clinic: Clinic, tenant: UUID, reader: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist_pages, "ROWS", 4)
    for number in range(11):
        clinic.case(tenant, Failed("the file is damaged"), patient_reference=f"P-{number:02d}")
    page = reader.open("/")
    for _ in range(10):
        page.keyboard.press("j")
        page.wait_for_timeout(60)
    expect(page.locator(".row-link")).to_have_count(11)
    expect(page.locator("[data-more]")).to_have_count(0)
    assert patients(page) == sorted(patients(page))
