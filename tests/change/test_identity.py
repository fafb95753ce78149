"""Whether two pictures may show the same lesion: what each kind of evidence is worth."""

import json

import numpy as np
import pytest

from models.analyzer import embedding_of
from models.change.identity import PROPOSE, Nearness, Place, likely, likeness, nearness, region_of, shortlist
from models.change.registration import NoComparison, Registration, Why

AGREEING = Registration(np.eye(2, 3), scale=1.0, rotation=0.0, inliers=34, correlation=0.91, overlap=0.8)


def unlike(why: Why = Why.OTHER_PLACE) -> NoComparison:
    return NoComparison(why, inliers=3, correlation=0.1)


def seen(*values: float) -> bytes:
    return embedding_of(np.array(values, np.float32))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Place("back", "left"), Place("Back", "left"), Nearness.SAME),
        (Place("back", "left"), Place("back"), Nearness.SAME),
        (Place("left forearm"), Place("forearm", "left"), Nearness.SAME),
        (Place("back", "left"), Place("back", "right"), Nearness.OTHER),
        (Place("left forearm"), Place("right forearm"), Nearness.OTHER),
        (Place("back", "left"), Place("back", "midline"), Nearness.SAME),
        (Place("upper back"), Place("shoulder"), Nearness.REGION),
        (Place("cheek"), Place("neck"), Nearness.REGION),
        (Place("back of hand"), Place("wrist"), Nearness.REGION),
        (Place("cheek"), Place("foot"), Nearness.OTHER),
        (Place("back"), Place(), Nearness.UNKNOWN),
        (Place(), Place(None, "left"), Nearness.UNKNOWN),
        (Place(None, "right"), Place(None, "left"), Nearness.OTHER),
        (Place("where it itches"), Place("back"), Nearness.UNKNOWN),
    ],
)
def test_places_are_compared_in_the_words_of_portals(one: Place, other: Place, expected: Nearness) -> None:
    assert nearness(one, other) is nearness(other, one) is expected


@pytest.mark.parametrize(("words", "region"), [("back of hand", "hand"), ("Lower-Leg", "leg"), ("toes", "foot"), ("backpack", None)])
def test_the_longest_word_names_the_region(words: str, region: str | None) -> None:
    assert region_of(words) == region


def test_likeness_is_a_cosine_of_what_is_comparable() -> None:
    assert likeness(seen(1, 2, 3), seen(2, 4, 6)) == pytest.approx(1, abs=1e-3)
    assert likeness(seen(1, 0), seen(0, 1)) == 0
    assert likeness(seen(1, 0), seen(1, 0, 0)) is None
    assert likeness(None, seen(1, 0)) is None
    assert likeness(seen(1, 0), b"") is None


@pytest.mark.parametrize("features", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_features_without_a_direction_have_no_embedding(features: list[float]) -> None:
    assert embedding_of(np.array(features, np.float32)) == b""


def test_evidence_adds_up() -> None:
    alike, strange = likely(Nearness.SAME, 0.95).value, likely(Nearness.SAME, 0.4).value
    assert strange < PROPOSE < alike
    assert likely(Nearness.SAME, 0.95, unlike()).value < alike < likely(Nearness.SAME, 0.95, AGREEING).value
    assert likely(Nearness.SAME, 0.4, AGREEING).value > PROPOSE
    assert likely(Nearness.REGION, 0.95).value < alike


@pytest.mark.parametrize("why", [Why.BLURRED, Why.NO_DETAIL])
def test_a_picture_without_detail_speaks_against_nothing(why: Why) -> None:
    assert likely(Nearness.SAME, 0.9, unlike(why)).value == likely(Nearness.SAME, 0.9).value


def test_another_place_is_never_proposed() -> None:
    assert likely(Nearness.OTHER, 1.0, AGREEING).value == 0


def test_the_shortlist_holds_the_likeliest_first_and_no_other_place() -> None:
    others = [
        ("twin", Place("back"), seen(1, 0.1)),
        ("stranger", Place("back"), seen(0.1, 1)),
        ("elsewhere", Place("foot"), seen(1, 0)),
        ("unseen", Place("back"), None),
    ]
    names = [one.candidate for one in shortlist((Place("back"), seen(1, 0)), others)]
    assert names == ["twin", "unseen", "stranger"]
    assert [one.candidate for one in shortlist((Place("back"), seen(1, 0)), others, limit=1)] == ["twin"]


def test_reasons_are_plain_data() -> None:
    reasons = likely(Nearness.SAME, 0.9134, AGREEING).reasons()
    assert json.loads(json.dumps(reasons)) == {
        "site": "same",
        "likeness": 0.913,
        "geometry": {"agrees": True, "inliers": 34, "correlation": 0.91},
    }
    assert likely(Nearness.UNKNOWN, None, unlike()).reasons()["geometry"]["why"] == "other_place"
    assert likely(Nearness.UNKNOWN).reasons() == {"site": "unknown", "likeness": None, "geometry": None}
