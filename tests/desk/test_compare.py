"""Visits side by side and over each other, and the timeline, in a real Chromium."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings, sideways
from tests.desk.trail_pictures import answer, followed, matrix_between, shown
from tests.review.seeds import Clinic
from tests.review.trail_seeds import START, Growing, compare, measures, store_measures, visits

pytestmark = pytest.mark.browser

LOADED = ".pane:not([hidden])[data-loaded=yes]"
# The place of the picture that lies in the middle of a pane, px of that picture, and how large it is shown.
LOOK = """pane => {
    const box = pane.querySelector("[data-host]").getBoundingClientRect();
    const layer = pane.querySelector("[data-layer]");
    const matrix = new DOMMatrix(getComputedStyle(layer).transform === "none" ? "" : getComputedStyle(layer).transform);
    const scale = layer.offsetWidth / Number(pane.dataset.width);
    const [width, height] = [layer.offsetWidth / 2, layer.offsetHeight / 2];
    const middle = { x: box.width / 2 - layer.offsetLeft - width, y: box.height / 2 - layer.offsetTop - height };
    const back = matrix.inverse().transformPoint(middle);
    const turn = Math.atan2(matrix.b, matrix.a) * 180 / Math.PI;
    return [(back.x + width) / scale, (back.y + height) / scale, scale, turn];
}"""


def open_compare(window: Window, lesion: Growing, *cases: UUID) -> Page:
    """Opens visits side by side and waits until their pictures are there."""
    page = window.open(f"/lesions/{lesion.lesion_id}/compare?" + "&".join(f"visit={case}" for case in cases))
    expect(page.locator(LOADED)).to_have_count(page.locator(".pane").count())
    page.wait_for_timeout(300)
    return page


def looks(page: Page) -> list[list[float]]:
    """Of each pane x, y, scale and turn."""
    page.wait_for_timeout(400)
    return [pane.evaluate(LOOK) for pane in page.locator(".pane:not([hidden])").all()]


def expect_linked(page: Page, matrix: Any) -> None:
    """The earlier pane looks at the same place of the skin as the later one, as large and turned alike."""
    (x, y, scale, turn), (later_x, later_y, later_scale, later_turn) = looks(page)
    there = matrix @ [x, y, 1]
    size = (matrix[0, 0] ** 2 + matrix[1, 0] ** 2) ** 0.5
    assert [float(there[0]), float(there[1])] == pytest.approx([later_x, later_y], abs=4 / later_scale)
    assert scale == pytest.approx(later_scale * size, rel=0.02)
    assert later_turn == 0
    assert turn == pytest.approx(-11, abs=1)


@pytest.fixture
def lesion(clinic: Clinic, tenant: UUID) -> Growing:
    """Three visits of a growing lesion, each picture turned by 11 degrees against the one before."""
    return followed(clinic, tenant)


def laid(page: Page) -> Locator:
    return page.locator("[data-laid][data-drawn=yes]")


def test_one_key_compares_with_the_visit_before_and_another_goes_back(lesion: Growing, reader: Window) -> None:
    page = reader.open(f"/cases/{lesion.cases[2]}")
    page.keyboard.press("v")
    page.wait_for_url("**/compare?earlier=*")
    assert [str(case) in page.url for case in lesion.cases] == [False, True, True]
    expect(page.locator(".pane")).to_have_count(2)
    page.keyboard.press("v")
    page.wait_for_url(f"**/cases/{lesion.cases[2]}")


def test_zoom_and_pan_are_one_for_all_panes(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    matrix = matrix_between(shown(1), shown(2))
    expect_linked(page, matrix)
    before = looks(page)[1][2]
    # The wheel over the earlier picture, away from its middle: it leads, the later one follows.
    box = page.locator(".pane").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.45 * box["height"])
    page.mouse.wheel(0, -600)
    assert looks(page)[1][2] > 1.2 * before
    expect_linked(page, matrix)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
    page.mouse.up()
    expect_linked(page, matrix)
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowLeft")
    expect_linked(page, matrix)
    page.keyboard.press("0")
    expect_linked(page, matrix)


def test_unlinked_panes_move_alone(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("l")
    expect(page.get_by_label("Linked")).not_to_be_checked()
    earlier, before = looks(page)
    assert earlier[3] == 0, "a picture that stands alone is not turned"
    page.locator(".pane").last.hover()
    page.mouse.wheel(0, -600)
    later = looks(page)
    assert later[0] == pytest.approx(earlier)
    assert later[1][2] > 1.2 * before[2]
    page.keyboard.press("l")
    expect_linked(page, matrix_between(shown(1), shown(2)))


def test_three_visits_are_linked_over_the_one_between(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases)
    page.keyboard.press("+")
    found = looks(page)
    assert [round(look[3]) for look in found] == [-22, -11, 0]
    assert found[0][2] < found[1][2] * 1.05 < found[2][2] * 1.1


def test_the_pointers_place_is_shown_in_the_other_picture(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    box = page.locator(".pane").last.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    cross = page.locator(".pane").first.locator("[data-cross]")
    expect(cross).to_be_visible()
    at, other = cross.bounding_box(), page.locator(".pane").first.bounding_box()
    assert at
    assert other
    assert at["x"] + 12 == pytest.approx(other["x"] + 0.5 * other["width"], abs=3)
    expect(page.locator(".pane").last.locator("[data-cross]")).to_be_hidden()


def test_the_slider_fades_the_earlier_picture_over_the_later_one(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("o")
    expect(page.locator(".pane").first).to_be_hidden()
    expect(laid(page)).to_be_visible()
    expect(laid(page)).to_have_css("opacity", "0.5")
    page.get_by_label("Opacity of what is laid").fill("20")
    expect(laid(page)).to_have_css("opacity", "0.2")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("ArrowRight")
    expect(laid(page)).to_have_css("opacity", "0.3")
    expect(page.locator("[data-mode-note]")).to_have_text("2 Jul 2026 over 31 Oct 2026")
    assert laid(page).evaluate("image => image.naturalWidth") == 1024
    page.keyboard.press("1")
    expect(page.locator("[data-outline-earlier][data-drawn=yes]")).to_be_visible()


def test_the_divider_is_moved_by_pointer_and_by_keys(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("w")
    divider = page.get_by_role("slider", name="Divider")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "52")
    cut = laid(page).evaluate("image => getComputedStyle(image).clipPath")
    assert cut.startswith("inset(0px ")
    at, pane = divider.bounding_box(), page.locator(".pane").last.bounding_box()
    assert at
    assert pane
    page.mouse.move(at["x"] + 22, at["y"] + 100)
    page.mouse.down()
    page.mouse.move(pane["x"] + 0.25 * pane["width"], at["y"] + 100, steps=4)
    page.mouse.up()
    assert int(divider.get_attribute("aria-valuenow") or 0) == pytest.approx(25, abs=1)
    assert laid(page).evaluate("image => getComputedStyle(image).clipPath") != cut
    divider.press("Home")
    expect(divider).to_have_attribute("aria-valuenow", "0")


def test_blinking_begins_and_ends_with_a_key(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("b")
    note = page.locator("[data-mode-note]")
    for shows in ("later", "earlier", "later"):
        expect(note).to_have_attribute("data-shows", shows)
    page.keyboard.press("b")
    expect(note).to_have_attribute("data-shows", "overlay")
    page.wait_for_timeout(900)
    expect(laid(page)).to_be_visible()


def test_nothing_blinks_by_itself_where_stillness_is_asked_for(lesion: Growing, reader: Window) -> None:
    reader.page.emulate_media(reduced_motion="reduce")
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("b")
    note = page.locator("[data-mode-note]")
    page.wait_for_timeout(1600)
    expect(note).to_have_attribute("data-shows", "earlier")
    page.keyboard.press("b")
    expect(note).to_have_attribute("data-shows", "later")
    expect(laid(page)).to_be_hidden()


def test_the_difference_map_lies_on_the_later_picture(lesion: Growing, reader: Window) -> None:
    page = open_compare(reader, lesion, *lesion.cases[1:])
    page.keyboard.press("d")
    difference = page.locator("[data-difference][data-drawn=yes]")
    expect(difference).to_be_visible()
    expect(page.locator("[data-laid]")).to_be_hidden()
    assert difference.evaluate("image => image.naturalWidth") == 1024


def test_without_a_valid_comparison_the_reason_is_said_and_panes_are_linked_plainly(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    lesion = visits(clinic, tenant, [answer(shown(number), 0.4) for number in (0, 1)])
    with clinic.worker.transaction() as session:
        images = store_measures(session, lesion, [measures(31, scale=None), measures(37, scale=None)])
        compare(session, clinic, lesion, (0, 1), None, images=images, why="magnification")
    page = open_compare(reader, lesion)
    expect(page.locator(".compare-side")).to_contain_text("No valid comparison: different magnification")
    expect(page.locator("[data-link-note]").first).to_have_text("not registered: linked by the size of the picture, from the middle")
    page.keyboard.press("o")
    expect(page.locator("[data-mode-note]")).to_have_text("No valid comparison: different magnification")
    expect(page.locator(".pane")).to_have_count(2)
    page.locator(".pane").last.hover()
    page.mouse.wheel(0, -600)
    one, two = looks(page)
    assert one == pytest.approx(two, abs=0.6)


def test_pictures_laid_alike_by_hand_stay_linked_so(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    lesion = visits(clinic, tenant, [answer(shown(number), 0.4) for number in (0, 1)])
    page = open_compare(reader, lesion)
    page.keyboard.press("l")
    page.locator(".pane").first.hover()
    page.mouse.wheel(0, -600)
    one, two = looks(page)
    ratio = one[2] / two[2]
    assert ratio > 1.2
    page.keyboard.press("l")
    page.locator(".pane").last.hover()
    page.mouse.wheel(0, -600)
    one, two = looks(page)
    assert one[2] / two[2] == pytest.approx(ratio, rel=0.02)


def test_ten_visits_stand_in_a_row_and_in_the_charts(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    gaps = (0, 1, 2, 5, 6, 9, 12, 13, 20, 24)
    lesion = followed(clinic, tenant, 10, growth=0.06, turn=4.0, at=[START + timedelta(days=30 * gap) for gap in gaps])
    page = reader.open(f"/lesions/{lesion.lesion_id}")
    expect(page.locator(".visit-card")).to_have_count(10)
    expect(page.locator(".visit-step")).to_have_count(9)
    expect(page.locator(".visit-card").last).to_be_in_viewport()
    plots = page.locator("[data-lesion-chart] canvas")
    expect(plots).to_have_count(6)
    plot = page.locator("[data-lesion-chart=area]")
    plot.focus()
    plot.press("Home")
    readout = page.locator(".lesion-chart").first.locator(".readout")
    expect(readout).to_have_text("2 Mar 2026: 31.0 mm² ± 0.9")
    plot.press("ArrowRight")
    expect(readout).to_contain_text("1 Apr 2026: 32.9 mm²")
    assert sideways(page) <= 0
    # Any of them side by side.
    boxes = page.get_by_label("compare visit")
    expect(boxes).to_have_count(10)
    boxes.nth(2).check()
    page.keyboard.press("c")
    page.wait_for_url("**/compare?visit=*")
    expect(page.locator(".pane")).to_have_count(3)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_of_the_trail_has_a_serious_fault(
    lesion: Growing, clinic: Clinic, tenant: UUID, open_window: OpenWindow, *, dark: bool
) -> None:
    clinic.user(tenant)
    window = open_window(width=1280 if dark else 820, height=1180, dark=dark)
    window.sign_in()
    for path in (f"/lesions/{lesion.lesion_id}", f"/cases/{lesion.cases[2]}"):
        page = window.open(path)
        assert (path, findings(page), sideways(page) <= 0) == (path, [], True)
    page = open_compare(window, lesion, *lesion.cases)
    for key in ("1", "o", "w", "d"):
        page.keyboard.press(key)
        assert (key, findings(page), sideways(page) <= 0) == (key, [], True)
