"""Basics that hold for every page: one heading, named fields, readable contrast, names beside colours."""

import re
from pathlib import Path
from uuid import UUID

import pytest

import services.review
from tests.review.conftest import Browser
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, abstention, jpeg

TOKENS = (Path(services.review.__file__).parent / "static/css/tokens.css").read_text(encoding="utf-8")
TEXT = ("ink", "ink-soft", "accent", "urgent", "attention", "done")
GROUNDS = ("paper", "panel", "sunken", "accent-wash")


def tokens(theme: str) -> dict[str, str]:
    """The colours of a theme."""
    both = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", TOKENS)
    same = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", TOKENS))
    return same | {name: light if theme == "light" else dark for name, light, dark in both}


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1..21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_on_every_ground(theme: str) -> None:
    colours = tokens(theme)
    pairs = [(text, ground) for text in TEXT for ground in GROUNDS] + [("accent-ink", "accent")]
    low = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fields_have_a_visible_edge(theme: str) -> None:
    colours = tokens(theme)
    assert contrast(colours["line-strong"], colours["panel"]) >= 3


def test_the_pictures_surround_is_one_neutral_grey_in_both_themes() -> None:
    light, dark = tokens("light")["surround"], tokens("dark")["surround"]
    assert light == dark
    assert len({light[1:3], light[3:5], light[5:7]}) == 1


def pages(clinic: Clinic, tenant: UUID, reader: Browser) -> list[str]:
    """One of each page."""
    cases = [
        clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)), Failed("broken")),
        clinic.case(tenant, Seen(abstention("poor_quality", "retake"))),
        clinic.case(tenant, Seen(MELANOMA)),
    ]
    reader.decide(cases[2], "confirm")
    paths = ["/", "/?status=reviewed", "/nowhere", "/models", *(f"/cases/{case}" for case in cases)]
    signed_out = reader.client.application.test_client().get("/sign-in").text
    return [signed_out, *(reader.get(path).text for path in paths)]


def test_every_page_has_a_language_a_title_one_heading_and_one_main(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    for page in pages(clinic, tenant, reader):
        assert '<html lang="en"' in page
        assert re.search(r"<title>\S.* · Dermatrail</title>", page)
        assert len(re.findall(r"<h1[ >]", page)) == 1
        assert len(re.findall(r"<main[ >]", page)) == 1
        assert 'href="#main"' in page


def test_every_field_has_a_label(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    for page in pages(clinic, tenant, reader):
        labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
        wrapped = "".join(re.findall(r"<label(?![^>]* for=).*?</label>", page, re.DOTALL))
        for field in re.findall(r"<(?:input|select|textarea)[^>]*>", page):
            if 'type="hidden"' in field or field in wrapped:
                continue
            identity = re.search(r' id="([^"]+)"', field)
            assert identity is not None, field
            assert identity[1] in labelled


def test_every_picture_and_drawing_has_a_name_or_is_hidden(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    for page in pages(clinic, tenant, reader):
        assert all(" alt=" in image for image in re.findall(r"<img[^>]*>", page))
        assert all('aria-hidden="true"' in drawing for drawing in re.findall(r"<svg[^>]*>", page))


def test_times_carry_the_exact_moment(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    for page in pages(clinic, tenant, reader):
        for time in re.findall(r"<time[^>]*>", page):
            assert re.search(r'title="\d{4}-\d\d-\d\d \d\d:\d\d UTC"', time)
