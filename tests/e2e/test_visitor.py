"""A visitor's picture through every process: desk, store, doorbell, worker, and back to the page."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from infra.local import LocalStack
from models.synthetic import Kind, draw

pytestmark = pytest.mark.browser

ANSWER_MS = 20_000  # well under the half minute after which upkeep would ring, too


def test_a_visitor_tries_a_picture(running_stack: LocalStack, page: Page, tmp_path: Path) -> None:
    spot = tmp_path / "spot.jpg"
    Image.fromarray(draw(seed=0, kind=Kind.NAEVUS, width=900, height=900).rgb).save(spot, quality=92)
    page.goto(f"http://127.0.0.1:{running_stack.choices.ports['review']}/")
    page.get_by_role("navigation").get_by_role("link", name="Try an image").click()
    page.get_by_label("Picture from a file").set_input_files(spot)
    page.get_by_role("checkbox", name="not a diagnosis").check()
    page.get_by_role("button", name="Analyse the picture").click()
    expect(page.get_by_role("heading", name="What the models say")).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator("[data-outline]")).to_have_attribute("data-drawn", "yes")
    assert page.locator(".ranking tbody tr").count() == 8
