"""Cells of published tables become one vocabulary, and nonsense becomes nothing."""

import pytest

from models.datasets import fields


@pytest.mark.parametrize(
    ("text", "years"),
    [("55", 55), ("55.0", 55), ("0.0", 0), ("", None), ("unknown", None), ("nan", None), ("inf", None), ("-3", None), ("999", None)],
)
def test_ages_are_years_that_someone_can_be(text: str, years: float | None) -> None:
    assert fields.age(text) == years


@pytest.mark.parametrize(("text", "sex"), [("FEMALE", "female"), (" male", "male"), ("M", "male"), ("unknown", None), ("", None)])
def test_sexes(text: str, sex: str | None) -> None:
    assert fields.sex(text) == sex


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("anterior torso", "torso"),
        ("BACK", "torso"),
        ("lip", "head/neck"),
        ("hand", "upper extremity"),
        ("foot", "lower extremity"),
        ("acral", "palms/soles"),
        ("genital", "oral/genital"),
        ("unknown", None),
    ],
)
def test_sites_are_the_general_ones(text: str, site: str | None) -> None:
    assert fields.site(text) == site


@pytest.mark.parametrize(
    ("text", "skin"), [("3.0", "III"), ("6", "VI"), ("iv", "IV"), ("", None), ("0", None), ("7", None), ("2.5", None), ("nan", None)]
)
def test_fitzpatrick_types_are_roman(text: str, skin: str | None) -> None:
    assert fields.fitzpatrick(text) == skin
