"""A lead looks at statistics: charts with their tables, by keyboard, on a tablet, as files."""

import csv
from pathlib import Path
from uuid import UUID

import pytest

from services.records.states import Role
from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings
from tests.review.history import write_history
from tests.review.seeds import Clinic

pytestmark = pytest.mark.browser

PAGES = ("queue", "readers", "model", "drift", "subgroups")
# How many pixels of a canvas are painted at all.
PAINTED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, place) => place % 4 === 3 && value > 0).length;
}"""
SIDEWAYS = "() => { const main = document.querySelector('main'); return main.scrollWidth > main.clientWidth; }"


@pytest.fixture
def portals(clinic: Clinic, tenant: UUID) -> list[UUID]:
    """Two portals with months of cases, a new camera at the second, and their lead."""
    portals = [tenant, clinic.tenant("Portal B", "portal-b")]
    readers = [clinic.user(*portals, email=f"{name}@clinic.example", name=f"Dr {name}") for name in ("Lind", "Moreau")]
    write_history(clinic.owner, tenants=portals, readers=readers, cases=5000)
    clinic.user(*portals, email="lead@clinic.example", name="Dr Varga", role=Role.LEAD)
    return portals


@pytest.fixture
def lead(portals: list[UUID], window: Window) -> Window:
    """The lead, signed in."""
    window.sign_in("lead@clinic.example")
    return window


def test_charts_are_drawn_from_their_tables(lead: Window) -> None:
    page = lead.open("/lead/model")
    charts = page.locator(".chart canvas")
    charts.first.wait_for()
    assert charts.count() == 4
    assert all(charts.nth(place).evaluate(PAINTED) > 1000 for place in range(4))
    page.locator("#safety-title").locator("xpath=ancestor::section").get_by_text("Table", exact=True).click()
    week = page.locator("#safety tbody tr").nth(-2)
    assert week.locator("td").first.inner_text().split("\n")[0] in page.locator('[data-readout="safety"]').inner_text()


def test_arrow_keys_read_a_chart_week_by_week(lead: Window) -> None:
    page = lead.open("/lead/model")
    readout = page.locator('[data-readout="safety"]')
    readout.wait_for()
    last = readout.inner_text()
    page.locator('[data-chart="safety"]').focus()
    page.keyboard.press("ArrowLeft")
    before = readout.inner_text()
    assert before != last
    assert "Sensitivity" in before
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    first = page.locator("#safety tbody th").first.text_content()
    assert readout.inner_text().startswith(f"{first}: ")
    assert readout.get_attribute("aria-live") == "polite"


def test_a_choice_shows_at_once_and_goes_with_the_lead_to_the_next_page(lead: Window, portals: list[UUID]) -> None:
    page = lead.open("/lead/readers")
    with page.expect_navigation():
        page.get_by_label("Portal").select_option("Portal B")
    assert str(portals[1]) in page.url
    page.get_by_role("navigation", name="Statistics").get_by_role("link", name="Drift").click()
    assert page.get_by_label("Portal").input_value() == str(portals[1])
    assert {cell.inner_text() for cell in page.locator("#drift tbody th").all()} == {"Portal B"}


def test_drift_alarms_stand_in_the_bar_and_lead_to_their_page(lead: Window) -> None:
    page = lead.open("/models")
    alarms = page.locator("[data-alarms]")
    alarms.wait_for()
    shown = int(alarms.inner_text().split()[0])
    alarms.click()
    assert page.url.endswith("/lead/drift")
    assert page.locator("#drift .mark-urgent").count() == shown > 0
    assert page.get_by_role("img").first.get_attribute("aria-label", timeout=1000).startswith("Share of pictures")  # type: ignore[union-attr]


def test_a_table_comes_as_a_file(lead: Window) -> None:
    page = lead.open("/lead/readers")
    with page.expect_download() as download:
        page.get_by_role("link", name="Readers as CSV").click()
    assert download.value.suggested_filename.startswith("dermatrail-readers-throughput-")
    rows = list(csv.reader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert {row[0] for row in rows[1:]} == {"Dr Lind", "Dr Moreau"}


def test_a_dermatologist_is_refused(portals: list[UUID], window: Window) -> None:
    page = window.sign_in("lind@clinic.example")
    assert page.get_by_role("link", name="Statistics").count() == 0
    answer = window.context.request.get(f"{window.address}/lead/queue")
    assert answer.status == 403


def test_nothing_has_to_be_scrolled_sideways_on_a_tablet(portals: list[UUID], open_window: OpenWindow) -> None:
    tablet = open_window(width=820, height=1180, dark=True)
    tablet.sign_in("lead@clinic.example")
    assert {name: tablet.open(f"/lead/{name}").evaluate(SIDEWAYS) for name in PAGES} == dict.fromkeys(PAGES, False)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(portals: list[UUID], open_window: OpenWindow, dark: bool) -> None:
    seen = open_window(dark=dark)
    seen.sign_in("lead@clinic.example")
    for name in PAGES:
        page = seen.open(f"/lead/{name}")
        for details in page.locator("details").all():
            details.evaluate("element => { element.open = true; }")
        assert findings(page) == [], name
