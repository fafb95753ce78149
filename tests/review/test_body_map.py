"""Where lesions lie on the body map, and the figures that they lie on."""

import re

import pytest

from services.records.states import Laterality, MapView
from services.review.body_map_curves import closed, mirrored
from services.review.body_map_figures import DRAWINGS, FIGURES
from services.review.body_map_sites import SAME, site_point, sites_with_a_place


@pytest.mark.parametrize("word", sites_with_a_place())
def test_every_known_site_has_a_place_on_a_figure(word: str) -> None:
    point = site_point(word, Laterality.LEFT)
    assert point is not None
    assert 0 < point.x < 1
    assert 0 < point.y < 1


@pytest.mark.parametrize(
    ("site", "side", "view", "left_half"),
    [
        ("back", Laterality.LEFT, MapView.BACK, True),  # one looks at the back from behind
        ("back", Laterality.RIGHT, MapView.BACK, False),
        ("chest", Laterality.LEFT, MapView.FRONT, False),
        ("forearm", Laterality.RIGHT, MapView.FRONT, True),
        ("calf", Laterality.LEFT, MapView.BACK, True),
    ],
)
def test_sides_are_the_patients_own(site: str, side: Laterality, view: MapView, *, left_half: bool) -> None:
    point = site_point(site, side)
    assert point is not None
    assert point.view is view
    assert (point.x < 0.5) is left_half


def test_hands_and_feet_have_a_figure_for_each_side() -> None:
    views = [site_point(site, side) for site in ("palm", "sole") for side in (Laterality.LEFT, Laterality.RIGHT)]
    assert [point.view for point in views if point] == [MapView.LEFT_HAND, MapView.RIGHT_HAND, MapView.LEFT_FOOT, MapView.RIGHT_FOOT]


@pytest.mark.parametrize("spelling", ["BACK", "Skin of back", "the back", "  back ", "back, left"])
def test_sites_are_understood_in_common_spellings(spelling: str) -> None:
    assert site_point(spelling, None) == site_point("back", None)


@pytest.mark.parametrize("site", [None, "", "somewhere", "palms/soles", "\N{GREEK SMALL LETTER ALPHA}"])
def test_an_unknown_site_has_no_place(site: str | None) -> None:
    assert site_point(site, Laterality.LEFT) is None


@pytest.mark.parametrize("side", [None, Laterality.MIDLINE])
def test_one_limb_without_its_side_has_no_place(side: Laterality | None) -> None:
    assert site_point("forearm", side) is None
    assert site_point("back", side) is not None


def test_lesions_of_one_site_lie_beside_each_other() -> None:
    places = {site_point("abdomen", None, nth=number) for number in range(40)}
    assert len(places) == 40
    assert all(point and 0.2 < point.x < 0.8 for point in places)


def test_other_words_lead_to_places_that_exist() -> None:
    assert set(SAME.values()) <= set(sites_with_a_place()) - set(SAME)


def test_figures_are_drawn_within_their_boxes() -> None:
    for figure in FIGURES:
        for part in figure.parts:
            for path in part.drawing.shapes:
                numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", path)]
                assert all(-1 <= y <= figure.height for y in numbers[1::2])
                assert all(abs(x) + abs(part.x) <= figure.width / 2 + 1 for x in numbers[::2])


def test_each_drawing_has_a_name_of_its_own() -> None:
    assert len({drawing.key for drawing in DRAWINGS}) == len(DRAWINGS)
    assert {part.drawing.key for figure in FIGURES for part in figure.parts} == {drawing.key for drawing in DRAWINGS}


def test_an_outline_is_closed_and_even() -> None:
    path = closed(mirrored([(0, 0), (4, 2), (0, 4)]))
    assert path.startswith("M0.0 0.0")
    assert path.endswith("Z")
    assert path.count("C") == 4
