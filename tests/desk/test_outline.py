"""Correcting an outline in the browser: draw, save, measure; with the mouse, by keyboard alone, and on a tablet."""

from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from services.records.claims import claim_case
from services.records.views import ImageView, load_case
from tests.desk.conftest import OpenWindow, Window
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, jpeg, mask_png
from workers.measuring import OutlineMeasurer

pytestmark = pytest.mark.browser

SIZE = (1600, 1200)


def big_case(clinic: Clinic, tenant: UUID) -> UUID:
    width, height = SIZE
    return clinic.case(tenant, Seen(MELANOMA, picture=jpeg(width, height), mask=mask_png(512, 384), size=SIZE))


def measure(clinic: Clinic) -> int:
    return OutlineMeasurer(transaction=clinic.worker.transaction, store=clinic.store).run()


def image_of(clinic: Clinic, tenant: UUID, case_id: UUID) -> ImageView:
    with clinic.intake.transaction(tenants=[tenant]) as session:
        return load_case(session=session, tenant_ids=[tenant], case_id=case_id).images[0]


def open_case(window: Window, case_id: UUID) -> Page:
    page = window.open(f"/cases/{case_id}")
    page.locator("[data-picture][data-loaded=yes]").wait_for()
    return page


def edit(page: Page) -> None:
    page.keyboard.press("m")
    page.locator(".editor-surface").wait_for()


def drag(page: Page, *places: tuple[float, float]) -> None:
    """Drags over the drawing, places as shares of its width and height."""
    box = page.locator(".editor-surface").bounding_box()
    assert box
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def click(page: Page, x: float, y: float) -> None:
    box = page.locator(".editor-surface").bounding_box()
    assert box
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def cells(page: Page) -> int:
    """How much of the drawing is lesion, by the pixels on the canvas that are white or tinted."""
    count = """canvas => {
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let n = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] && data[i + 2] > 100) n += 1;
        return n;
    }"""
    return int(page.locator(".editor-surface canvas").evaluate(count))


def test_a_drawn_outline_is_saved_and_measured_and_its_author_is_named(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    panel = page.locator("[data-measures]")
    expect(panel).to_contain_text("12.7 % of picture")
    edit(page)
    before = cells(page)
    drag(page, (0.5, 0.2), (0.8, 0.5))
    assert cells(page) > before
    page.keyboard.press("Control+s")
    expect(page.locator(".editor-surface")).to_have_count(0)
    expect(panel).to_contain_text("Outline corrected by Dr Lind")
    expect(panel).to_contain_text("Being measured")
    assert measure(clinic) == 1
    expect(panel).not_to_contain_text("Being measured")
    expect(panel).to_contain_text("% of picture")
    expect(panel).not_to_contain_text("12.7 % of picture")


def test_the_drawing_is_the_models_outline_to_begin_with(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    edit(page)
    expect(page.locator(".editor-surface canvas")).to_have_attribute("width", "1024")
    assert cells(page) == pytest.approx(1024 * 768 * 3.14159 * 0.2 * 0.25, rel=0.04)


def test_brush_and_eraser_undo_and_redo(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    edit(page)
    save = page.get_by_role("button", name="Save outline")
    expect(save).to_be_disabled()
    counts = [cells(page)]
    drag(page, (0.1, 0.1), (0.3, 0.1))
    counts.append(cells(page))
    page.keyboard.press("e")
    page.keyboard.press("]")
    drag(page, (0.5, 0.3), (0.5, 0.7))
    counts.append(cells(page))
    assert counts[1] > counts[0]
    assert counts[2] < counts[1]
    expect(save).to_be_enabled()
    for expected in (counts[1], counts[0], counts[0]):
        page.keyboard.press("Control+z")
        assert cells(page) == expected
    expect(page.locator("[data-editor-status]")).to_have_text("Nothing to undo.")
    expect(save).to_be_disabled()
    for expected in (counts[1], counts[2], counts[2]):
        page.keyboard.press("Control+Shift+z")
        assert cells(page) == expected
    page.keyboard.press("Control+z")
    page.keyboard.press("b")
    drag(page, (0.8, 0.8), (0.9, 0.8))  # what was undone is gone once something else is drawn
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()


def test_a_polygon_is_closed_by_enter_and_by_a_double_click_and_loses_its_last_corner(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    edit(page)
    page.get_by_role("button", name="Erase all").click()
    assert cells(page) == 0
    page.keyboard.press("p")
    for place in ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.9, 0.9)):
        click(page, *place)
    page.keyboard.press("Backspace")
    click(page, 0.1, 0.4)
    page.keyboard.press("Enter")
    square = 1024 * 768 * 0.3 * 0.3
    assert cells(page) == pytest.approx(square, rel=0.04)
    for place in ((0.6, 0.1), (0.9, 0.1), (0.9, 0.4)):
        click(page, *place)
    box = page.locator(".editor-surface").bounding_box()
    assert box
    page.mouse.dblclick(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    assert cells(page) == pytest.approx(2 * square, rel=0.04)
    page.keyboard.press("Control+z")
    assert cells(page) == pytest.approx(square, rel=0.04)


def test_a_hole_is_filled_and_what_is_open_is_not(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    edit(page)
    whole = cells(page)
    page.keyboard.press("e")
    drag(page, (0.48, 0.5), (0.52, 0.5))
    assert cells(page) < whole
    page.keyboard.press("f")
    click(page, 0.5, 0.5)
    assert cells(page) == whole
    click(page, 0.05, 0.05)
    assert cells(page) == whole
    expect(page.locator("[data-editor-status]")).to_contain_text("open to the border")


def test_an_outline_is_corrected_by_keyboard_alone(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = big_case(clinic, tenant)
    page = open_case(reader, case_id)
    edit(page)
    before = cells(page)
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-editor-status]")).to_contain_text("% from the left")
    page.keyboard.down(" ")
    for _ in range(12):
        page.keyboard.press("ArrowUp")
    page.keyboard.up(" ")
    painted = cells(page)
    assert painted > before
    page.keyboard.press("ArrowUp")  # the brush is up again
    assert cells(page) == painted
    page.keyboard.press("p")
    for moves in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(" ")
        for _ in range(5):
            page.keyboard.press(moves)
    page.keyboard.press(" ")
    page.keyboard.press("Enter")
    assert cells(page) >= painted
    page.keyboard.press("Control+s")
    expect(page.locator(".editor-surface")).to_have_count(0)
    assert image_of(clinic, tenant, case_id).outline is not None


def test_keys_of_the_decision_are_silent_while_drawing(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, big_case(clinic, tenant))
    edit(page)
    for key in ("x", "n", "s", "q", "Enter", "ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(800)
    page.keyboard.press("Enter")
    expect(page.locator(".editor-surface")).to_be_visible()
    expect(page.locator("[data-panel][open]")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".editor-surface")).to_have_count(0)
    page.keyboard.press("x")
    expect(page.locator("[data-panel][open]")).to_have_count(1)


def test_escape_asks_before_a_drawing_is_lost(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = big_case(clinic, tenant)
    page = open_case(reader, case_id)
    edit(page)
    drag(page, (0.1, 0.1), (0.3, 0.1))
    painted = cells(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_contain_text("Leave without saving?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert cells(page) == painted
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Leave without saving").click()
    expect(page.locator(".editor-surface")).to_have_count(0)
    assert image_of(clinic, tenant, case_id).outline is None


def test_the_models_outline_is_shown_beside_and_restored(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = big_case(clinic, tenant)
    page = open_case(reader, case_id)
    compare = page.get_by_label("Model’s outline")
    expect(compare).to_be_hidden()
    path = page.locator("[data-outline][data-drawn=yes] .line")
    models = path.get_attribute("d") or "none"
    edit(page)
    drag(page, (0.1, 0.1), (0.3, 0.1))
    page.keyboard.press("Control+s")
    expect(compare).to_be_visible()
    expect(path).not_to_have_attribute("d", models)
    compare.check()
    expect(path).to_have_attribute("d", models)
    compare.uncheck()
    expect(path).not_to_have_attribute("d", models)
    edit(page)
    page.get_by_role("button", name="Model’s outline").click()
    expect(page.locator("[data-editor-status]")).to_have_text("The model's outline.")
    page.keyboard.press("Control+s")
    expect(page.locator(".editor-surface")).to_have_count(0)
    expect(compare).to_be_hidden()
    expect(page.locator("[data-measures]")).to_contain_text("12.7 % of picture")
    assert image_of(clinic, tenant, case_id).outline is None


def test_an_outline_is_drawn_where_the_model_gave_none(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = clinic.case(tenant, Failed("file damaged"))
    page = open_case(reader, case_id)
    edit(page)
    drag(page, (0.4, 0.4), (0.6, 0.4), (0.6, 0.6))
    page.keyboard.press("Control+s")
    expect(page.locator("[data-outline][data-drawn=yes]")).to_have_count(1)
    expect(page.locator("[data-measures]")).to_contain_text("corrected by Dr Lind")


def test_a_drawing_that_cannot_be_saved_stays(clinic: Clinic, tenant: UUID, open_window: OpenWindow) -> None:
    clinic.user(tenant)
    window = open_window(forgiving=("409",))
    window.sign_in()
    case_id = big_case(clinic, tenant)
    page = open_case(window, case_id)
    edit(page)
    drag(page, (0.1, 0.1), (0.3, 0.1))
    painted = cells(page)
    other = clinic.user(tenant, email="m@clinic.example", name="Dr Marten")
    with clinic.owner.transaction(tenants=[tenant]) as session:
        lease = timedelta(minutes=5)
        claim_case(session=session, tenant_ids=[tenant], case_id=case_id, user_id=other, lease=lease, take_over=True)
    page.keyboard.press("Control+s")
    expect(page.locator("[data-editor-problem]")).to_contain_text("Dr Marten has this case")
    assert cells(page) == painted
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Leave without saving").click()


@pytest.mark.parametrize("dark", [False, True])
def test_a_finger_draws_on_a_tablet(clinic: Clinic, tenant: UUID, open_window: OpenWindow, dark: bool) -> None:
    clinic.user(tenant)
    window = open_window(width=820, height=1180, dark=dark)
    window.sign_in()
    page = open_case(window, big_case(clinic, tenant))
    page.get_by_role("button", name="Correct").first.click()
    surface = page.locator(".editor-surface")
    surface.wait_for()
    before = cells(page)
    box = surface.bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.1), ("touchMove", 0.15), ("touchMove", 0.2), ("touchMove", 0.3), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": box["y"] + 0.1 * box["height"]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert cells(page) > before
    assert page.evaluate("document.documentElement.scrollWidth") <= 820
    bar = page.locator("[data-editor]").bounding_box()
    assert bar
    assert bar["x"] + bar["width"] <= 820
    page.get_by_role("button", name="Undo").click()
    assert cells(page) == before
    page.get_by_role("button", name="Cancel").click()


def test_two_fingers_zoom_the_picture_and_draw_nothing(clinic: Clinic, tenant: UUID, open_window: OpenWindow) -> None:
    clinic.user(tenant)
    window = open_window(width=820, height=1180)
    window.sign_in()
    page = open_case(window, big_case(clinic, tenant))
    edit(page)
    before = cells(page)
    surface = page.locator(".editor-surface")
    box = surface.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + 0.1 * box["height"])
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": middle[0] - 20, "y": middle[1], "id": 1}]})
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80)):
        points = [{"x": middle[0] + side * apart, "y": middle[1], "id": number} for number, side in ((1, -1), (2, 1))]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("width => document.querySelector('.editor-surface').getBoundingClientRect().width > 2 * width", arg=box["width"])
    assert cells(page) == before
    page.keyboard.press("Escape")
    expect(surface).to_have_count(0)


UNITS = """async () => {
    const { Mask } = await import("/static/js/editor_mask.js");
    const { History, MAX_STEPS } = await import("/static/js/editor_history.js");
    const { encodeMask } = await import("/static/js/editor_png.js");
    const said = {};
    const disc = new Mask(200, 200);
    disc.stroke({ x: 100, y: 100 }, { x: 100, y: 100 }, 50, 255);
    said.disc = disc.count();
    const line = new Mask(200, 100);
    line.stroke({ x: 50, y: 50 }, { x: 150, y: 50 }, 20, 255);
    said.capsule = line.count();
    const dot = new Mask(5, 5);
    dot.stroke({ x: 2.9, y: 2.1 }, { x: 2.9, y: 2.1 }, 0.5, 255);
    said.dot = dot.at(2.5, 2.5);
    const outside = new Mask(10, 10);
    outside.stroke({ x: -50, y: -50 }, { x: -40, y: -50 }, 5, 255);
    said.outside = outside.count();
    const polygon = new Mask(100, 100);
    polygon.polygon([{ x: 10, y: 10 }, { x: 60, y: 10 }, { x: 10, y: 60 }], 255);
    said.triangle = polygon.count();
    const ring = new Mask(60, 60);
    ring.stroke({ x: 30, y: 30 }, { x: 30, y: 30 }, 20, 255);
    ring.stroke({ x: 30, y: 30 }, { x: 30, y: 30 }, 10, 0);
    said.holes = [ring.fillHole(30, 30), ring.fillHole(30, 30), ring.fillHole(1, 1)];
    const mask = new Mask(64, 48);
    const history = new History(mask);
    for (let i = 0; i < MAX_STEPS + 50; i += 1) {
        mask.stroke({ x: i % 64, y: i % 48 }, { x: i % 64, y: i % 48 }, 3, i % 3 ? 255 : 0);
        history.commit();
    }
    said.bounded = history.steps.length <= MAX_STEPS;
    const end = mask.cells.slice();
    while (history.undo());
    while (history.redo());
    said.replayed = mask.cells.every((cell, i) => cell === end[i]);
    said.changed = history.changed;
    said.bytes = [...new Uint8Array(await (await encodeMask(mask)).arrayBuffer()).slice(0, 33)];
    return said;
}"""


def test_the_editors_parts_do_what_they_say(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    said = reader.page.evaluate(UNITS)
    assert said["disc"] == pytest.approx(3.14159 * 50**2, rel=0.01)
    assert said["capsule"] == pytest.approx(3.14159 * 20**2 + 100 * 40, rel=0.01)
    assert said["dot"] == 255
    assert said["outside"] == 0
    assert said["triangle"] == pytest.approx(50 * 50 / 2, rel=0.03)
    assert said["holes"] == [True, False, False]
    assert (said["bounded"], said["replayed"], said["changed"]) == (True, True, True)
    assert bytes(said["bytes"])[:8] == b"\x89PNG\r\n\x1a\n"
    assert said["bytes"][16:29] == [0, 0, 0, 64, 0, 0, 0, 48, 8, 0, 0, 0, 0]
