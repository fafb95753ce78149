"""The desk's words for numbers and times."""

from datetime import UTC, datetime, timedelta

import pytest

from services.review import words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=20), "under 1 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(minutes=72), "1 h 12"),
        (timedelta(hours=5, minutes=50), "5 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=13, hours=23), "13 d"),
    ],
)
def test_a_span_is_said_in_its_largest_useful_unit(duration: timedelta, text: str) -> None:
    assert words.span(duration) == text


def test_due_says_on_which_side_of_now_it_lies() -> None:
    assert words.due(NOW + timedelta(hours=3), NOW) == "due 3 h"
    assert words.due(NOW - timedelta(hours=3), NOW) == "overdue 3 h"


@pytest.mark.parametrize(("value", "text"), [(0.714, "0.71"), (0.999, "> 0.99"), (0.001, "< 0.01"), (0.0, "< 0.01"), (0.01, "0.01")])
def test_a_probability_never_claims_certainty(value: float, text: str) -> None:
    assert words.probability(value) == text


@pytest.mark.parametrize(("parts", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_lists_read_as_sentences(parts: list[str], text: str) -> None:
    assert words.listed(parts) == text


def test_the_exact_time_is_in_utc() -> None:
    assert words.exact(NOW) == "2026-03-01 12:00 UTC"
