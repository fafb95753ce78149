"""Two real pictures of one lesion: how many can be laid over each other, and whether a lesion is found again among others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infra.bench.trail_subjects import Subject, analyzer
from models.change import Look, NoComparison, Registration, look_at, register
from models.change.identity import Nearness, likely

OTHERS = 20  # lesions among which one is to be found again
SHORTLIST = 5  # candidates that are registered, the most alike: as the product does it


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as the trail sees it. ``embedding``: F float32 of length 1."""

    lesion: str
    look: Look
    embedding: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of one lesion. ``way``: how they were laid over each other, or why not."""

    lesion: str
    registered: bool
    way: str
    scale: float


@dataclass(frozen=True, slots=True)
class Search:
    """One lesion among itself and others; True where it came first. ``false_valid``: others that could be laid over it."""

    by_embedding: bool
    by_geometry: bool
    by_both: bool
    by_both_shortlisted: bool
    false_valid: int


def seen(subject: Subject) -> Seen:
    """One pass of the shipped pair, and a look."""
    prepared = analyzer().prepare(subject.data())
    (inferred,) = analyzer().infer([prepared])
    features = inferred.features / (np.linalg.norm(inferred.features) + 1e-9)
    return Seen(subject.lesion, look_at(prepared.picture, inferred.mask), np.asarray(features, np.float32))


def pairs_of(pairs: Sequence[tuple[Subject, Subject]]) -> list[Pair]:
    """Each pair registered."""
    return [_pair(seen(one), seen(other)) for one, other in pairs]


def _pair(one: Seen, other: Seen) -> Pair:
    found = register(one.look, other.look)
    if isinstance(found, Registration):
        return Pair(one.lesion, registered=True, way=str(found.way), scale=found.scale)
    return Pair(one.lesion, registered=False, way=str(found.why), scale=np.nan)


def searches_of(pairs: Sequence[tuple[Subject, Subject]], *, seed: int) -> tuple[list[Pair], list[Search]]:
    """Each lesion's second picture sought among the first pictures of itself and of 20 others of the list."""
    earlier = [seen(one) for one, _ in pairs]
    later = [seen(other) for _, other in pairs]
    rng = np.random.default_rng(seed)
    searches = []
    for index, target in enumerate(later):
        others = rng.choice([number for number in range(len(pairs)) if number != index], min(OTHERS, len(pairs) - 1), replace=False)
        searches.append(_search(target, [earlier[index], *(earlier[number] for number in others)]))
    return [_pair(one, other) for one, other in zip(earlier, later, strict=True)], searches


def _search(target: Seen, candidates: Sequence[Seen]) -> Search:
    """The first candidate is the right one."""
    alike = [float(candidate.embedding @ target.embedding) for candidate in candidates]
    found = [register(candidate.look, target.look) for candidate in candidates]
    fits = [one.quality if isinstance(one, Registration) else -1.0 for one in found]
    shortlist = sorted(range(len(alike)), key=lambda index: -alike[index])[:SHORTLIST]
    looked: list[Registration | NoComparison | None] = [one if index in shortlist else None for index, one in enumerate(found)]
    return Search(
        by_embedding=_first(alike),
        by_geometry=_first(fits),
        by_both=_first([likely(Nearness.UNKNOWN, like, one).value for like, one in zip(alike, found, strict=True)]),
        by_both_shortlisted=_first([likely(Nearness.UNKNOWN, like, one).value for like, one in zip(alike, looked, strict=True)]),
        false_valid=sum(isinstance(one, Registration) for one in found[1:]),
    )


def _first(scores: Sequence[float]) -> bool:
    """A tie is no find."""
    return scores[0] > max(scores[1:])
