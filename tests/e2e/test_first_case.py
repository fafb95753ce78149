"""One image's whole way, as a portal and a dermatologist live it."""

import io
import json
import re
import time
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from infra.local import LocalStack
from infra.local.seed import Access
from models.synthetic import Kind, draw

pytestmark = pytest.mark.browser

ANALYSIS_SECONDS = 120
HELD_ENTER = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', repeat: true, bubbles: true, cancelable: true}))"
OPAQUE = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((most, value, i) => i % 4 === 3 ? Math.max(most, value) : most, 0)"""
KINDS = (Kind.NAEVUS, Kind.MELANOMA, Kind.NAEVUS, Kind.VASCULAR)


def upload(portal: httpx.Client, *, reference: str, seed: int, kind: Kind) -> str:
    """Submits one drawn lesion; returns the case's id."""
    picture = io.BytesIO()
    Image.fromarray(draw(seed=seed, kind=kind).rgb).save(picture, "JPEG", quality=92)
    case = {"patient": {"reference": reference}, "lesion": {"body_site": "back"}, "clinical_notes": "Has grown since spring."}
    answer = portal.post(
        "/v1/cases",
        data={"case": json.dumps(case)},
        files=[("images", ("lesion.jpg", picture.getvalue(), "image/jpeg"))],
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def wait_until_analysed(portal: httpx.Client, cases: list[str]) -> None:
    """Asks as a portal would, until no case is queued any more."""
    deadline = time.monotonic() + ANALYSIS_SECONDS
    waiting = list(cases)
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} cases are still queued"
        time.sleep(0.3)
        waiting = [case for case in waiting if portal.get(f"/v1/cases/{case}").json()["status"] == "queued"]


def test_upload_analysis_and_confirmation_by_keyboard(running_stack: LocalStack, demo_access: Access, page: Page) -> None:
    headers = {"Authorization": f"Bearer {demo_access.api_key}"}
    with httpx.Client(base_url=running_stack.address("intake"), headers=headers, timeout=30, trust_env=False) as portal:
        cases = [upload(portal, reference=f"P-{number}", seed=20 + number, kind=kind) for number, kind in enumerate(KINDS)]
        wait_until_analysed(portal, cases)
        confirmed = read_all_cases(page, running_stack.address("review"), demo_access, count=len(cases))
        read_about_the_models(page)
        reviewed = {portal.get(f"/v1/cases/{case}").json()["status"] for case in cases}
    assert confirmed >= 1, "the model abstained on every drawn lesion: no decision could be confirmed"
    assert reviewed == {"reviewed"}


def read_all_cases(page: Page, address: str, access: Access, *, count: int) -> int:
    """Signs in and decides every case with the keyboard alone; returns how many could be confirmed."""
    sign_in(page, address, access)
    rows = page.locator(".worklist tbody tr")
    expect(rows).to_have_count(count)
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".row-link").first).to_be_focused()
    page.keyboard.press("Enter")
    confirmed = 0
    for _ in range(count):
        page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}$"))
        confirmed += decide(page)
    page.wait_for_url(f"{address}/")
    expect(page.get_by_text("No case is waiting")).to_be_visible()
    return confirmed


def read_about_the_models(page: Page) -> None:
    """The worker has made its models known."""
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_text("in use", exact=True)).to_have_count(3)
    expect(page.get_by_text("Non-commercial use only").first).to_be_visible()


def sign_in(page: Page, address: str, access: Access) -> None:
    """Types into the sign-in page."""
    page.goto(f"{address}/sign-in")
    page.keyboard.type(access.email)
    page.keyboard.press("Tab")
    page.keyboard.type(access.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def decide(page: Page) -> bool:
    """Looks at the case; confirms where the model named a class, else chooses a diagnosis. Whether it was confirmed."""
    expect(page.get_by_text("Has grown since spring.")).to_be_visible()
    expect(page.get_by_text("Decision support only.")).to_be_visible()
    page.wait_for_selector("[data-picture]:not([hidden])[data-loaded=yes]")
    look_at_outline(page)
    look_at_heat_map(page)
    confirm = page.locator("[data-confirm]")
    before = page.url
    can_confirm = confirm.count() > 0
    if can_confirm:
        # A hand that still rests on Enter decides nothing, and the key must then have been quiet for a moment.
        page.evaluate(HELD_ENTER)
        page.wait_for_timeout(800)
        assert page.url == before
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("x")
        page.keyboard.press("2")
        page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != before)
    expect(page.locator(".quiet")).to_contain_text(re.compile(r"(Confirmed|Corrected to) [A-Z]+.* · P-\d"))
    return can_confirm


def look_at_heat_map(page: Page) -> None:
    """Where the model has answered, key 2 lays its heat map over the picture and takes it away again."""
    heat = page.locator("[data-heat]")
    expect(heat).to_have_count(0 if page.get_by_text("The model abstains").count() else 1)
    if heat.count() == 0:
        return
    expect(heat).to_be_hidden()
    page.keyboard.press("2")
    expect(heat).to_have_attribute("data-drawn", "yes")
    expect(heat).to_be_visible()
    assert heat.evaluate(OPAQUE) > 200, "nothing of the heat map can be seen"
    page.keyboard.press("2")
    expect(heat).to_be_hidden()


def look_at_outline(page: Page) -> None:
    """The outline is drawn, and key 1 takes it away and brings it back."""
    outline = page.locator("[data-outline]")
    if outline.count() == 0:
        return
    expect(outline).to_have_attribute("data-drawn", re.compile("yes|empty"))
    page.keyboard.press("1")
    expect(outline).to_be_hidden()
    page.keyboard.press("1")
    expect(outline).to_have_attribute("opacity", "0.9")
    assert not outline.evaluate("svg => svg.hasAttribute('hidden')")
