"""Two visits of one lesion: true changes are found with their errors, and what cannot be compared says so."""

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.change import Basis, Change, Comparison, Estimate, Visit, compare, fired
from models.change.changes import changes_of
from models.change.compare import YARDSTICK, months_between
from models.change.difference import Difference
from models.change.laying import Ratio
from models.pictures.decode import decode
from tests.change.visits import FIRST, HEIGHT, MONTHS, WIDTH, first_visit, later, lesion, plain_measures, second_visit, visit_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNCHANGED = Difference(np.zeros((4, 4), np.float32), noise=6.0, share=0.0, gains=(1.0, 1.0, 1.0), gain_error=(0.0, 0.0, 0.0))


@pytest.mark.parametrize(("growth", "zoom"), [(0.0, 1.0), (0.3, 0.9), (0.8, 1.1)])
def test_true_growth_is_found_within_its_error(growth: float, zoom: float) -> None:
    area = compare(first_visit(), second_visit(growth, zoom=zoom)).changes["area"]
    assert area.relative == pytest.approx(growth, abs=0.06)
    assert abs(area.value - growth) < 3 * area.error
    assert area.significant == (growth > 0)
    assert area.unit == "mm²"
    assert area.absolute is not None
    assert area.later == pytest.approx((area.earlier or 0) * (1 + area.value))
    assert area.per_month == pytest.approx(area.value / 4.008, rel=0.01)


def test_a_stable_lesion_has_no_significant_change_and_no_alert() -> None:
    found = compare(first_visit(), second_visit())
    assert found.valid
    assert fired(found) == ()
    assert not any(change.significant for name, change in found.changes.items() if name != "embedding")


def test_a_comparison_survives_json_and_has_its_pictures() -> None:
    found = compare(first_visit(), second_visit(0.3))
    kept = json.loads(json.dumps(found.to_json(), allow_nan=False))
    again = Comparison.from_json(kept)
    assert again == replace(found, registration=None, registered=b"", difference=b"")
    assert fired(again) == fired(found)
    assert len(kept["registration"]["matrix"]) == 2
    registered = decode(found.registered).rgb
    assert registered.shape == (HEIGHT, WIDTH, 3)
    difference = cv2.imdecode(np.frombuffer(found.difference, np.uint8), cv2.IMREAD_UNCHANGED)
    assert difference is not None
    assert difference.shape == (HEIGHT, WIDTH, 4)


def test_the_registered_picture_lies_on_the_later_one() -> None:
    found, truth = compare(first_visit(), second_visit()), later()
    assert found.registration
    middle = np.array([WIDTH / 2, HEIGHT / 2, 1.0])
    assert np.linalg.norm(found.registration.matrix @ middle - truth.matrix @ middle) < 4


@pytest.mark.parametrize("growth", [0.0, 0.4])
def test_without_scales_sizes_are_relative_to_the_skin(growth: float) -> None:
    found = compare(first_visit(scaled=False), second_visit(growth, scaled=False, zoom=1.1))
    area = found.changes["area"]
    assert found.basis is Basis.REGISTRATION
    assert (area.unit, area.absolute, area.earlier, area.later) == ("%", None, None, None)
    assert area.relative == pytest.approx(growth, abs=0.08)
    assert area.error < 0.1
    assert found.notes == ()


def test_where_no_skin_tells_the_scale_that_is_said_and_the_error_is_wide() -> None:
    def without_outline(visit: Visit) -> Visit:
        return replace(visit, look=replace(visit.look, mask=None))

    found = compare(without_outline(first_visit(scaled=False)), without_outline(second_visit(0.4, scaled=False)))
    assert YARDSTICK in found.notes
    assert found.changes["area"].error > 0.3
    assert not found.changes["area"].significant


def test_magnifications_of_one_device_make_a_relative_scale() -> None:
    one, other = (replace(visit, magnification=10.0) for visit in (first_visit(scaled=False), second_visit(0.3, scaled=False)))
    found = compare(one, other)
    assert found.basis is Basis.MAGNIFICATION
    assert found.changes["area"].relative == pytest.approx(0.3, abs=0.08)
    assert found.changes["area"].absolute is None


def test_a_scale_that_the_pictures_contradict_is_not_trusted_and_that_is_said() -> None:
    second = second_visit()
    assert second.measures
    wrong = replace(second, measures=replace(second.measures, mm_per_px=lesion().pixel_spacing_mm * 3))
    found = compare(first_visit(), wrong)
    assert found.basis is Basis.REGISTRATION
    assert any("wrong" in note for note in found.notes)
    assert found.changes["area"].relative == pytest.approx(0, abs=0.08)


@pytest.mark.parametrize("at", [FIRST, FIRST + timedelta(hours=5), FIRST - MONTHS, None])
def test_visits_at_the_same_time_or_in_the_wrong_order_have_no_rate(at: datetime | None) -> None:
    found = compare(first_visit(), replace(second_visit(0.3), at=at))
    assert found.months is None
    assert all(change.per_month is None for change in found.changes.values())
    assert found.changes["area"].relative == pytest.approx(0.3, abs=0.06)


def test_the_wrong_order_and_unknown_moments_are_said() -> None:
    assert months_between(FIRST + MONTHS, FIRST)[1]
    assert months_between(None, FIRST)[1]
    assert months_between(FIRST, FIRST) == (None, ())
    assert months_between(FIRST.replace(tzinfo=None), FIRST + MONTHS)[0] == pytest.approx(4.008, abs=0.01)


def test_another_lesion_is_no_valid_comparison() -> None:
    found = compare(first_visit(), visit_of(lesion(31).rgb, spacing=0.04))
    assert not found.valid
    assert found.why == "other_place"
    assert found.changes == {}
    assert fired(found) == ()
    assert json.loads(json.dumps(found.to_json()))["registration"] is None


def test_a_blurred_picture_is_no_valid_comparison() -> None:
    blurred = np.asarray(cv2.GaussianBlur(lesion().rgb, (0, 0), 25), np.uint8)
    drawn = lesion().mask
    assert compare(first_visit(), visit_of(blurred, mask=drawn)).why in ("blurred", "no_detail")


def test_a_visit_without_a_lesion_is_no_valid_comparison() -> None:
    empty: Visit = replace(first_visit(), measures=None)
    assert compare(first_visit(), empty).why == "no_lesion"
    assert compare(empty, first_visit()).why == "no_lesion"


def test_a_readers_outlines_are_compared() -> None:
    second = later(0.5)
    spacing = lesion().pixel_spacing_mm
    one = visit_of(lesion().rgb, spacing=spacing, mask=lesion().mask)
    other = visit_of(second.rgb, spacing=spacing, mask=second.mask, at=FIRST + MONTHS)
    assert compare(one, other).changes["area"].relative == pytest.approx(0.5, abs=0.08)


def test_a_lesion_that_leaves_the_picture_gives_lower_bounds() -> None:
    cut = np.ascontiguousarray(lesion().rgb[:, : WIDTH // 2])
    found = compare(first_visit(scaled=False), visit_of(cut, mask=np.ascontiguousarray(lesion().mask[:, : WIDTH // 2])))
    assert found.lower_bound or not found.valid


def changes_between(growth: float = 0.0, **later_figures: object) -> dict[str, Change]:
    """Without pictures: from measures alone."""
    one = plain_measures()
    other = plain_measures(area_px=Estimate(one.area_px.value * (1 + growth), 200.0), **later_figures)
    ratio = Ratio(1.0, 0.0, Basis.MM)
    return changes_of(one, other, ratio=ratio, movement=None, difference=UNCHANGED, months=4.0)


def test_where_the_border_cannot_be_followed_the_outlines_are_compared() -> None:
    area = changes_between(0.5)["area"]
    assert area.relative == pytest.approx(0.5)
    assert area.error == pytest.approx(1.5 * math.hypot(0.02, 200 / 15_000))
    assert area.absolute == pytest.approx(0.5 * 10_000 * 0.04**2)


def test_other_networks_are_not_compared() -> None:
    found = changes_between(pipeline_version="p2")
    assert "malignant_probability" not in found
    assert "area" in found


@given(FINITE, st.none() | FINITE, FINITE, st.none() | FINITE, st.booleans())
def test_any_change_survives_json(absolute: float, relative: float | None, error: float, rate: float | None, significant: bool) -> None:
    change = Change(absolute, relative, error, rate, "mm", significant)
    assert Change.from_json(json.loads(json.dumps(change.to_json(), allow_nan=False))) == change


def test_a_change_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Change.from_json({**changes_between()["area"].to_json(), "error": math.nan})
