"""The trail's benchmark: its figures from rows that are known, and its page."""

import math

import numpy as np
import pytest

from infra.bench.trail_cost import Cost
from infra.bench.trail_growth import Growth, course_of
from infra.bench.trail_measure import Figures, Plan
from infra.bench.trail_pairs import Pair, Search
from infra.bench.trail_report import last_line, page
from infra.bench.trail_roc import area_under, at_threshold, chosen
from infra.bench.trail_subjects import drawn_subjects, one_a_lesion, real_records, several_of_a_lesion
from infra.bench.trail_warps import Different, Warp
from models.synthetic.visits import Imaging


def growth(true: float, measured: float | None, *, rules: tuple[str, ...] = ()) -> Growth:
    return Growth("drawn", true, measured, 0.05, rules, None if measured is not None else "other_place")


def warp(error: float | None) -> Warp:
    return Warp("drawn", Imaging(zoom=1.2), error, 0.002, 0.5, "features" if error is not None else "other_place")


STABLE = [growth(0, measured / 100) for measured in range(20)]
GROWING = [growth(0.3, 0.25), growth(0.5, 0.6), growth(0.2, None), growth(0.4, 0.05)]


def test_a_threshold_leaves_the_wanted_share_of_stable_lesions_alone() -> None:
    threshold = chosen(STABLE, specificity=0.95)
    point = at_threshold([*STABLE, *GROWING], threshold)
    assert point.specificity == 0.95
    assert (point.growing, point.stable) == (4, 20)
    assert point.sensitivity == 0.5


def test_small_growth_counts_for_neither_side() -> None:
    point = at_threshold([*STABLE, growth(0.1, 0.9)], 0.15)
    assert point.growing == 0
    assert math.isnan(point.sensitivity)


def test_the_area_under_the_curve_is_one_where_all_growing_lesions_measure_more() -> None:
    assert area_under([growth(0, 0.01), growth(0, -0.1), growth(0.3, 0.2)]) == 1
    assert area_under([growth(0, 0.2), growth(0.3, 0.2)]) == 0.5
    assert math.isnan(area_under(STABLE))


def test_what_cannot_be_compared_is_no_alert() -> None:
    assert at_threshold([growth(0.5, None), growth(0, None)], -1).sensitivity == 0
    assert at_threshold([growth(0.5, None), growth(0, None)], -1).specificity == 1


def figures() -> Figures:
    return Figures(
        warps=[warp(0.001), warp(0.003), warp(None), warp(0.03)],
        different=[Different("drawn", valid=False, way="other_place")] * 49 + [Different("drawn", valid=True, way="outline")],
        searched=[
            Pair("a", registered=True, way="features", scale=1.1),
            Pair("b", registered=False, way="other_place", scale=float("nan")),
        ],
        searches=[Search(by_embedding=True, by_geometry=True, by_both=True, by_both_shortlisted=False, false_valid=0)],
        pairs=[],
        growths=[growth(0, 0.02), growth(0.4, 0.46, rules=("growth",))],
        chosen_on=STABLE,
        cost=Cost(look=60, registration=30, refusal=90, measures=200, change=90, bare=25),
    )


def test_the_last_line_says_what_was_measured() -> None:
    assert last_line(figures()) == "trail: registered 50.0 %, false valid 2.00 %, corner error 1.65 %, area error 4.0 points, 210 ms"


def test_the_page_holds_every_part_and_ends_with_the_line() -> None:
    text = page(figures(), Plan(None, "test", 1, 1, 1, 1, 1), command="make bench-trail", machine=[("processor", "one")])
    parts = ("moved in a known way", "Different lesions", "Real pairs", "Change of area", "Alerts", "Cost", "Machine")
    assert all(f"\n## {part}" in text or part in text for part in parts)
    assert "drawn lesions alone" in text
    assert text.rstrip().endswith(f"`{last_line(figures())}`")
    assert "nan" not in text


def test_without_real_pictures_there_are_drawn_ones() -> None:
    assert real_records(None, "test") == []
    assert one_a_lesion([]) == []
    assert several_of_a_lesion([]) == []
    (subject,) = drawn_subjects(1)
    picture = subject.picture()
    assert subject.outline(picture).shape == picture.shape[:2] == (768, 1024)


@pytest.mark.parametrize("seed", range(3))
def test_a_course_is_stable_or_grows_up_to_twice(seed: int) -> None:
    courses = [course_of(np.random.default_rng((seed, number))) for number in range(60)]
    assert all(0 <= course.growth <= 1 for course in courses)
    assert 0.2 < np.mean([course.growth == 0 for course in courses]) < 0.6
