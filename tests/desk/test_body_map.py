"""The patient's page in the browser: the body map by keyboard and mouse, placing a lesion, and many lesions."""

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from infra.bench.patient_seed import Seeded
from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings
from tests.review.patients import many_lesions
from tests.review.seeds import MELANOMA, Clinic, Seen, jpeg

pytestmark = pytest.mark.browser


@pytest.fixture
def seeded(clinic: Clinic, tenant: UUID, superuser_engine: Engine) -> Seeded:
    """A patient with a dozen lesions, a third of them placed."""
    user = clinic.user(tenant, email="seeds@clinic.example")
    made = many_lesions(superuser_engine, tenant=tenant, reader=user, lesions=12, visits=2)
    thumbnails(clinic, superuser_engine)
    return made


def thumbnails(clinic: Clinic, superuser_engine: Engine) -> None:
    picture = jpeg(128, 96)
    with superuser_engine.connect() as connection:
        for key in connection.scalars(text("SELECT lead_thumbnail_key FROM cases")):
            clinic.store.put(key, picture, "image/jpeg")


def opened(window: Window, seeded: Seeded) -> Page:
    page = window.open(f"/patients/{seeded.patient_id}")
    page.wait_for_load_state("networkidle")
    return page


def focused(page: Page) -> str:
    """The lesion of the focused point."""
    return str(page.evaluate("document.activeElement.dataset.spot ?? ''"))


def places(superuser_engine: Engine, lesion: UUID) -> tuple[str, float, float]:
    with superuser_engine.connect() as connection:
        row = connection.execute(text("SELECT map_view, map_x, map_y FROM lesions WHERE id = :id"), {"id": lesion}).one()
    return str(row.map_view), float(row.map_x), float(row.map_y)


def test_the_map_is_one_stop_and_arrows_walk_from_point_to_point(reader: Window, seeded: Seeded) -> None:
    page = opened(reader, seeded)
    assert page.locator("[data-spot][tabindex='0']").count() == 1
    page.locator("[data-spot][tabindex='0']").focus()
    seen = [focused(page)]
    for key in ("ArrowUp", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowRight", "End", "Home"):
        page.keyboard.press(key)
        seen.append(focused(page))
    assert all(seen)
    assert len(set(seen)) >= 4
    assert page.locator("[data-spot][tabindex='0']").count() == 1
    card = page.locator("[data-card]")
    expect(card).to_be_visible()
    expect(card.locator("img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/lesions/{seen[-1]}")


def test_pointing_at_a_point_shows_its_last_picture_and_its_row(reader: Window, seeded: Seeded) -> None:
    page = opened(reader, seeded)
    lesion = seeded.lesion_ids[0]
    page.locator(f"[data-spot='{lesion}']").hover()
    card = page.locator("[data-card]")
    expect(card).to_contain_text("L-1")
    expect(card).to_contain_text("grew 30 % ± 4")
    expect(page.locator(f"#lesion-{lesion}")).to_have_class("row-shown")
    page.locator("h1").hover()
    expect(card).to_be_hidden()


def test_a_lesion_is_placed_by_keyboard_alone(reader: Window, seeded: Seeded, superuser_engine: Engine) -> None:
    page = opened(reader, seeded)
    lesion = seeded.lesion_ids[5]  # nobody knows its site
    assert page.locator(f"[data-spot='{lesion}']").count() == 0
    page.locator(f"#lesion-{lesion} .row-link").focus()
    page.keyboard.press("p")
    expect(page.get_by_text("Place L-6, site not given")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.locator(f"[data-spot='{lesion}']:focus").wait_for()
    view, x, y = places(superuser_engine, lesion)
    assert view == "front"
    assert x == pytest.approx(0.5 + 0.004 * 486 / 224, abs=0.001)
    assert y == pytest.approx(0.32, abs=0.001)


def test_a_click_in_another_view_places_a_lesion_and_escape_leaves_it(reader: Window, seeded: Seeded, superuser_engine: Engine) -> None:
    page = opened(reader, seeded)
    lesion = seeded.lesion_ids[1]
    button = page.locator(f"#lesion-{lesion} [data-place]")
    button.click()
    page.keyboard.press("Escape")
    expect(page.locator("[data-placing]")).to_be_hidden()
    button.click()
    page.get_by_label("View").select_option("left_hand")
    figure = page.locator("[data-view=left_hand]")
    box = figure.bounding_box()
    assert box
    figure.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    with page.expect_navigation():
        page.get_by_role("button", name="Save place").click()
    view, x, y = places(superuser_engine, lesion)
    assert view == "left_hand"
    assert x == pytest.approx(0.5, abs=0.01)
    assert y == pytest.approx(0.5, abs=0.01)


def test_choices_leave_rows_and_dim_the_other_points(reader: Window, seeded: Seeded) -> None:
    page = opened(reader, seeded)
    page.get_by_role("button", name="Stands out 1").click()
    expect(page.locator("tr[data-lesion]:visible")).to_have_count(1)
    expect(page.locator("[data-spot]:not(.spot-away)")).to_have_count(1)
    page.get_by_role("button", name="All 12").click()
    expect(page.locator("tr[data-lesion]:visible")).to_have_count(12)


@pytest.mark.parametrize("width", [1280, 820])
def test_two_hundred_lesions_stay_usable(
    clinic: Clinic, tenant: UUID, superuser_engine: Engine, open_window: OpenWindow, width: int
) -> None:
    user = clinic.user(tenant)
    many = many_lesions(superuser_engine, tenant=tenant, reader=user, lesions=200, visits=2)
    thumbnails(clinic, superuser_engine)
    window = open_window(width=width, height=900)
    window.sign_in()
    page = opened(window, many)
    assert page.locator("tr[data-lesion]").count() == 200
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("[data-spot][tabindex='0']").focus()
    visited = set()
    # Along each direction in turn: down and straight up again would end where it began.
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"):
        for _ in range(8):
            page.keyboard.press(key)
            visited.add(focused(page))
    assert len(visited) > 8
    page.locator("tr[data-lesion]").last.scroll_into_view_if_needed()
    expect(page.locator("tr[data-lesion]").last.locator("img")).to_be_visible()


def test_a_line_along_a_ruler_gives_the_picture_its_scale(reader: Window, clinic: Clinic, tenant: UUID) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    page = reader.open(f"/cases/{case}")
    page.locator("[data-picture][data-loaded=yes]").wait_for()
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    output = page.locator(".ruler output")
    expect(output).to_contain_text("relative")
    page.keyboard.press("m")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(output).to_contain_text("5.00 mm")
    expect(page.locator("[data-measures]")).to_contain_text("scale: ruler in the picture")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_map_has_no_serious_fault_also_while_a_lesion_is_placed(
    *, clinic: Clinic, tenant: UUID, seeded: Seeded, open_window: OpenWindow, dark: bool
) -> None:
    clinic.user(tenant)
    window = open_window(width=1280, dark=dark)
    window.sign_in()
    page = opened(window, seeded)
    assert findings(page) == []
    page.locator("[data-spot][tabindex='0']").focus()
    assert findings(page) == []
    page.keyboard.press("p")
    assert findings(page) == []
