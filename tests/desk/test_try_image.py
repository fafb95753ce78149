"""Try an image in a real browser: from a file, with the (pretended) camera, by keyboard, and without scripts."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from infra.frontend.__main__ import WORK
from models.finding import Finding, Measures, Outcome, Quality
from models.synthetic import Kind, draw
from services.review.visitors import EXTENSION
from tests.desk.conftest import OpenWindow, Window
from tests.review.seeds import MELANOMA, Clinic, jpeg, mask_png
from workers.trials import Trials

pytestmark = pytest.mark.browser

MEASURES = Measures(
    area_px=9800, area_share=0.127, area_mm2=None, perimeter_px=400, major_diameter_px=131, minor_diameter_px=95,
    major_diameter_mm=None, minor_diameter_mm=None, asymmetry=0.3, colour_asymmetry=3, border_irregularity=0.2, compactness=1.3,
    abrupt_segments=2, colour_variegation=9, colour_count=4, touches_border=False, scale_source=None,
)  # fmt: skip
QUALITY = Quality(acceptable=True, issues=(), sharpness=14, brightness=141, clipped_share=0, hair_share=0.02)
SEEN: dict[str, Any] = {
    "pipeline_version": "p1", "probabilities": MELANOMA["probabilities"], "malignant_probability": 0.74, "measures": MEASURES,
    "quality": QUALITY, "width": 320, "height": 240, "taxonomy": tuple(MELANOMA["taxonomy"]), "licence": "CC-BY-NC-4.0",
    "mask_png": mask_png(), "heatmap_jpeg": jpeg(64, 48, colour=(255, 255, 255)),
}  # fmt: skip
ANSWER = Finding(outcome=Outcome.PREDICTION, prediction="MEL", classes=("MEL",), **SEEN)
ABSTAINS = Finding(outcome=Outcome.ABSTAIN, reason="out_of_distribution", **SEEN | {"heatmap_jpeg": b""})


class Model:
    """Says what the test wants, and keeps what it was shown."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.shown: list[bytes] = []

    def analyse(self, images: Any, *, batch: int = 8) -> list[Finding]:
        self.shown += images
        return [self.answer] * len(images)


@pytest.fixture
def model(clinic: Clinic, desk_app: Flask) -> Iterator[Model]:
    """A worker that looks ten times a second, as if the bell rang."""
    desk_app.extensions[EXTENSION].throttle.succeeded("127.0.0.1")
    made, stop = Model(), threading.Event()
    trials = Trials(database=clinic.worker, store=clinic.store, analyzer=lambda: made)

    def work() -> None:
        while not stop.wait(0.1):
            trials.answer_next()

    thread = threading.Thread(target=work)
    thread.start()
    yield made
    stop.set()
    thread.join()


@pytest.fixture
def spot(tmp_path: Path) -> Path:
    """A picture on the visitor's disk."""
    file = tmp_path / "spot.jpg"
    cv2.imwrite(str(file), np.ascontiguousarray(draw(seed=3, kind=Kind.MELANOMA, width=640, height=480).rgb[..., ::-1]))
    return file


def upload(page: Page, file: Path) -> None:
    """Fills in the form and waits for the answer."""
    page.get_by_label("Picture from a file").set_input_files(file)
    page.get_by_role("checkbox", name="not a diagnosis").check()
    page.get_by_role("button", name="Analyse the picture").click()
    expect(page.get_by_role("heading", name="What the models say")).to_be_visible(timeout=15_000)


def test_a_picture_from_a_file_is_answered(model: Model, window: Window, spot: Path) -> None:
    page = window.open("/try")
    expect(page.get_by_text("This is not a diagnosis.")).to_be_visible()
    page.get_by_label("Picture from a file").set_input_files(spot)
    expect(page.get_by_text("Chosen: spot.jpg, 640 × 480 px")).to_be_visible()
    upload(page, spot)
    expect(page.get_by_text("This is not a diagnosis.")).to_be_visible()
    expect(page.get_by_role("heading", name="looks most like melanoma")).to_be_visible()
    assert page.locator(".ranking tbody tr").count() == 8
    assert page.locator(".ranking .is-leading").inner_text().split() == ["Melanoma", "(malignant", "or", "precursor)", "0.71"]
    expect(page.get_by_role("heading", name="If you are worried about a spot")).to_be_visible()


def test_the_mask_lies_on_the_picture_and_can_be_hidden(model: Model, window: Window, spot: Path) -> None:
    page = window.open("/try")
    upload(page, spot)
    outline, picture = page.locator("[data-outline]"), page.locator(".tried img")
    expect(outline).to_have_attribute("data-drawn", "yes")
    assert outline.bounding_box() == picture.bounding_box()
    page.get_by_label("Outline of the spot").uncheck()
    expect(outline).to_be_hidden()
    page.get_by_label("What spoke for melanoma").check()
    expect(page.locator("[data-heat]")).to_have_attribute("data-drawn", "yes")


def test_the_camera_takes_the_picture(model: Model, open_window: OpenWindow) -> None:
    page = open_window(permissions=("camera",)).open("/try")
    page.get_by_role("button", name="Use the camera").click()
    shoot = page.get_by_role("button", name="Take the picture")
    expect(shoot).to_be_focused()
    expect(page.get_by_label("Picture of the camera")).to_be_visible()
    page.wait_for_function("document.querySelector('[data-video]').videoWidth > 0")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Chosen: camera.jpg")).to_be_visible()
    assert page.evaluate("document.querySelector('[data-video]').srcObject") is None, "the camera is still on"
    page.get_by_role("checkbox", name="not a diagnosis").check()
    page.get_by_role("button", name="Analyse the picture").click()
    expect(page.get_by_role("heading", name="What the models say")).to_be_visible(timeout=15_000)
    assert len(model.shown) == 1
    assert model.shown[0].startswith(b"\xff\xd8\xff")


def test_the_camera_can_be_stopped_and_a_file_chosen_instead(model: Model, open_window: OpenWindow, spot: Path) -> None:
    page = open_window(permissions=("camera",)).open("/try")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    expect(page.get_by_label("Picture of the camera")).to_be_hidden()
    upload(page, spot)


def test_without_a_camera_the_page_says_what_to_do(model: Model, window: Window) -> None:
    refuse = "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '%s')); }"
    page = window.open("/try")
    for error, words in (("NotAllowedError", "The camera is blocked"), ("NotFoundError", "No camera was found")):
        page.evaluate(refuse % error)
        page.get_by_role("button", name="Use the camera").click()
        expect(page.get_by_text(words)).to_be_visible()


def test_an_abstention_shows_its_sentence_and_folds_the_figures_away(model: Model, window: Window, spot: Path) -> None:
    model.answer = ABSTAINS
    page = window.open("/try")
    upload(page, spot)
    expect(page.get_by_role("heading", name="unlike those that the model has learned from")).to_be_visible()
    expect(page.get_by_text("Take another picture")).to_be_visible()
    expect(page.locator(".ranking")).to_be_hidden()
    page.get_by_text("Show the figures that the model does not stand for").click()
    expect(page.locator(".ranking")).to_be_visible()


def test_it_works_without_scripts(model: Model, chromium: Chromium, address: str, spot: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/try")
    expect(page.get_by_role("button", name="Use the camera")).to_be_hidden()
    upload(page, spot)
    context.close()


def test_a_visitor_deletes_the_picture(model: Model, window: Window, spot: Path) -> None:
    page = window.open("/try")
    upload(page, spot)
    page.get_by_role("button", name="Delete it now").click()
    expect(page.get_by_role("heading", name="The picture is deleted")).to_be_visible()


def test_visitors_carry_one_cookie_and_it_is_the_forms(model: Model, window: Window) -> None:
    for path in ("/", "/about", "/lesion-types"):
        window.open(path)
        assert window.context.cookies() == []
    window.open("/try")
    assert [cookie["name"] for cookie in window.context.cookies()] == ["dermatrail"]


Audit = Callable[[Page], list[str]]


@pytest.fixture(scope="session")
def audit() -> Audit:
    """Serious findings of axe-core on a page. Skips where the browser libraries are not installed."""
    file = WORK / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        pytest.skip("no axe-core: run python -m infra.frontend")
    source = file.read_text(encoding="utf-8")

    def audited(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run().then((result) => JSON.stringify(result.violations))")
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in json.loads(found) if each["impact"] in ("serious", "critical")]

    return audited


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (820, True)])
@pytest.mark.usefixtures("model")
def test_no_page_has_a_serious_accessibility_finding(open_window: OpenWindow, spot: Path, audit: Audit, width: int, dark: bool) -> None:
    window = open_window(width=width, dark=dark)
    for path in ("/", "/about", "/lesion-types", "/try"):
        page = window.open(path)
        assert audit(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    upload(page, spot)
    assert audit(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pages_are_light(model: Model, window: Window) -> None:
    sizes: dict[str, int] = {}
    window.page.on("response", lambda answer: sizes.__setitem__(answer.url, len(answer.body())))
    for path in ("/", "/about", "/lesion-types", "/try"):
        sizes.clear()
        window.open(path).wait_for_load_state("networkidle")
        assert sum(size for url, size in sizes.items() if not re.search(r"\.svg$", url)) < 100_000, path
        assert sum(sizes.values()) < 500_000, path
