"""Which comparisons a trail needs, and which of them are on file: pure bookkeeping, without a picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.records.visits import KnownComparison, MeasureKey, TrailVisit


@dataclass(frozen=True, slots=True)
class Versions:
    """What makes figures comparable: how visits are measured and compared, and the networks."""

    measuring: str
    comparing: str
    pipeline: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two visits to be compared."""

    earlier: TrailVisit
    later: TrailVisit


def pairs_of(visits: Sequence[TrailVisit]) -> list[Pair]:
    """Each visit with the one before it, and the last one with the first: slow growth shows against the first."""
    pairs = [Pair(earlier, later) for earlier, later in pairwise(visits)]
    return [*pairs, Pair(visits[0], visits[-1])] if len(visits) > 2 else pairs


def measure_key(visit: TrailVisit, versions: Versions) -> MeasureKey:
    """What the measures of a visit rest on."""
    ruler = f".{visit.calibration_id.hex[:8]}" if visit.calibration_id else ""
    return MeasureKey(visit.image_id, visit.outline_id, f"{versions.measuring}.{versions.pipeline}{ruler}")


def drawn_basis(pair: Pair) -> str:
    """What people have said about the two pictures: outlines, rulers, times."""
    said = [(visit.drawn_id, visit.calibration_id, visit.visited_at.isoformat()) for visit in (pair.earlier, pair.later)]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def basis_of(pair: Pair, versions: Versions) -> str:
    """Everything that a comparison rests on beside the pictures."""
    return f"{drawn_basis(pair)}:{versions.comparing}.{versions.measuring}.{versions.pipeline}"


def find_known(pair: Pair, known: Sequence[KnownComparison], versions: Versions, *, newest: TrailVisit) -> KnownComparison | None:
    """The comparison of a pair that is on file and still holds; None where it is to be made.

    Comparisons with the newest visit are made with today's versions. Older ones stay as they were made: a new network is no reason to
    look at ten years of pictures again.
    """
    exact, drawn = basis_of(pair, versions), drawn_basis(pair) + ":"
    of_pair = [each for each in known if (each.earlier_image_id, each.later_image_id) == (pair.earlier.image_id, pair.later.image_id)]
    found = next((each for each in of_pair if each.basis == exact), None)
    if found or pair.later == newest:
        return found
    return next((each for each in of_pair if each.basis.startswith(drawn)), None)
