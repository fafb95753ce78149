"""The list of follow-ups in a browser: by keyboard, and fit for everybody."""

from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings, sideways
from tests.review.planned import one_of_each, plan_follow_up
from tests.review.seeds import Clinic

pytestmark = pytest.mark.browser


@pytest.fixture
def planned(clinic: Clinic, tenant: UUID, superuser_engine: Engine) -> UUID:
    """Two lesions overdue, one due, one upcoming; their reader."""
    reader = clinic.user(tenant)
    one_of_each(clinic, superuser_engine, tenant, reader)
    plan_follow_up(clinic, superuser_engine, tenant, reader, days_ago=120, patient_reference="P-late", body_site="left calf")
    return reader


def test_the_list_is_walked_and_its_lesion_opened_by_keyboard(planned: UUID, window: Window) -> None:
    page = window.sign_in()
    page.get_by_role("link", name="Follow-ups").click()
    focused = page.locator(":focus")
    assert focused.inner_text() == "P-overdue"
    page.keyboard.press("j")
    assert focused.inner_text() == "P-late"
    page.keyboard.press("j")
    assert focused.inner_text() == "P-late"
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lesions/*")


def test_number_keys_change_the_list_and_w_leads_back(planned: UUID, window: Window) -> None:
    window.sign_in()
    page = window.open("/follow-ups")
    for key, name in (("2", "P-due"), ("3", "P-upcoming"), ("1", "P-overdue")):
        page.keyboard.press(key)
        page.get_by_role("link", name=name).wait_for()
    page.keyboard.press("w")
    page.get_by_role("navigation", name="Lists").wait_for()


def test_the_decision_in_a_row_leads_to_its_case_and_the_rest_to_the_lesion(planned: UUID, window: Window) -> None:
    window.sign_in()
    page = window.open("/follow-ups?state=due")
    page.get_by_role("link", name="Corrected to NV").click()
    page.wait_for_url("**/cases/*")
    page = window.open("/follow-ups?state=due")
    page.locator("tbody tr td").nth(2).click(force=True)  # the row is one link, drawn over its cells
    page.wait_for_url("**/lesions/*")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_a_tablet_need_not_scroll_sideways(planned: UUID, open_window: OpenWindow, dark: bool) -> None:
    seen = open_window(width=820, height=1180, dark=dark)
    seen.sign_in()
    for state in ("overdue", "due", "upcoming"):
        page = seen.open(f"/follow-ups?state={state}")
        assert (state, findings(page), sideways(page)) == (state, [], 0)
