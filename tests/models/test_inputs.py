"""Each network sees what its card says, and equal work is done once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import inputs
from models.inputs import WHOLE, InputPlan, after_steps
from models.preprocess import apply_steps, hair_mask, remove_hair
from models.synthetic import Kind, draw

PICTURE = draw(seed=3, kind=Kind.NAEVUS, width=320, height=240, hair=8).rgb


def plan(**changes: object) -> InputPlan:
    card = {"input": {"side": 64, "crop": "lesion_square", "steps": [], "normalisation": "imagenet", **changes}, "views": 1}
    return InputPlan.of(card)


@pytest.mark.parametrize("steps", [(), ("hair_closing_fill",), ("hair_closing_fill", "clahe"), ("denoise", "clahe"), ("hair_telea",)])
def test_a_picture_after_its_steps_is_what_training_saw(steps: tuple[str, ...]) -> None:
    hair, (first, second) = after_steps(PICTURE, ((), steps))
    assert np.array_equal(first, PICTURE)
    assert np.array_equal(second, apply_steps(PICTURE, steps))
    assert np.array_equal(hair, hair_mask(PICTURE))


def test_equal_steps_of_both_networks_are_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            calls.append(name)
            return work(*given)

        return run

    monkeypatch.setattr(inputs, "remove_hair", noted("hair", remove_hair))
    monkeypatch.setattr(inputs, "apply_steps", noted("steps", apply_steps))
    _, (one, other) = after_steps(PICTURE, (("hair_closing_fill", "clahe"),) * 2)
    assert calls == ["hair", "steps"]
    assert one is other


def test_the_whole_picture_is_squeezed_and_the_lesions_square_is_not() -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[100:140, 200:240] = 255
    whole, crop = plan(crop="whole"), plan()
    assert whole.square(PICTURE, mask) == WHOLE
    square = crop.square(PICTURE, mask)
    assert (square.half_x * 320, square.half_y * 240) == pytest.approx((42, 42))
    assert abs(square.x * 320 - 220) < 1
    for each, shown in ((whole, WHOLE), (crop, square)):
        assert each.cut(PICTURE, shown).shape == (64, 64, 3)
    assert np.abs(whole.cut(PICTURE, WHOLE).mean((0, 1)) - PICTURE.mean((0, 1))).max() < 2
