"""What the demonstration says of the followed lesions."""

from typing import Any

import pytest

from infra.demo.trails import Trail, trail_cells, trail_surprises
from infra.demo.visits import FOLLOWED

GROWING = next(lesion for lesion in FOLLOWED if lesion.grows)
STABLE = next(lesion for lesion in FOLLOWED if not lesion.grows)
AREA = {"earlier": 12.0, "later": 18.6, "relative": 0.55, "error": 0.06, "unit": "mm²"}
COMPARED: dict[str, Any] = {"valid": True, "changes": {"area": AREA}}


def test_the_growing_lesion_with_its_alert_is_as_it_should_be() -> None:
    assert trail_surprises([Trail(GROWING, COMPARED, ("grew 55 % ± 6 in 8 months",)), Trail(STABLE, COMPARED)]) == []


@pytest.mark.parametrize(
    ("trail", "said"),
    [
        (Trail(GROWING, COMPARED), "grew and raised no alert"),
        (Trail(STABLE, COMPARED, ("grew",)), "is stable and raised an alert"),
        (Trail(STABLE, {"valid": False, "why": "blurred"}), "was not compared: blurred"),
        (Trail(STABLE), "was not compared: no comparison came"),
    ],
)
def test_anything_else_is_told(trail: Trail, said: str) -> None:
    (surprise,) = trail_surprises([trail])
    assert said in surprise


def test_a_line_shows_the_truth_beside_what_was_measured() -> None:
    cells = trail_cells(Trail(GROWING, COMPARED, ("grew 55 % ± 6 in 8 months",)))
    assert cells[1:] == ("3 in 8 months", "55%", "12.0 → 18.6 mm², +55% ± 6%", "grew 55 % ± 6 in 8 months")


def test_a_line_without_a_comparison_says_why() -> None:
    assert trail_cells(Trail(STABLE, {"valid": False, "why": "other_place"}))[3:] == ("other_place", "none")
