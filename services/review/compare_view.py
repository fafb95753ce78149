"""Visits side by side: one pane each, linked by how their pictures lie over each other where that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from services.records.trails import Trail
from services.records.visit_views import Visit, VisitComparison
from services.review.case_view import MODALITIES, picture_url, site_words, tiles_url
from services.review.change_view import ChangeTable, change_table
from services.review.change_words import SOURCES, day_words, gap_words
from services.review.lesion_links import link_of
from services.review.lesion_view import lesion_facts, visit_thumbnail
from services.review.trail_veil import SeenTrail

MOST_PANES = 4

LINKS = {
    "registered": "laid by the pictures themselves",
    "scale": "not registered: linked in millimetres, from the middle",
    "plain": "not registered: linked by the size of the picture, from the middle",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A visit that a pane may show."""

    case_id: UUID
    text: str
    current: bool


@dataclass(frozen=True, slots=True)
class Pane:
    """One visit's picture. ``matrix`` takes its px to px of the last pane's picture; ``link`` says where that is from."""

    case_id: UUID
    number: int
    day: str
    source: str
    alt: str
    src: str
    tiles: str | None
    thumbnail: str | None
    mask: str | None
    width: int
    height: int
    matrix: str
    link: str
    link_words: str
    choices: tuple[Choice, ...]
    without: str | None


@dataclass(frozen=True, slots=True)
class Laid:
    """What can be laid over the later picture; ``refusal``: why nothing can."""

    registered: str | None
    difference: str | None
    earlier_day: str
    later_day: str
    refusal: str


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Everything that compare.html needs."""

    lesion_href: str
    case_href: str
    patient: str
    facts: str
    period: str
    panes: tuple[Pane, ...]
    others: tuple[Choice, ...]
    laid: Laid
    table: ChangeTable
    before: str | None
    after: str | None
    alert: str


def chosen_visits(trail: Trail, asked: Sequence[UUID]) -> tuple[Visit, ...]:
    """The visits asked for that have a picture, first to last; the last two where fewer than two are left."""
    pictured = [visit for visit in trail.visits if visit.image]
    chosen = [visit for visit in pictured if visit.case_id in set(asked)]
    return tuple(chosen[-MOST_PANES:] if len(chosen) > 1 else pictured[-2:])


def compare_page(seen: SeenTrail, visits: Sequence[Visit]) -> ComparePage:
    """The page of two visits or more of a trail, first to last."""
    trail = seen.trail
    *_, earlier, later = visits
    found = trail.comparison(earlier.case_id, later.case_id)
    table = change_table(trail, earlier, later, veiled=seen.veiled, title="Change")
    return ComparePage(
        lesion_href=url_for("lesions.lesion", lesion_id=trail.lesion_id),
        case_href=url_for("desk.case", case_id=later.case_id),
        patient=trail.patient_reference,
        facts=lesion_facts(trail),
        period=f"{day_words(visits[0].visited_at)} → {day_words(later.visited_at)} · {gap_words(visits[0].visited_at, later.visited_at)}",
        panes=tuple(_pane(trail, visit, visits) for visit in visits),
        others=tuple(_others(trail, visits)) if len(visits) < MOST_PANES else (),
        laid=_laid(trail, found, earlier, later, table),
        table=table,
        before=_beside(trail, visits, -1),
        after=_beside(trail, visits, 1),
        alert=next((alert.headline for alert in trail.alerts if alert.case_id == later.case_id and alert.withdrawn_at is None), ""),
    )


def _pane(trail: Trail, visit: Visit, visits: Sequence[Visit]) -> Pane:
    image, last = visit.image, visits[-1]
    assert image is not None  # noqa: S101 - visits without a picture were left out
    number = trail.visits.index(visit) + 1
    matrix, link = link_of(trail, visit, last)
    version = image.mask_version
    return Pane(
        case_id=visit.case_id,
        number=number,
        day=day_words(visit.visited_at),
        source=SOURCES[visit.source],
        alt=f"Visit {number}, {day_words(visit.visited_at)}, {MODALITIES[image.modality]}, {site_words(trail.body_site, trail.laterality)}",
        src=picture_url("view", visit.case_id, image.id),
        tiles=tiles_url(visit.case_id, image.id) if image.tiled else None,
        thumbnail=visit_thumbnail(visit),
        mask=picture_url("mask", visit.case_id, image.id, version) if version else None,
        width=image.width,
        height=image.height,
        matrix=",".join(f"{part:.8g}" for part in matrix),
        link=link,
        link_words="" if visit is last else LINKS[link],
        choices=tuple(_choices(trail, visit, visits)),
        without=_address(trail, [other for other in visits if other is not visit]) if len(visits) > 2 else None,
    )


def _choices(trail: Trail, visit: Visit, visits: Sequence[Visit]) -> Sequence[Choice]:
    elsewhere = {other.case_id for other in visits if other is not visit}
    free = [other for other in trail.visits if other.image and other.case_id not in elsewhere]
    return [Choice(other.case_id, day_words(other.visited_at), current=other is visit) for other in free]


def _others(trail: Trail, visits: Sequence[Visit]) -> Sequence[Choice]:
    shown = {visit.case_id for visit in visits}
    free = [visit for visit in trail.visits if visit.image and visit.case_id not in shown]
    return [Choice(visit.case_id, day_words(visit.visited_at), current=False) for visit in free]


def _laid(trail: Trail, found: VisitComparison | None, earlier: Visit, later: Visit, table: ChangeTable) -> Laid:
    def address(part: str) -> str:
        assert found is not None  # noqa: S101 - asked for where there is one
        return url_for(f"lesions.{part}", lesion_id=trail.lesion_id, comparison_id=found.id)

    refusal = ""
    if found is None or found.registered_key is None:
        refusal = table.statement.title if table.statement else "Nothing to lay over each other"
    return Laid(
        registered=address("registered") if found and found.registered_key else None,
        difference=address("difference") if found and found.difference_key else None,
        earlier_day=day_words(earlier.visited_at),
        later_day=day_words(later.visited_at),
        refusal=refusal,
    )


def _beside(trail: Trail, visits: Sequence[Visit], step: int) -> str | None:
    """The address of the pair one visit earlier or later."""
    pictured = [visit for visit in trail.visits if visit.image]
    last = pictured.index(visits[-1]) + step
    return _address(trail, pictured[last - 1 : last + 1]) if len(visits) == 2 and 1 <= last < len(pictured) else None


def _address(trail: Trail, visits: Sequence[Visit]) -> str:
    return url_for("lesions.compare", lesion_id=trail.lesion_id, visit=[visit.case_id for visit in visits])
