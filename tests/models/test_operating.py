"""The threshold of suspicion keeps its sensitivity on lesions that it was not fitted on."""

import numpy as np
import pytest

from models.operating import operating_point


def lesions(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    malignant = generator.random(count) < 0.2
    return 1 / (1 + np.exp(-generator.normal(np.where(malignant, 1.2, -1.2)))), malignant


def test_held_out_sensitivity_is_kept_nearly_always_and_not_by_calling_everything_suspicious() -> None:
    sensitivities, specificities = [], []
    for seed in range(60):
        probability, malignant = lesions(1_000, seed=seed)
        point = operating_point(malignant_probability=probability, malignant=malignant, sensitivity=0.9)
        assert point is not None
        others, bad = lesions(1_000, seed=1_000 + seed)
        suspicious = others >= point.malignant_probability
        sensitivities.append(suspicious[bad].mean())
        specificities.append((~suspicious)[~bad].mean())
    assert np.mean(np.array(sensitivities) >= 0.9) > 0.85
    assert np.mean(sensitivities) < 0.95
    assert np.mean(specificities) > 0.7


def test_the_point_states_what_it_does_to_the_pictures_it_was_fitted_on() -> None:
    probability, malignant = lesions(1_000, seed=1)
    point = operating_point(malignant_probability=probability, malignant=malignant)
    assert point is not None
    suspicious = probability >= point.malignant_probability
    assert point.sensitivity == pytest.approx(suspicious[malignant].mean())
    assert point.specificity == pytest.approx((~suspicious)[~malignant].mean())


def test_too_few_malignant_lesions_for_a_statement_are_all_caught() -> None:
    malignant = np.arange(100) < 28  # 0.9 ** 28 is still over 5 %
    probability = np.linspace(0.9, 0.1, 100)
    point = operating_point(malignant_probability=probability, malignant=malignant)
    assert point is not None
    assert point.sensitivity == 1
    assert point.malignant_probability == pytest.approx(probability[27])


@pytest.mark.parametrize(("count", "misses"), [(28, 0), (29, 0), (45, 0), (46, 1), (200, 12), (20_000, 1_929)])
def test_as_many_may_be_missed_as_the_exact_bound_allows(count: int, misses: int) -> None:
    probability = np.concatenate([np.arange(1, count + 1) / (count + 1), [0.0]])
    point = operating_point(malignant_probability=probability, malignant=probability > 0)
    assert point is not None
    assert round((1 - (point.sensitivity or 0)) * count) == misses


def test_there_is_no_point_without_both_kinds() -> None:
    probability = np.linspace(0, 1, 10)
    assert operating_point(malignant_probability=probability, malignant=np.ones(10, bool)) is None
    assert operating_point(malignant_probability=probability, malignant=np.zeros(10, bool)) is None


def test_shares_out_of_range_are_an_error() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        operating_point(malignant_probability=np.zeros(2), malignant=np.array([True, False]), sensitivity=1.0)
