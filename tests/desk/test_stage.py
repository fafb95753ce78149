"""The stage of the case page in a real Chromium: deep zoom, overlays, ruler and keys."""

import io
import re
import threading
from functools import cache
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from models.synthetic import Kind, draw
from tests.desk.conftest import Window
from tests.desk.test_axe import findings
from tests.review.seeds import MELANOMA, Clinic, Seen, jpeg
from workers.tiles import TileMaker

pytestmark = pytest.mark.browser

TWENTY_FOUR_MEGAPIXELS = (6000, 4000)
PAGE_BYTES = 500_000
BOX = "part => { const b = part.getBoundingClientRect(); return [b.left, b.top, b.width, b.height].map(Math.round); }"
LOADED = "[data-picture]:not([hidden])[data-loaded=yes]"


@cache
def large_jpeg(width: int, height: int) -> bytes:
    """A drawn lesion with the grain of a camera."""
    drawn = Image.fromarray(draw(seed=3, kind=Kind.MELANOMA).rgb).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 3, (height // 4, width // 4)).repeat(4, 0).repeat(4, 1)[..., None]
    pixels = np.clip(np.asarray(drawn, np.float32) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def large_case(clinic: Clinic, tenant: UUID, *, size: tuple[int, int] = (3000, 2000)) -> UUID:
    """A case with a large picture whose tiles are made."""
    case_id = clinic.case(tenant, Seen(MELANOMA, picture=large_jpeg(*size), size=size, heatmap=jpeg(512, 341)))
    assert TileMaker(database=clinic.worker, store=clinic.store, stopping=threading.Event()).make_all() == 1
    return case_id


def open_case(window: Window, case_id: UUID) -> Page:
    """Opens a case and waits until its picture is on the screen."""
    page = window.open(f"/cases/{case_id}")
    page.wait_for_selector(LOADED)
    return page


def zoom(page: Page) -> float:
    """Per cent of the actual size, as the page says it."""
    text = page.locator("[data-picture]:not([hidden]) [data-zoom-now]").inner_text()
    return float(text.removesuffix(" %"))


def settled(page: Page) -> float:
    """The zoom once it has stopped changing."""
    page.wait_for_timeout(400)
    return zoom(page)


def test_a_large_picture_is_seen_whole_and_fetched_only_in_part(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = large_case(clinic, tenant, size=TWENTY_FOUR_MEGAPIXELS)
    asked = list[str]()
    reader.page.on("request", lambda request: asked.append(request.url))
    page = open_case(reader, case_id)
    page.wait_for_timeout(300)
    assert not [url for url in asked if url.endswith("/view")]
    assert 1 < len([url for url in asked if "/tiles/" in url]) < 40


def test_the_page_itself_is_light(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = large_case(clinic, tenant)
    open_case(reader, case_id)
    weigh = """() => performance.getEntries().filter((entry) => ["resource", "navigation"].includes(entry.entryType))
        .filter((entry) => !entry.name.includes("/pictures/")).reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
    weight = reader.page.evaluate(weigh)
    assert 50_000 < weight <= PAGE_BYTES, f"{weight} bytes"


def test_keys_zoom_to_the_actual_size_and_back(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, large_case(clinic, tenant))
    whole = settled(page)
    page.keyboard.press("z")
    assert settled(page) == 100
    page.keyboard.press("z")
    assert settled(page) == whole
    page.keyboard.press("+")
    larger = settled(page)
    page.keyboard.press("-")
    assert whole * 1.4 < larger
    assert settled(page) == whole
    page.keyboard.press("z")
    page.keyboard.press("0")
    assert settled(page) == whole


def test_the_wheel_zooms_and_dragging_moves(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, large_case(clinic, tenant))
    before = settled(page)
    page.mouse.move(500, 400)
    page.mouse.wheel(0, -400)
    assert settled(page) > before
    left = page.locator("[data-layer]").evaluate("layer => layer.getBoundingClientRect().left")
    page.mouse.down()
    page.mouse.move(600, 400, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert page.locator("[data-layer]").evaluate("layer => layer.getBoundingClientRect().left") == pytest.approx(left + 100, abs=3)


def test_the_view_moves_by_keys_alone(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, large_case(clinic, tenant))
    page.keyboard.press("z")
    page.wait_for_timeout(300)
    top = page.locator("[data-layer]").evaluate("layer => layer.getBoundingClientRect().top")
    page.keyboard.press("Shift+ArrowDown")
    page.wait_for_timeout(300)
    assert page.locator("[data-layer]").evaluate("layer => layer.getBoundingClientRect().top") < top - 50


def test_overlays_lie_on_the_picture_at_every_zoom(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, large_case(clinic, tenant))
    page.keyboard.press("2")
    expect(page.locator("[data-heat]")).to_have_attribute("data-drawn", "yes")
    for key in ("0", "z", "-"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        boxes = [page.locator(part).evaluate(BOX) for part in ("[data-layer]", "[data-outline]", "[data-heat]")]
        assert boxes[0] == boxes[1] == boxes[2]
        assert boxes[0][2] / boxes[0][3] == pytest.approx(1.5, abs=0.01)


def test_keys_show_and_hide_outline_and_heat_map(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48))))
    outline, heat = page.locator("[data-outline]"), page.locator("[data-heat]")
    expect(outline).to_have_attribute("data-drawn", "yes")
    page.keyboard.press("1")
    expect(outline).to_be_hidden()
    page.get_by_label("Opacity of the outline").fill("40")
    page.keyboard.press("1")
    expect(outline).to_have_attribute("opacity", "0.4")
    expect(heat).to_be_hidden()
    page.keyboard.press("2")
    expect(heat).to_be_visible()
    expect(page.get_by_text("evidence for MEL")).to_be_visible()


def test_key_3_shows_the_picture_without_hair(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, clinic.case(tenant, Seen(MELANOMA, hairfree=jpeg(320, 240, colour=(90, 50, 40)))))
    hair = page.locator("[data-hair]")
    expect(hair).to_be_hidden()
    page.keyboard.press("3")
    expect(hair).to_have_attribute("data-drawn", "yes")
    expect(hair).to_be_visible()
    expect(page.get_by_text("Dark threads painted over")).to_be_visible()
    page.keyboard.press("3")
    expect(hair).to_be_hidden()


def test_the_ruler_measures_between_two_clicks(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, large_case(clinic, tenant))
    page.keyboard.press("z")
    page.wait_for_timeout(300)
    page.keyboard.press("r")
    page.mouse.click(300, 300)
    page.mouse.click(500, 300)
    expect(page.locator(".ruler output")).to_have_text("200 px · relative")
    page.keyboard.press("Escape")
    expect(page.locator(".ruler")).to_be_hidden()
    assert "/cases/" in page.url


def test_the_ruler_works_by_keys_and_decides_nothing(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, clinic.case(tenant, Seen(MELANOMA, spacing=0.02), Seen(MELANOMA)))
    address = page.url
    page.wait_for_timeout(900)
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.url == address
    shown = page.locator(".ruler output").inner_text()
    px, mm = re.fullmatch(r"([\d.]+) mm · (\d+) px", shown).groups()[::-1]  # type: ignore[union-attr]
    assert float(mm) == pytest.approx(int(px) * 0.02, abs=0.011)
    expect(page.locator(".ruler [role=status]")).to_contain_text("Length")
    expect(page.locator("[data-picture='1']")).to_be_visible()


def test_arrows_bring_the_next_picture_with_its_finding(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, clinic.case(tenant, Seen(MELANOMA), Seen(MELANOMA)))
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[data-picture='2']:not([hidden])[data-loaded=yes]")
    expect(page.locator("[data-finding='2']").first).to_be_visible()
    expect(page.locator("[data-finding='1']").first).to_be_hidden()


def test_a_picture_that_does_not_come_is_said(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.context.new_page()  # the browser's console may complain here
    page.route("**/view", lambda route: route.fulfill(status=200, content_type="image/jpeg", body=b"not a picture"))
    page.goto(f"{reader.address}/cases/{case_id}")
    expect(page.get_by_text("The picture could not be loaded.")).to_be_visible(timeout=15_000)


def test_without_its_tiles_the_whole_picture_is_shown(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = large_case(clinic, tenant)
    page = reader.context.new_page()
    page.route("**/tiles/**", lambda route: route.fulfill(status=404, body=b""))
    page.goto(f"{reader.address}/cases/{case_id}")
    page.wait_for_selector(LOADED)
    expect(page.get_by_text("The picture could not be loaded.")).to_be_hidden()


def test_without_the_zoom_library_the_picture_is_still_shown(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reader.page.route("**/openseadragon.min.js", lambda route: route.fulfill(status=200, content_type="text/javascript", body=""))
    page = open_case(reader, case_id)
    expect(page.locator("img.plain")).to_be_visible()
    assert page.locator("[data-outline]").evaluate(BOX)[2] > 200


def test_axe_finds_nothing_serious_while_everything_is_laid_over_the_picture(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = open_case(reader, clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48), hairfree=jpeg())))
    for key in ("2", "3", "r", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".ruler output")).to_be_visible()
    assert findings(page) == []
