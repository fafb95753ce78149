"""Counting what became of the images, and the table."""

import io
from typing import Any

from rich.console import Console

from infra.demo.tally import ROWS_SHOWN, Answer, Fate, cells, table, tally

FINDING: dict[str, Any] = {
    "outcome": "prediction",
    "prediction": "NV",
    "probabilities": {"MEL": 0.1, "NV": 0.9},
    "ood": {"in_distribution": True},
    "measures": {"area_share": 0.123, "area_mm2": None},
}


def test_an_image_without_an_answer_is_lost() -> None:
    answers = [Answer("a", Fate.ANALYSED, finding=FINDING), Answer("b", Fate.REFUSED), Answer("c", Fate.LOST)]
    assert tally(answers, submitted=3).line() == "demo: 3 submitted, 1 analysed, 1 refused, 0 failed, 1 lost"


def test_an_image_that_its_case_no_longer_lists_is_lost() -> None:
    assert tally([Answer("a", Fate.FAILED, "reason")], submitted=2).lost == 1


def test_a_prediction_asks_for_confirmation() -> None:
    assert cells(Answer("a.jpg", Fate.ANALYSED, finding=FINDING)) == ("a.jpg", "NV", "90%", "12.3%", "no", "confirm or correct")


def test_an_area_in_mm2_is_preferred() -> None:
    finding = FINDING | {"measures": {"area_share": 0.123, "area_mm2": 41.26}}
    assert cells(Answer("a.dcm", Fate.ANALYSED, finding=finding))[3] == "41.3 mm²"


def test_an_abstention_shows_the_leading_class_in_brackets_and_the_reason() -> None:
    finding = FINDING | {"prediction": None, "reason": "out_of_distribution", "ood": {"in_distribution": False}, "measures": None}
    assert cells(Answer("a", Fate.ANALYSED, finding=finding)) == ("a", "(NV)", "90%", "–", "yes", "diagnose (out of distribution)")


def test_what_may_be_no_skin_is_said_so() -> None:
    finding = FINDING | {"prediction": None, "reason": "out_of_distribution", "next_step": "not_skin", "ood": {"in_distribution": False}}
    assert cells(Answer("a", Fate.ANALYSED, finding=finding))[-1] == "skin at all? (out of distribution)"


def test_a_set_names_its_classes_and_asks_for_a_choice() -> None:
    finding = FINDING | {"outcome": "set", "prediction": None, "classes": ["NV", "MEL"]}
    assert cells(Answer("a", Fate.ANALYSED, finding=finding)) == ("a", "{NV, MEL}", "90%", "12.3%", "no", "choose among 2")


def test_a_refusal_shows_its_reason() -> None:
    assert cells(Answer("a", Fate.REFUSED, "422 truncated"))[-1] == "refused, send again (422 truncated)"


def test_a_long_table_never_hides_what_went_wrong() -> None:
    answers = [Answer(f"{number}.jpg", Fate.ANALYSED, finding=FINDING) for number in range(ROWS_SHOWN + 40)]
    answers.append(Answer("bad.jpg", Fate.FAILED, "why"))
    out = io.StringIO()
    Console(file=out, width=160).print(table(answers))
    assert "bad.jpg" in out.getvalue()
    assert "41 more" in out.getvalue()
