"""A patient's page: body map, list of lesions, and which of them stand out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.access import SignedIn
from services.records.patients import PatientLesion, PatientView
from services.records.states import CaseState, Role
from services.review import reader, words
from services.review.body_map_view import ALERT, MapFigure, Marked, body_map, places_of
from services.review.case_view import picture_url, site_words
from services.review.change_words import day_words
from services.review.patient_line import AFTER_OPINION, Size, Words, change_words, next_words, size_of, size_words, status_words
from services.review.times import Moment
from services.review.ugly_duckling import Standing
from services.review.ugly_duckling_view import Ducklings, ducklings

RINGS = {"grew": "grew", "shrank": "shrank", "steady": "steady"}
# Names are written beside the points of few lesions only: of all, they would cover the figure.
MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class LesionLine:
    """One row of the list. ``tags``: the filters that it answers to."""

    id: str
    name: str
    where: str
    href: str
    thumbnail: str | None
    on_map: bool
    visits: str
    since: str
    seen: Moment
    ago: str
    day: str
    size: Words
    change: Words
    alert: str
    status: Words
    following: Words
    odd: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice above the list: how many lesions it leaves."""

    tag: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class PatientPage:
    """Everything that patient.html needs."""

    id: UUID
    reference: str
    facts: str
    figures: tuple[MapFigure, ...]
    lines: tuple[LesionLine, ...]
    off_map: int
    filters: tuple[Filter, ...]
    ducklings: Ducklings
    blind: int
    may_place: bool


def patient_page(patient: PatientView, *, user: SignedIn, now: datetime) -> PatientPage:
    """The page as this reader may see it: of lesions that they must still judge blind only what says nothing of the model's answer."""
    blind = {lesion.id for lesion in patient.lesions if is_blind(lesion, patient, user)}
    names = {lesion.id: lesion_name(lesion) for lesion in patient.lesions}
    odd = ducklings([lesion for lesion in patient.lesions if lesion.id not in blind], names)
    places = places_of(patient.lesions)
    made = [_made(lesion, blind=lesion.id in blind, standing=odd.ranks.get(lesion.id)) for lesion in patient.lesions]
    made.sort(key=_first)
    named = {line.lesion.id for line in made if line.tags & {"changed", "odd"}}
    named = named if len(named) <= MOST_NAMES else {line.lesion.id for line in made if line.alert}
    marked = {line.lesion.id: _marked(line, names, named=line.lesion.id in named) for line in made}
    lines = tuple(_line(line, now=now, on_map=line.lesion.id in places) for line in made)
    return PatientPage(
        id=patient.id,
        reference=patient.reference,
        facts=" · ".join(_facts(patient)),
        figures=body_map([line.lesion for line in made], places, marked),
        lines=lines,
        off_map=sum(not line.on_map for line in lines),
        filters=_filters(lines),
        ducklings=odd,
        blind=len(blind),
        may_place=reader.may_decide(user),
    )


def is_blind(lesion: PatientLesion, patient: PatientView, user: SignedIn) -> bool:
    """Whether the reader owes a first opinion on a visit of this lesion: then nothing that the model said of it is shown."""
    return patient.blind_first_read and lesion.opinion_due and user.role is not Role.ADMIN


def lesion_name(lesion: PatientLesion) -> str:
    """`L-2, back, left`."""
    site = site_words(lesion.body_site, lesion.laterality)
    return f"{lesion.reference}, {site}" if lesion.reference else site


@dataclass(frozen=True, slots=True)
class _Made:
    """A lesion with its words, from which line and point are made."""

    lesion: PatientLesion
    href: str
    size: Size | None
    size_words: Words
    change: Words
    alert: str
    status: Words
    following: Words
    odd: str
    tags: frozenset[str]


def _made(lesion: PatientLesion, *, blind: bool, standing: Standing | None) -> _Made:
    size = None if blind else size_of(lesion.look)
    change = Words("blind first read", AFTER_OPINION, "none") if blind else _change(lesion)
    alert = "" if blind else lesion.alert or ""
    odd = words.listed(list(standing.oddities)) if standing and standing.stands_out else ""
    status, following = status_words(lesion), next_words(lesion)
    sized = Words("") if blind else size_words(size)
    tags = _tags(lesion, change=change, alert=alert, odd=odd, following=following)
    href = url_for("lesions.lesion", lesion_id=lesion.id)
    return _Made(lesion, href, size, sized, change, alert, status, following, odd, tags)


def _change(lesion: PatientLesion) -> Words:
    return change_words(lesion.change, visits=lesion.visits, last_visit=lesion.last_visit)


def _tags(lesion: PatientLesion, *, change: Words, alert: str, odd: str, following: Words) -> frozenset[str]:
    holds = {
        "changed": bool(alert) or change.kind in ("grew", "shrank"),
        "odd": bool(odd),
        "waits": lesion.state is not CaseState.REVIEWED,
        "due": bool(following.kind),
    }
    return frozenset(tag for tag, held in holds.items() if held)


def _first(made: _Made) -> tuple[bool, bool, bool, float]:
    """Alerts, then what changed, then what stands out, each with the last seen first."""
    return (not made.alert, "changed" not in made.tags, not made.odd, -made.lesion.last_visit.timestamp())


def _line(made: _Made, *, now: datetime, on_map: bool) -> LesionLine:
    lesion = made.lesion
    visits = f"{lesion.visits} visit{'' if lesion.visits == 1 else 's'}"
    return LesionLine(
        id=str(lesion.id),
        name=lesion.reference or "no reference",
        where=site_words(lesion.body_site, lesion.laterality),
        href=made.href,
        thumbnail=_thumbnail(lesion),
        on_map=on_map,
        visits=visits,
        since=f"{visits}, the first {day_words(lesion.first_visit)}",
        seen=Moment.of(lesion.last_visit),
        ago=words.ago(lesion.last_visit, now),
        day=day_words(lesion.last_visit),
        size=made.size_words,
        change=made.change,
        alert=made.alert,
        status=made.status,
        following=made.following,
        odd=made.odd,
        tags=tuple(sorted(made.tags | (set() if on_map else {"unplaced"}))),
    )


def _thumbnail(lesion: PatientLesion) -> str | None:
    if lesion.image_id is None or lesion.thumbnail_key is None:
        return None
    return picture_url("thumbnail", lesion.case_id, lesion.image_id, lesion.analysis_id)


def _marked(made: _Made, names: dict[UUID, str], *, named: bool) -> Marked:
    lesion = made.lesion
    said = [names[lesion.id], made.alert or f"{made.change.text} {made.change.note}".strip(), made.size_words.text, made.status.text]
    if made.odd:
        said.append(f"stands out: {made.odd}")
    return Marked(
        href=made.href,
        label="; ".join(part for part in said if part),
        mm=made.size.mm if made.size else None,
        shape=ALERT if made.alert else made.status.kind,
        ring=RINGS.get(made.change.kind, ""),
        named=(lesion.reference or "") if named else "",
        tags=" ".join(sorted(made.tags)),
    )


def _filters(lines: Sequence[LesionLine]) -> tuple[Filter, ...]:
    kinds = (("changed", "Changed"), ("odd", "Stands out"), ("waits", "To read"), ("due", "Visit due"), ("unplaced", "Not on the map"))
    counted = [Filter(tag, text, sum(tag in line.tags for line in lines)) for tag, text in kinds]
    return (Filter("", "All", len(lines)), *(choice for choice in counted if choice.count))


def _facts(patient: PatientView) -> list[str]:
    sex = str(patient.sex) if patient.sex else None
    born = f"born {patient.birth_year}" if patient.birth_year else None
    skin = f"skin type {patient.fitzpatrick}" if patient.fitzpatrick else None
    count = len(patient.lesions)
    return [part for part in (sex, born, skin, patient.portal, f"{count} lesion{'' if count == 1 else 's'}") if part]
