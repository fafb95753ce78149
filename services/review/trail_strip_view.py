"""The trail on the case page: the visits of its lesion in a line, and what has changed since the visit before."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from services.records.access import SignedIn
from services.records.trails import CaseTrail
from services.records.visit_views import Visit
from services.review import words
from services.review.change_view import change_row, pair_statement, read_changes, shift_words
from services.review.change_words import month_words
from services.review.lesion_view import visit_thumbnail
from services.review.trail_veil import Veiled, veil_case

# More would leave no room for what has changed.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class TrailVisit:
    """One visit of the line."""

    href: str
    thumbnail: str | None
    month: str
    exact: str
    current: bool


@dataclass(frozen=True, slots=True)
class TrailStrip:
    """``said``: what has changed, or why that is not known; ``mark`` where it is more than the error of looking twice."""

    href: str
    compare: str
    visits: tuple[TrailVisit, ...]
    hidden_before: int
    said: str
    mark: str


def trail_strip(trail: CaseTrail | None, case_id: UUID, user: SignedIn) -> TrailStrip | None:
    """The line of a case; None where this is its lesion's only visit."""
    if trail is None:
        return None
    seen, veiled = veil_case(trail, user)
    here = next(index for index, visit in enumerate(seen.visits) if visit.case_id == case_id)
    first = max(0, min(here - 1, len(seen.visits) - SHOWN))
    said, mark = _said(seen, here, veiled)
    pair = (seen.visits[max(0, here - 1)], seen.visits[max(1, here)])
    return TrailStrip(
        href=url_for("lesions.lesion", lesion_id=seen.lesion_id),
        compare=url_for("lesions.compare", lesion_id=seen.lesion_id, earlier=pair[0].case_id, later=pair[1].case_id),
        visits=tuple(_visits(seen.visits[first : first + SHOWN], case_id)),
        hidden_before=first,
        said=said,
        mark=mark,
    )


def _visits(visits: Sequence[Visit], case_id: UUID) -> Sequence[TrailVisit]:
    return [
        TrailVisit(
            href=url_for("desk.case", case_id=visit.case_id),
            thumbnail=visit_thumbnail(visit),
            month=month_words(visit.visited_at),
            exact=words.exact(visit.visited_at),
            current=visit.case_id == case_id,
        )
        for visit in visits
    ]


def _said(trail: CaseTrail, here: int, veiled: Veiled) -> tuple[str, str]:
    if here == 0:
        return "first visit", ""
    before, this = trail.visits[here - 1], trail.visits[here]
    area = read_changes(trail.comparison).get("area")
    if area is not None:
        row = change_row("area", area)
        return f"area {shift_words(row)}", "attention" if row.beyond else ""
    statement = pair_statement(trail.comparison, before, this, veiled)
    return (statement.title, "") if statement else ("no area to compare", "")
