"""95 % intervals by resampling whole lesions: images of one lesion are not independent, so they are drawn together.

Every draw is a row of counts (how often it holds each group), so that a figure made of sums over images needs one matrix product
for all draws, and a figure made of ranks needs one weighted pass.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from models.evaluation.figures.samples import Booleans, Floats

DRAWS = 1_000
FEWEST = 10  # Under ten lesions an interval, and a subgroup's figure, would be read as more than it is.
TAIL = 0.025
CHUNK = 100_000  # floats held at once: they stay in the processor's cache


class Bootstrap:
    """``draws`` resamplings of the groups of N images (Field and Welsh 2007, randomised cluster bootstrap), the same for the same seed."""

    def __init__(self, groups: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> None:
        places = {name: place for place, name in enumerate(sorted(set(groups)))}
        self.members = np.array([places[name] for name in groups], np.int64)
        self.units, self.draws = len(places), draws
        generator = np.random.default_rng(seed)
        self._counts = np.empty((draws, self.units), np.uint16)
        for row in self._counts:
            row[:] = np.bincount(generator.integers(0, self.units, self.units), minlength=self.units)

    def sums(self, values: Floats) -> Floats:
        """N×K values per image → draws×K: their sum in every draw."""
        per_group = np.zeros((self.units, values.shape[1]))
        np.add.at(per_group, self.members, values)
        step = max(1, CHUNK // self.units)
        parts = [self._counts[start : start + step].astype(np.float64) @ per_group for start in range(0, self.draws, step)]
        return np.concatenate(parts)

    def ratio(self, top: Floats, bottom: Floats) -> Floats:
        """N and N values → draws: Σ top / Σ bottom in every draw, NaN where the bottom is 0."""
        return divided(*self.sums(np.stack([top, bottom], axis=1).astype(np.float64)).T)

    def mean(self, values: Floats) -> Floats:
        """N values → draws: their mean over the images of every draw."""
        return self.ratio(values, np.ones(len(values)))

    def weights(self) -> Iterator[Floats]:
        """How often each draw holds each image: draws×N in parts of some draws."""
        step = max(1, CHUNK // len(self.members))
        for start in range(0, self.draws, step):
            yield self._counts[start : start + step][:, self.members].astype(np.float64)

    def units_of(self, chosen: Booleans) -> int:
        """In how many groups at least one of the chosen images (N) lies."""
        return len(np.unique(self.members[chosen]))


def divided(top: Floats, bottom: Floats) -> Floats:
    """Element-wise quotient, NaN (without a warning) where the bottom is 0."""
    return np.asarray(np.divide(top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom != 0), np.float64)


def interval(draws: Floats, *, units: int) -> list[float] | None:
    """The 2.5 % and 97.5 % quantiles of a figure's draws; None with fewer than ten units or where most draws have no value."""
    known = draws[np.isfinite(draws)]
    if units < FEWEST or len(known) * 2 < len(draws):
        return None
    return [float(np.quantile(known, TAIL)), float(np.quantile(known, 1 - TAIL))]


def share_interval(draws: Floats, *, units: int) -> list[float] | None:
    """As ``interval``, for a share of units that may be all or none.

    Where every lesion agrees, every draw does, and a bootstrap says [1, 1] of ten lesions and of ten thousand alike. There the exact
    binomial bound stands in: (α/2)^(1/units) (Clopper and Pearson 1934).
    """
    found = interval(draws, units=units)
    if found is None or found[0] != found[1] or found[0] not in {0.0, 1.0}:
        return found
    bound = TAIL ** (1 / units)
    return [bound, 1.0] if found[0] == 1.0 else [0.0, 1 - bound]


def share_figures(name: str, bootstrap: Bootstrap, right: Booleans, among: Booleans) -> dict[str, Any]:
    """``name`` and ``name_95``: the share of ``right`` among ``among`` (both N), None where there are none."""
    top, bottom = (right & among).astype(np.float64), among.astype(np.float64)
    if not among.any():
        return {name: None, f"{name}_95": None}
    draws = bootstrap.ratio(top, bottom)
    return {name: float(top.sum() / bottom.sum()), f"{name}_95": share_interval(draws, units=bootstrap.units_of(among))}
