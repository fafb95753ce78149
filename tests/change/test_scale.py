"""How large a pixel is, and what cannot be true of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.change import Scale, ScaleSource, believable, scale_of
from models.change.scale import NARROWEST_MM, WIDEST_MM, Optics, magnification_ratio


@pytest.mark.parametrize("spacing", [0.0, -0.01, math.nan, math.inf, -math.inf])
def test_what_is_no_size_is_refused_with_a_sentence(spacing: float) -> None:
    assert "is no size" in (believable(spacing, 1024, 768) or "")
    assert scale_of(mm_per_px=spacing, source=ScaleSource.DICOM, width=1024, height=768) is None


@pytest.mark.parametrize(("spacing", "word"), [(0.0001, "less than any dermoscope"), (5.0, "more than a picture of a lesion")])
def test_an_absurd_field_of_view_is_refused_and_says_how_to_mend_it(spacing: float, word: str) -> None:
    reason = believable(spacing, 1024, 768)
    assert reason
    assert word in reason
    assert "ruler" in reason


@pytest.mark.parametrize("spacing", [0.005, 0.02, 0.1, 0.3])
def test_dermoscopes_and_close_ups_are_believed(spacing: float) -> None:
    assert believable(spacing, 1024, 768) is None
    assert scale_of(mm_per_px=spacing, source=ScaleSource.RULER, width=1024, height=768) == Scale(spacing, ScaleSource.RULER)


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_believed_spacing_gives_a_field_of_view_of_a_lesion(spacing: float, width: int, height: int) -> None:
    if believable(spacing, width, height) is None:
        assert NARROWEST_MM <= spacing * max(width, height) <= WIDEST_MM


def test_nothing_said_is_no_scale() -> None:
    assert scale_of(mm_per_px=None, source=ScaleSource.STATED, width=100, height=100) is None


@given(st.floats(1e-6, 1e3), st.sampled_from(ScaleSource))
def test_a_scale_survives_json(spacing: float, source: ScaleSource) -> None:
    assert Scale.from_json(Scale(spacing, source).to_json()) == Scale(spacing, source)


def optics(*, magnification: float | None = 10.0, device: str | None = "portal", width: int = 1024, height: int = 768) -> Optics:
    return Optics(device=device, magnification=magnification, width=width, height=height)


def test_two_magnifications_of_one_device_give_a_ratio() -> None:
    assert magnification_ratio(optics(), optics(magnification=20.0)) == pytest.approx(2.0)
    assert magnification_ratio(optics(), optics(magnification=20.0, width=768, height=1024)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "other",
    [optics(device="another"), optics(width=2048), optics(magnification=None), optics(magnification=0.0), optics(magnification=math.inf)],
)
def test_another_device_file_size_or_no_magnification_gives_none(other: Optics) -> None:
    assert magnification_ratio(optics(), other) is None
