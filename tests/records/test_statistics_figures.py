"""The formulas against answers worked out in the literature, or by hand."""

import math

import pytest

from services.records.statistics.figures import (
    Kappa,
    Proportion,
    chi_squared_95,
    cohen_kappa,
    one_against_rest,
    stability_by_chance,
    stability_index,
    wilson,
)

# Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, table 18.1: two raters of 100 patients.
DIAGNOSES = {
    ("psychotic", "psychotic"): 75,
    ("psychotic", "neurotic"): 1,
    ("psychotic", "organic"): 4,
    ("neurotic", "psychotic"): 5,
    ("neurotic", "neurotic"): 4,
    ("neurotic", "organic"): 1,
    ("organic", "organic"): 10,
}


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_intervals_of_newcombe_1998(hits: int, total: int, low: float, high: float) -> None:
    assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


def test_wilson_stays_within_the_possible() -> None:
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 1)[0] == 0.0


def test_a_proportion_of_nothing_has_no_value() -> None:
    assert Proportion(0, 0).value is None
    assert Proportion(0, 0).interval is None


def test_kappa_and_its_error_are_those_of_the_textbook() -> None:
    kappa = cohen_kappa(DIAGNOSES)
    assert kappa.value == pytest.approx(0.676, abs=5e-4)
    assert kappa.interval is not None
    standard_error = (kappa.interval[1] - kappa.interval[0]) / (2 * 1.959964)
    assert standard_error == pytest.approx(0.088, abs=5e-4)
    assert (kappa.pairs, kappa.agreed) == (100, 89)


@pytest.mark.parametrize(("category", "value"), [("psychotic", 0.22 / 0.32), ("neurotic", 0.07 / 0.14), ("organic", 0.17 / 0.22)])
def test_kappa_of_one_category_is_worked_out_by_hand(category: str, value: float) -> None:
    assert cohen_kappa(one_against_rest(DIAGNOSES, category)).value == pytest.approx(value)


def test_kappa_is_zero_where_raters_agree_as_often_as_chance() -> None:
    assert cohen_kappa({("a", "a"): 25, ("a", "b"): 25, ("b", "a"): 25, ("b", "b"): 25}).value == pytest.approx(0.0)


def test_complete_agreement_of_few_is_not_taken_for_certain() -> None:
    kappa = cohen_kappa({("a", "a"): 10, ("b", "b"): 10})
    assert kappa.value == 1.0
    # Wilson's bound of 20 of 20 is 0.8389 (Newcombe 1998); chance agrees in half of the pairs.
    assert kappa.interval == pytest.approx((2 * 0.8389 - 1, 1.0), abs=2e-4)


def test_kappa_is_not_defined_of_nothing_nor_of_one_category() -> None:
    assert cohen_kappa({}) == Kappa(0, 0, None, None)
    assert cohen_kappa({("a", "a"): 9}) == Kappa(9, 9, None, None)


def test_stability_of_two_halves_is_worked_out_by_hand() -> None:
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    assert stability_index([50, 50], [60, 40]) == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8))


def test_stability_of_equal_shares_is_zero_whatever_the_sizes() -> None:
    assert stability_index([10, 30, 60], [100, 300, 600]) == pytest.approx(0.0)


def test_a_bin_that_one_side_lacks_counts_as_half_a_case_there() -> None:
    expected = (0.5 / 100.5 - 0.5) * math.log(0.5 / 100.5 / 0.5) + (100 / 100.5 - 0.5) * math.log(100 / 100.5 / 0.5)
    assert stability_index([50, 50, 0], [0, 100, 0]) == pytest.approx(expected)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 3.841), (2, 5.991), (7, 14.067), (9, 16.919), (19, 30.144)])
def test_chi_squared_is_that_of_the_tables(degrees: int, quantile: float) -> None:
    assert chi_squared_95(degrees) == pytest.approx(quantile, rel=0.03 if degrees == 1 else 0.01)


def test_small_samples_move_the_index_further_by_chance() -> None:
    assert stability_by_chance(10, 100, 100) == pytest.approx(16.919 / 50, rel=0.01)
    assert stability_by_chance(10, 10_000, 10_000) < 0.01
    assert stability_by_chance(1, 10, 10) == 0.0
