"""Which lesion is this, in a real browser: a proposed link confirmed by keyboard, a merge taken apart, a visit moved."""

from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings, sideways
from tests.review.identity_seeds import Likely, lesion_of, propose
from tests.review.seeds import MELANOMA, Clinic, Seen, finding, jpeg

pytestmark = pytest.mark.browser

NAEVUS = finding({"NV": 0.93, "MEL": 0.05, "BKL": 0.02})


def two_cases(clinic: Clinic, tenant: UUID) -> tuple[UUID, UUID]:
    """A case of the lesion L-2, and a later one that may show it, too; and a third lesion."""
    known = clinic.case(tenant, Seen(NAEVUS), lesion_reference="L-2", body_site="back", laterality="left")
    third = clinic.case(tenant, Seen(NAEVUS, thumbnail=jpeg(128, 96, colour=(60, 40, 30))), lesion_reference="L-5", body_site="shoulder")
    new = clinic.case(tenant, Seen(MELANOMA), body_site="back")
    faint = {"agrees": False, "why": "other_place", "inliers": 2, "correlation": 0.1}
    propose(clinic, tenant, new, Likely(known), Likely(third, 0.4, {"site": "region", "likeness": 0.84, "geometry": faint}))
    return known, new


def panel(page: Page) -> Locator:
    """The question beside the case."""
    return page.locator("[data-same-lesion]")


def test_a_proposed_lesion_is_linked_by_keyboard_and_the_link_taken_back(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    known, new = two_cases(clinic, tenant)
    page = reader.open(f"/cases/{new}")
    page.keyboard.press("l")
    same = page.get_by_role("button", name="Same lesion as lesion L-2")
    expect(same).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**#same-lesion")
    expect(panel(page)).to_contain_text("Linked to lesion L-2")
    assert lesion_of(clinic, tenant, new) == lesion_of(clinic, tenant, known)
    expect(page.locator(".case-facts")).to_contain_text("lesion L-2")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Take back linked to lesion L-2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Same lesion as lesion L-2")).to_be_visible()
    assert lesion_of(clinic, tenant, new) != lesion_of(clinic, tenant, known)


def test_keeping_apart_leaves_the_decision_alone(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    _, new = two_cases(clinic, tenant)
    page = reader.open(f"/cases/{new}")
    page.keyboard.press("l")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Not the same as lesion L-2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel(page)).to_contain_text("Not the same as lesion L-2")
    expect(page.get_by_role("button", name="Confirm MEL")).to_be_visible()


def test_lesions_are_merged_and_taken_apart_on_their_page(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    known, new = two_cases(clinic, tenant)
    stays, goes = lesion_of(clinic, tenant, known), lesion_of(clinic, tenant, new)
    page = reader.open(f"/lesions/{stays}")
    page.get_by_text("Merge with another lesion…").click()
    page.get_by_label("The same as").select_option(str(goes))
    page.get_by_role("textbox", name="Why").fill("Seen again, moved with the skin.")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".identity-history")).to_contain_text("Merged with back, 1 visit came · Dr Lind")
    reader.open(f"/lesions/{goes}")
    page.wait_for_url(f"**/lesions/{stays}")
    page.get_by_text("Take a merge apart…").click()
    page.get_by_role("textbox", name="Why").fill("Two moles.")
    page.get_by_role("button", name="Take apart").click()
    expect(page.locator(".identity-history")).to_contain_text("Taken apart again: back")
    assert lesion_of(clinic, tenant, new) == goes


def test_a_visit_is_split_off_on_the_lesions_page(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    known, _ = two_cases(clinic, tenant)
    again = clinic.case(tenant, Seen(NAEVUS), lesion_reference="L-2")
    page = reader.open(f"/lesions/{lesion_of(clinic, tenant, known)}")
    page.get_by_text("Move visits…").click()
    page.locator(f"input[value='{again}'][name=visit]").last.check()
    page.get_by_label("They show").select_option("new")
    page.get_by_role("textbox", name="Why").fill("Another mole beside it.")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".identity-history")).to_contain_text("1 visit split off as back, left")
    assert lesion_of(clinic, tenant, again) != lesion_of(clinic, tenant, known)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [820, 1280])
def test_the_panels_are_accessible_and_fit(clinic: Clinic, tenant: UUID, open_window: OpenWindow, width: int, dark: bool) -> None:
    known, new = two_cases(clinic, tenant)
    clinic.user(tenant)
    window = open_window(width=width, dark=dark)
    window.sign_in()
    page = window.open(f"/cases/{new}")
    assert findings(page) == []
    assert not sideways(page)
    window.open(f"/lesions/{lesion_of(clinic, tenant, known)}")
    for summary in page.locator(".identity-steps summary").all():
        summary.click()
    assert findings(page) == []
    assert not sideways(page)
