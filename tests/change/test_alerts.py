"""Which changes are alerts, and how they are told."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.change import Basis, Change, Comparison, FiredRule, fired, headline
from models.change.alerts import RULES


def change(value: float, error: float = 0.01, *, relative: bool = False, unit: str = "share") -> Change:
    """A change of one figure."""
    return Change(None if relative else value, value if relative else None, error, None, "%" if relative else unit, significant=True)


def comparison(*, basis: Basis = Basis.MM, lower_bound: bool = False, new_classes: tuple[str, ...] = (), **changes: Change) -> Comparison:
    """A valid comparison with these changes."""
    return Comparison(
        registration=None,
        why=None,
        changes=changes,
        basis=basis,
        months=4.0,
        notes=(),
        new_classes=new_classes,
        lower_bound=lower_bound,
        registered=b"",
        difference=b"",
    )


def names(found: Comparison) -> list[str]:
    """The rules that fire."""
    return [rule.rule for rule in fired(found)]


def test_growth_beyond_threshold_and_error_is_an_alert() -> None:
    (rule,) = fired(comparison(area=change(0.38, 0.06, relative=True)))
    assert (rule.rule, rule.text, rule.threshold) == ("growth", "grew 38 % ± 6", 0.15)
    assert headline([rule], months=4.1) == "grew 38 % ± 6 in 4 months"


@pytest.mark.parametrize(("value", "error"), [(0.14, 0.01), (0.38, 0.2), (-0.4, 0.02), (0.0, 0.0)])
def test_growth_within_the_error_or_shrinking_is_none(value: float, error: float) -> None:
    assert names(comparison(area=change(value, error, relative=True))) == []


def test_every_rule_fires_for_its_change_and_not_under_its_threshold() -> None:
    for rule in RULES:
        fresh = ("MEL",) if rule.name == "new_class" else ()
        above, below = (
            replace(
                comparison(new_classes=fresh), changes={rule.change: change(rule.threshold * part, 0.0, relative=rule.change == "area")}
            )
            for part in (1.01, 0.99)
        )
        assert rule.name in names(above)
        assert rule.name not in names(below)


def test_a_new_malignant_class_needs_a_rise_and_a_harmless_one_is_no_news() -> None:
    risen = change(0.12, 0.05)
    assert names(comparison(new_classes=("MEL",), malignant_probability=risen)) == ["new_class"]
    assert names(comparison(new_classes=("NV",), malignant_probability=risen)) == []
    assert names(comparison(new_classes=("MEL",), malignant_probability=change(0.01))) == []


def test_a_lesion_that_leaves_the_picture_is_said_to() -> None:
    (rule,) = fired(comparison(lower_bound=True, area=change(0.5, 0.05, relative=True)))
    assert "leaves the picture" in rule.text


def test_relative_growth_is_said_to_be() -> None:
    (rule,) = fired(comparison(basis=Basis.REGISTRATION, area=change(0.5, 0.05, relative=True)))
    assert rule.text == "grew 50 % ± 5 (relative)"


def test_what_is_not_valid_sets_nothing_off() -> None:
    assert fired(replace(comparison(area=change(0.5, 0.05, relative=True)), why="blurred")) == ()


def test_a_headline_names_the_gravest_and_counts_the_rest() -> None:
    rules = fired(
        comparison(
            area=change(0.38, 0.06, relative=True),
            malignant_probability=change(0.3),
            colour=change(20.0, 2.0, unit="ΔE"),
            asymmetry=change(0.2),
        )
    )
    assert headline(rules, months=None) == "grew 38 % ± 6; p(malignant) rose by 0.30 ± 0.01; and 2 more"
    assert headline((), months=4.0) == ""


@pytest.mark.parametrize(
    ("months", "words"),
    [(60.0, "in 5 years"), (0.5, "in 2 weeks"), (0.1, "in 3 days"), (0.033, "in 1 day"), (14, "in 14 months")],
)
def test_the_time_between_is_told_in_plain_units(months: float, words: str) -> None:
    assert headline(fired(comparison(area=change(0.38, 0.06, relative=True))), months=months).endswith(words)


@given(st.floats(0, 10), st.floats(0, 10))
def test_fired_rules_survive_json_and_are_beyond_threshold_and_error(value: float, error: float) -> None:
    for rule in fired(comparison(area=change(value, error, relative=True))):
        assert rule.value >= max(rule.threshold, 2 * rule.error)
        assert FiredRule.from_json(json.loads(json.dumps(rule.to_json(), allow_nan=False))) == rule
        assert math.isfinite(rule.value)


def test_the_table_can_be_read() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.measures
        assert rule.why.endswith(".")
        assert rule.threshold > 0
        assert "{}" in rule.words
