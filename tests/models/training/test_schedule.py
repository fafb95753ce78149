"""Learning rates over a run."""

import pytest

from models.training.recipe import Training
from models.training.schedule import _Factor


def factor(steps: int = 100, per_epoch: int = 10, **over: object) -> _Factor:
    return _Factor(training=Training(epochs=10, learning_rate=1e-2, **over), steps=steps, per_epoch=per_epoch)


def test_cosine_rises_falls_and_ends_near_nothing() -> None:
    rates = [factor()(step) for step in range(100)]
    assert rates[0] < 0.2
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] < 0.01
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_step_divides_by_ten_after_its_patience() -> None:
    rate = factor(schedule="step", patience=3, warm_up=0)
    assert [rate(step) for step in (0, 29, 30, 60)] == pytest.approx([1, 1, 0.1, 0.01])


def test_phase_one_keeps_the_full_rate_and_phase_two_has_its_own() -> None:
    rate = factor(frozen_epochs=2, fine_tune_learning_rate=1e-3, warm_up=0)
    assert rate(0) == rate(19) == 1
    assert rate(20) == pytest.approx(0.1)
    assert rate(99) < 0.01
