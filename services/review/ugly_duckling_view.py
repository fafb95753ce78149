"""Which lesions stand out from the patient's others, in words; lesions that a reader must still judge blind are left out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.records.patients import PatientLesion
from services.review import ugly_duckling, words
from services.review.change_words import estimate
from services.review.patient_line import size_of

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Odd:
    """A lesion that stands out: `L-2, back` and `larger and darker than the other 6`."""

    id: UUID
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Ducklings:
    """``said``: what there is to say where no lesion stands out. ``more``: how many stand out beside the named ones."""

    odd: tuple[Odd, ...]
    more: int
    compared: int
    said: str
    ranks: dict[UUID, ugly_duckling.Standing]


def ducklings(lesions: Sequence[PatientLesion], names: dict[UUID, str]) -> Ducklings:
    """The ranking of these lesions, by name."""
    ids = {str(lesion.id): lesion.id for lesion in lesions}
    ranked = ugly_duckling.rank([_compared(lesion) for lesion in lesions])
    odd = [standing for standing in ranked if standing.stands_out]
    named = tuple(_odd(ids[standing.key], names, standing, len(ranked) - 1) for standing in odd[:MOST_NAMED])
    said = "" if odd else _said(len(ranked), len(lesions))
    return Ducklings(named, len(odd) - len(named), len(ranked), said, {ids[standing.key]: standing for standing in ranked})


def _said(compared: int, lesions: int) -> str:
    if compared:
        return f"No lesion stands out from the other {compared - 1}."
    return f"Too few to compare: {ugly_duckling.FEWEST} measured lesions are needed, and the patient has {lesions} that you may compare."


def _odd(lesion_id: UUID, names: dict[UUID, str], standing: ugly_duckling.Standing, others: int) -> Odd:
    return Odd(lesion_id, names[lesion_id], f"{words.listed(list(standing.oddities))}, beside the other {others}")


def _compared(lesion: PatientLesion) -> ugly_duckling.Lesion:
    figures = {name: value for name, value in _figures(lesion) if value is not None}
    return ugly_duckling.Lesion(str(lesion.id), figures, lesion.look.pipeline_version, lesion.look.embedding)


def _figures(lesion: PatientLesion) -> Iterable[tuple[str, float | None]]:
    look = lesion.look
    size = size_of(look)
    yield "size", math.log(size.area_mm2) if size and size.area_mm2 else None
    for name, field in (("asymmetry", "asymmetry"), ("border", "border_irregularity"), ("colours", "colour_variegation")):
        measured = estimate(look.measured, field)
        found = (look.found or {}).get(field)
        yield name, measured.value if measured else None if found is None else float(found)
    yield "darkness", _darkness(look.measured)


def _darkness(measures: object) -> float | None:
    """L* of the skin around less that of the lesion: light and camera cancel out."""
    if not isinstance(measures, dict) or not measures.get("lesion_lab") or not measures.get("skin_lab"):
        return None
    return float(measures["skin_lab"][0][0]) - float(measures["lesion_lab"][0][0])
