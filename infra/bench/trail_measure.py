"""The parts of the trail's benchmark, spread over processes in packs."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from infra.bench.trail_cost import Cost, cost_of
from infra.bench.trail_growth import Growth, growths_of
from infra.bench.trail_pairs import Pair, Search, pairs_of, searches_of
from infra.bench.trail_subjects import Part, drawn_subjects, one_a_lesion, processes, real_records, several_of_a_lesion
from infra.bench.trail_warps import Different, Warp, warps_of

T = TypeVar("T")
R = TypeVar("R")
PACK = 8  # lesions at a time: each is also compared with others of its pack
SEARCH_PACK = 42  # twice a lesion and twenty others


@dataclass(frozen=True, slots=True)
class Plan:
    """How many at most, drawn with ``seed``: ``lesions`` real ones to be moved, ``grown`` real ones of each part to grow (most leave the
    picture and are left out), ``drawn`` ones for both, ``pairs`` of real pictures of one lesion, of each part.
    """

    data: Path | None
    part: Part
    seed: int
    lesions: int
    grown: int
    drawn: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured. ``pairs``: of the other part; ``searched``: of the part in question. ``chosen_on``: growths of the
    development part, on which the threshold of the alert is chosen.
    """

    warps: Sequence[Warp]
    different: Sequence[Different]
    searched: Sequence[Pair]
    searches: Sequence[Search]
    pairs: Sequence[Pair]
    growths: Sequence[Growth]
    chosen_on: Sequence[Growth]
    cost: Cost


def measure(plan: Plan, *, say: Callable[[str, float], None]) -> Figures:
    """Every part. ``say``: told what is measured, and which share of the whole (0..1) is done."""
    records = real_records(plan.data, plan.part)
    others = real_records(plan.data, "development" if plan.part == "test" else "test")
    drawn, real, development = drawn_subjects(plan.drawn), one_a_lesion(records), one_a_lesion(others)
    lesions = [*_sample(real, plan.lesions, plan.seed), *drawn]
    growing, choosing = [*_sample(real, plan.grown, plan.seed), *drawn], _sample(development, plan.grown, plan.seed)
    several, more = (_sample(several_of_a_lesion(of), plan.pairs, plan.seed) for of in (records, others))
    say("cost", 0.0)
    cost = _alone(cost_of)
    with _pool() as pool:
        jobs = Jobs(pool)
        # The longest first, so that no process is left alone with them at the end.
        searched = jobs.add("lesions found again", partial(searches_of, seed=plan.seed), _packs(several, SEARCH_PACK), weight=8)
        moved = jobs.add("pictures moved", partial(warps_of, seed=plan.seed), _packs(lesions, PACK), weight=3)
        growths = jobs.add("growth", partial(growths_of, seed=plan.seed), _packs(growing, PACK))
        chosen_on = jobs.add("growth, development part", partial(growths_of, seed=plan.seed), _packs(choosing, PACK))
        pairs = jobs.add("pairs of real pictures", pairs_of, _packs(more, PACK))
        jobs.wait(say)
    return Figures(
        warps=[row for job in moved for row in job.result()[0]],
        different=[row for job in moved for row in job.result()[1]],
        searched=[row for job in searched for row in job.result()[0]],
        searches=[row for job in searched for row in job.result()[1]],
        pairs=[row for job in pairs for row in job.result()],
        growths=[row for job in growths for row in job.result()],
        chosen_on=[row for job in chosen_on for row in job.result()],
        cost=cost,
    )


class Jobs:
    """What the processes have to do, and how much of it is done."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._size: dict[Future[Any], tuple[str, float]] = {}

    def add(self, name: str, work: Callable[[list[T]], R], packs: Sequence[list[T]], *, weight: float = 1) -> list[Future[R]]:
        """One job a pack, in the order of the packs. ``weight``: of an item, beside those of other jobs."""
        futures = [self._pool.submit(work, pack) for pack in packs]
        self._size.update({future: (name, weight * len(pack)) for future, pack in zip(futures, packs, strict=True)})
        return futures

    def wait(self, say: Callable[[str, float], None]) -> None:
        """Until all is done. Raises what a job raised."""
        total, done = sum(size for _, size in self._size.values()) or 1.0, 0.0
        for future in as_completed(self._size):
            future.result()
            name, size = self._size[future]
            done += size
            say(name, done / total)


def _pool() -> ProcessPoolExecutor:
    # Spawned: torch's and OpenCV's threads do not survive a fork. One thread each: the processes fill the cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return ProcessPoolExecutor(processes(), mp_context=multiprocessing.get_context("spawn"))


def _alone(work: Callable[[], R]) -> R:
    """In a process of its own, before the others start."""
    with _pool() as pool:
        return pool.submit(work).result()


def _sample(items: Sequence[T], count: int, seed: int) -> list[T]:
    if len(items) <= count:
        return list(items)
    chosen = np.random.default_rng(seed).choice(len(items), count, replace=False)
    return [items[index] for index in sorted(chosen)]


def _packs(items: Sequence[T], size: int) -> list[list[T]]:
    """About equal packs of at most ``size``; neighbours in the list are spread, so that sources mix."""
    count = -(-len(items) // size)
    return [list(items[start::count]) for start in range(count)]
