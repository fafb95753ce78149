"""The catalogue of reports: complete in every language, and nothing in it that nobody says."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.exchange import report_words
from services.exchange.report_words import choose_language, languages, words_in
from services.records.diagnoses import DIAGNOSES
from services.records.states import Laterality, Management, Modality, ModelKind, ReviewKind, Sex, Urgency

SOURCES = sorted(Path(report_words.__file__).parent.glob("report*.py"))


def keys(language: str) -> dict[str, set[str]]:
    """Each key with the names in its braces."""
    found = {}
    for section, entries in words_in(language).catalogue.items():
        for name, text in entries.items():
            texts = text if isinstance(text, list) else [text]
            found[f"{section}.{name}"] = {field for part in texts for _, field, _, _ in string.Formatter().parse(part) if field}
    return found


def nodes() -> Iterator[ast.AST]:
    """Everything in the code of reports."""
    for source in SOURCES:
        yield from ast.walk(ast.parse(source.read_text()))


def literals() -> set[str]:
    """Every text in the code that could be a key, or the name of one in a section."""
    return {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def composed() -> set[str]:
    """The sections whose keys the code composes of a name, or looks up by a word of the data."""
    found = set()
    for node in nodes():
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2 and isinstance(node.values[0], ast.Constant):
            found.add(str(node.values[0].value).removesuffix("."))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "known":
            found |= {str(part.value) for part in node.args[:1] if isinstance(part, ast.Constant)}
    return found


@pytest.mark.parametrize("language", languages())
def test_every_language_says_the_same_things(language: str) -> None:
    assert keys(language) == keys("en")


@pytest.mark.parametrize("language", languages())
def test_no_words_are_empty_or_left_in_english(language: str) -> None:
    same = {"form", "site"} if language == "en" else {"form"}
    english, own = words_in("en").catalogue, words_in(language).catalogue
    for section, entries in own.items():
        assert all(entry for entry in entries.values()), section
        if language != "en" and section not in same:
            letters = {name: re.sub(r"{\w+}|[^a-z]", "", str(text).lower()) for name, text in entries.items()}
            copied = [name for name, text in entries.items() if text == english[section][name] and len(letters[name]) > 10]
            assert not copied, (section, copied)


def test_no_words_are_unused() -> None:
    said, sections = literals(), composed()

    def is_said(key: str) -> bool:
        section, _, name = key.partition(".")
        return key in said or (section in sections and (name in said or name in _words_of_the_records(section)))

    unused = [key for key in keys("en") if not is_said(key) and not key.startswith("form.")]
    assert unused == []
    # The form of numbers and dates is looked up by the class itself.
    assert set(words_in("en").catalogue["form"]) <= said | {key.partition(".")[2] for key in said}


def _words_of_the_records(section: str) -> set[str]:
    known: dict[str, set[str]] = {
        "sex": set(Sex),
        "laterality": set(Laterality),
        "urgency": set(Urgency),
        "modality": set(Modality),
        "management": set(Management),
        "model": set(ModelKind),
        "read": set(ReviewKind),
        "diagnosis": {diagnosis.code for diagnosis in DIAGNOSES},
        "scale": {"dicom_pixel_spacing", "stated", "ruler"},
        "abstention": {"out_of_distribution", "no_lesion_found", "poor_quality"},
        "issue": {"blurred", "dark", "overexposed", "small"},
        "reason": {"out_of_focus", "too_dark_or_bright", "obscured", "incomplete", "no_lesion", "other"},
        "why": {"blurred", "no_detail", "magnification", "other_place", "no_lesion"},
        "site": set(words_in("en").catalogue["site"]),
    }
    return known.get(section, set())


@pytest.mark.parametrize("language", languages())
def test_every_word_of_the_records_has_words(language: str) -> None:
    catalogue = words_in(language).catalogue
    for section in ("sex", "laterality", "urgency", "modality", "diagnosis", "scale", "abstention", "issue", "reason", "why"):
        assert _words_of_the_records(section) <= set(catalogue[section]), section
    assert set(Management) <= set(catalogue["management"])
    assert set(ModelKind) <= set(catalogue["model"])
    assert set(ReviewKind) - {ReviewKind.UNDO} <= set(catalogue["read"])


def test_the_desk_and_reports_know_the_same_reasons() -> None:
    from services.review.change_words import WHY
    from services.review.decision import REASONS

    assert set(REASONS) == _words_of_the_records("reason")
    assert set(WHY) == _words_of_the_records("why")
    # Read and not imported: the rules come with libraries of pixels, which take seconds.
    rules = set(re.findall(r'^        name="(\w+)"', Path("models/change/alerts.py").read_text(), flags=re.MULTILINE))
    assert len(rules) == 6
    assert rules <= set(words_in("en").catalogue["change"])


def test_another_language_is_answered_in_english() -> None:
    assert choose_language(["fr"]) == "en"
    assert choose_language([]) == "en"
    assert choose_language(["fr", "de-CH", "en"]) == "de"
    assert choose_language(["DE_at"]) == "de"
    assert choose_language(["../de"]) == "en"


def test_numbers_are_written_as_in_the_language() -> None:
    english, german = words_in("en"), words_in("de")
    assert (english.number(-1.25, 1), german.number(-1.25, 1)) == ("−1.2", "−1,2")
    assert english.number(-0.01, 1) == "0.0"
    assert (english.signed(0.5, 1), english.signed(0.01, 1), english.signed(-2, 0)) == ("+0.5", "0.0", "−2")
    assert (english.probability(0.999), german.probability(0.001)) == (">\N{NO-BREAK SPACE}0.99", "<\N{NO-BREAK SPACE}0,01")
    assert german.percent(0.125, 1) == "12,5\N{NO-BREAK SPACE}%"
    assert (english.listed([]), english.listed(["a"]), german.listed(["a", "b", "c"])) == ("", "a", "a, b und c")
