"""The formulas behind the statistics, as tiny functions of counts, each with its source."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist

# Two-sided 95 %.
Z = NormalDist().inv_cdf(0.975)

Pairs = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Proportion:
    """``hits`` of ``total``, with the 95 % interval; all three figures are None of nothing."""

    hits: int
    total: int

    @property
    def value(self) -> float | None:
        """The share, 0..1."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper bound, 0..1."""
        return wilson(self.hits, self.total) if self.total else None


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion, 0..1, without continuity correction; ``total`` is at least 1.

    Wilson 1927, J Am Stat Assoc 22:209; recommended for small samples by Newcombe 1998, Stat Med 17:857 (method 3).
    """
    share, square = hits / total, Z * Z
    centre = share + square / (2 * total)
    margin = Z * sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Chance-corrected agreement, -1..1; ``value`` and ``interval`` are None where they cannot be computed."""

    pairs: int
    agreed: int
    value: float | None
    interval: tuple[float, float] | None


def cohen_kappa(table: Pairs) -> Kappa:
    """Return Cohen's kappa of a table (category of one rater, category of the other) → count, with its 95 % interval.

    Cohen 1960, Educ Psychol Meas 20:37. The standard error is the large-sample one of Fleiss, Cohen & Everitt 1969, Psychol Bull
    72:323, equation 13. Of complete agreement that error is zero however few the pairs are: there the lower bound is what kappa
    would be at the Wilson bound of the share that agrees. Without a value where both raters used one and the same category
    throughout: chance alone agrees always.
    """
    total = sum(table.values())
    agreed = sum(count for (one, other), count in table.items() if one == other)
    if not total:
        return Kappa(0, 0, None, None)
    rows, columns = _margins(table, total)
    observed, expected = agreed / total, sum(rows[name] * columns[name] for name in rows)
    if expected >= 1:
        return Kappa(total, agreed, None, None)
    value = (observed - expected) / (1 - expected)
    if agreed == total:
        return Kappa(total, agreed, value, (max(-1.0, (wilson(agreed, total)[0] - expected) / (1 - expected)), value))
    margin = Z * sqrt(max(0.0, _kappa_variance(table, total, observed, expected)))
    return Kappa(total, agreed, value, (max(-1.0, value - margin), min(1.0, value + margin)))


def _margins(table: Pairs, total: int) -> tuple[dict[str, float], dict[str, float]]:
    names = {name for pair in table for name in pair}
    rows = {name: sum(count for (one, _), count in table.items() if one == name) / total for name in names}
    columns = {name: sum(count for (_, other), count in table.items() if other == name) / total for name in names}
    return rows, columns


def _kappa_variance(table: Pairs, total: int, observed: float, expected: float) -> float:
    rows, columns = _margins(table, total)
    agreeing = disagreeing = 0.0
    for (one, other), count in table.items():
        if one == other:
            agreeing += count / total * ((1 - expected) - (columns[one] + rows[one]) * (1 - observed)) ** 2
        else:
            disagreeing += count / total * (columns[one] + rows[other]) ** 2
    rest = (observed * expected - 2 * expected + observed) ** 2
    return (agreeing + (1 - observed) ** 2 * disagreeing - rest) / (total * (1 - expected) ** 4)


def one_against_rest(table: Pairs, category: str) -> dict[tuple[str, str], int]:
    """Return the table folded to ``category`` and ``rest``: its kappa is the category's own (Fleiss 1971, Psychol Bull 76:378)."""
    folded: dict[tuple[str, str], int] = {}
    for (one, other), count in table.items():
        pair = (_fold(one, category), _fold(other, category))
        folded[pair] = folded.get(pair, 0) + count
    return folded


def _fold(name: str, category: str) -> str:
    return name if name == category else "rest"


def stability_index(reference: Sequence[int], recent: Sequence[int]) -> float:
    """Return the population stability index of two histograms over the same bins: sum of (q - p) ln(q / p), 0 for equal shares.

    The symmetrised Kullback-Leibler divergence, Jeffreys 1946, Proc R Soc A 186:453; as an index of shifted populations Siddiqi 2006,
    Credit Risk Scorecards. A bin that only one side fills would make it infinite: it counts as half a case there. Bins that are
    empty on both sides say nothing and are left out.
    """
    bins = [(p, q) for p, q in zip(reference, recent, strict=True) if p or q]
    expected, seen = _shares(p for p, _ in bins), _shares(q for _, q in bins)
    return sum((q - p) * log(q / p) for p, q in zip(expected, seen, strict=True))


def _shares(counts: Iterable[int]) -> list[float]:
    filled = [max(float(count), 0.5) for count in counts]
    total = sum(filled)
    return [count / total for count in filled]


def stability_by_chance(bins: int, reference: int, recent: int) -> float:
    """Return the index that 95 of 100 pairs of samples of one and the same population stay under.

    For equal populations the index is about (1/reference + 1/recent) times chi squared of ``bins - 1`` degrees of freedom
    (Yurdakul & Naranjo 2020, J Risk Model Validation 14(4):89).
    """
    return chi_squared_95(bins - 1) * (1 / reference + 1 / recent) if bins > 1 else 0.0


def chi_squared_95(degrees: int) -> float:
    """Return the 95 % quantile of chi squared, good to 1 % (Wilson & Hilferty 1931, Proc Natl Acad Sci 17:684)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(0.95) * sqrt(spread)) ** 3)
