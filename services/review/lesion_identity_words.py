"""What a lesion is called, and why two pictures may show the same one, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.records.lesion_cards import LesionCard
from services.records.states import Laterality
from services.review.case_view import site_words

Json = Mapping[str, Any]

# From these likenesses on (cosine of the classifier's features).
ALIKE, SIMILAR = 0.88, 0.75
# From this many on, features that agree say more than a correlation.
MANY_FEATURES = 6
UNLAID = {
    "blurred": "a picture is too blurred to lay one over the other",
    "no_detail": "too little detail to lay the pictures over each other",
    "magnification": "magnifications too different to lay the pictures over each other",
    "other_place": "pictures could not be laid over each other",
}


def lesion_name(reference: str | None, body_site: str | None, laterality: Laterality | None) -> str:
    """`lesion L-2`, else by its place: `back, left`; else `unnamed lesion`."""
    if reference:
        return f"lesion {reference}"
    return site_words(body_site, laterality) if body_site else "unnamed lesion"


def place_words(card: LesionCard) -> str:
    """`back, left`, also where only the side is known."""
    return card.laterality.value if card.body_site is None and card.laterality else site_words(card.body_site, card.laterality)


def visits_words(visits: int, last: datetime | None) -> str:
    """`3 visits, last Jul 2026`."""
    if last is None:
        return "no visits"
    return f"1 visit, {last:%b %Y}" if visits == 1 else f"{visits} visits, last {last:%b %Y}"


def choice_words(card: LesionCard) -> str:
    """One line of a list to choose from: `lesion L-2 · back, left · 3 visits, last Jul 2026`."""
    named = [lesion_name(card.reference, card.body_site, card.laterality)]
    placed = [place_words(card)] if card.reference else []
    return " · ".join([*named, *placed, visits_words(card.visits, card.visited_at)])


def reasons_words(reasons: Json, card: LesionCard) -> tuple[str, ...]:
    """Why the two may be one, strongest words first as the models wrote them; what is not known is left out."""
    said = (_site(str(reasons.get("site")), card), _likeness(reasons.get("likeness")), _geometry(reasons.get("geometry")))
    return tuple(words for words in said if words)


def _site(nearness: str, card: LesionCard) -> str:
    if nearness == "same":
        return f"same site: {place_words(card)}"
    return f"near site: {place_words(card)}" if nearness == "region" else "a site is not given"


def _likeness(value: float | None) -> str:
    if value is None:
        return ""
    words = "looks alike" if value >= ALIKE else "looks similar" if value >= SIMILAR else "looks different"
    return f"{words} {value:.2f}"


def _geometry(found: Json | None) -> str:
    if not found:
        return ""
    if not found.get("agrees"):
        return UNLAID.get(str(found.get("why")), UNLAID["other_place"])
    inliers = int(found.get("inliers", 0))
    agreement = f"{inliers} features agree" if inliers >= MANY_FEATURES else f"correlation {found.get('correlation', 0):.2f}"
    return f"pictures lie over each other, {agreement}"
