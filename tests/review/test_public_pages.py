"""Pages for everybody: who sees them, what they say, and that their drawings are drawings."""

import re
from collections.abc import Iterator
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from flask import Flask

from models.taxonomy import ISIC2019
from services.records.audit import Actor
from services.records.diagnoses import DIAGNOSES
from services.records.registry import register_model_version
from services.records.states import ModelKind
from services.review.app import create_app
from services.review.drawings import DRAW, drawing
from services.review.lesion_types import TEXTS, lesion_types
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, words_of
from tests.review.seeds import Clinic

PAGES = ("/welcome", "/about", "/lesion-types", "/try")


@pytest.fixture
def closed(settings_for: SettingsFor) -> Iterator[Flask]:
    """A desk that does not let visitors try a picture, as is the default."""
    made = create_app(settings_for("review").model_copy(update={"public_trial": False}))
    yield made
    made.extensions["dermatrail"].database.close()


@pytest.mark.parametrize("path", ["/", *PAGES])
def test_everybody_sees_them_without_signing_in(clinic: Clinic, browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert page.status_code == 200
    assert "Sign in" in words_of(page)
    assert len(re.findall(r"<h1[ >]", page.text)) == 1


def test_the_front_door_is_the_home_page_only_for_those_who_never_signed_in(reader: Browser) -> None:
    assert "Every case read by a dermatologist" not in words_of(reader.get("/"))
    assert "To the desk" in words_of(reader.get("/welcome"))
    with reader.client.session_transaction() as session:
        session["seen"] -= 100_000
    assert reader.get("/").headers["Location"] == "/sign-in"


def test_deep_links_still_lead_to_sign_in(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    for path in (f"/cases/{tenant}", "/models"):
        assert browser.get(path).headers["Location"] == "/sign-in"


@pytest.mark.parametrize("path", PAGES)
def test_they_say_what_this_is_not(clinic: Clinic, browser: Browser, path: str) -> None:
    said = words_of(browser.get(path))
    assert "No case leaves without a dermatologist's decision" in said
    assert "not a medical device" in said


@pytest.mark.parametrize("path", PAGES)
def test_they_hold_no_inline_script_or_style_and_nothing_from_elsewhere(clinic: Clinic, browser: Browser, path: str) -> None:
    page = browser.get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|https?://", page)


def test_about_names_the_models_in_use_with_licence_and_figures(clinic: Clinic, browser: Browser) -> None:
    figures = {"test": {"images": 1207, "accuracy": 0.844, "accuracy_95": [0.819, 0.869]}}
    card = {"classes": ["MEL", "NV"], "licence": "CC BY-NC 4.0", "non_commercial": True, "metrics": figures}
    with clinic.worker.transaction() as session:
        for name, digest in (("Served", "a" * 12), ("Waiting", "b" * 12)):  # the first of a kind serves at once
            register_model_version(
                session=session,
                kind=ModelKind.CLASSIFIER,
                digest=digest,
                name=name,
                version="2026.11",
                card=card,
                actor=Actor.system("test"),
                reason="test",
            )
    said = words_of(browser.get("/about"))
    assert "Served" in said
    assert "Waiting" not in said
    assert "Licence: CC BY-NC 4.0" in said
    assert "accuracy 0.844 0.819 to 0.869" in said


def test_about_stands_while_the_registry_is_away(settings_for: SettingsFor) -> None:
    settings = settings_for("review")
    away = type(settings.database_url)("postgresql+psycopg2://review:x@127.0.0.1:9/none")
    app = create_app(settings.model_copy(update={"database_url": away}))
    page = Browser(app.test_client()).get("/about")
    assert page.status_code == 200
    assert "cannot be reached just now" in words_of(page)


def test_every_class_of_the_models_is_described_with_their_codes() -> None:
    assert list(TEXTS) == [diagnosis.code for diagnosis in DIAGNOSES]
    for diagnosis, shown in zip(ISIC2019, lesion_types(), strict=True):
        codes = dict(shown.text.codes)
        assert (shown.code, shown.malignant) == (diagnosis.code, diagnosis.malignant)
        assert (shown.kind == "benign") is not diagnosis.malignant
        if diagnosis.icd10:
            assert codes["ICD-10"] == diagnosis.icd10
        if diagnosis.snomed:
            assert codes["SNOMED CT"] == diagnosis.snomed


def test_shares_are_those_of_the_named_collection(clinic: Clinic, browser: Browser) -> None:
    assert sum(text.count or 0 for text in TEXTS.values()) == 10_015
    said = words_of(browser.get("/lesion-types"))
    assert "66.9 % of the HAM10000 collection (6,705 of 10,015 pictures)" in said
    assert "2.5 % of the ISIC 2019 training collection" in said


@pytest.mark.parametrize("code", [diagnosis.code for diagnosis in DIAGNOSES])
def test_each_drawing_is_the_same_each_time_and_only_shapes(clinic: Clinic, browser: Browser, code: str) -> None:
    first = drawing(code)
    drawing.cache_clear()
    assert drawing(code) == first
    allowed = {"svg", "defs", "radialGradient", "stop", "filter", "feGaussianBlur", "rect", "path", "circle"}
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(first).iter()}
    assert tags <= allowed
    assert len(first) < 40_000
    answer = browser.get(f"/lesion-types/{code}.svg")
    assert (answer.mimetype, answer.text) == ("image/svg+xml", first)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"


def test_drawings_differ_and_can_carry_their_outline() -> None:
    assert len({drawing(code) for code in DRAW}) == 8
    assert drawing("MEL", outlined=True).startswith(drawing("MEL").removesuffix("</svg>"))


@pytest.mark.parametrize("code", ["XXX", "MEL-outlinedx", "mel"])
def test_there_is_no_drawing_of_what_is_no_class(clinic: Clinic, browser: Browser, code: str) -> None:
    assert browser.get(f"/lesion-types/{code}.svg").status_code == 404


def test_each_picture_says_that_it_is_a_drawing(clinic: Clinic, browser: Browser) -> None:
    page = browser.get("/lesion-types").text
    assert len(re.findall(r'<img[^>]* alt="Drawing of a [^"]{20,}"', page)) == 8
    assert page.count("<figcaption>Drawing:") == 8


def test_the_camera_is_allowed_on_one_page_only(clinic: Clinic, browser: Browser) -> None:
    for path in ("/", "/about", "/lesion-types", "/sign-in"):
        assert "camera=()" in browser.get(path).headers["Permissions-Policy"]
    assert "camera=(self), microphone=()" in browser.get("/try").headers["Permissions-Policy"]


def test_a_service_that_has_not_opted_in_offers_no_trial(clinic: Clinic, closed: Flask) -> None:
    browser = Browser(closed.test_client())
    assert "Try an image" not in words_of(browser.get("/welcome"))
    assert browser.get("/try").status_code == 404
    assert "does not let visitors" in words_of(browser.get("/try"))
    assert "camera=()" in browser.get("/try").headers["Permissions-Policy"]
