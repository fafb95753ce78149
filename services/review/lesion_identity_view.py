"""Which lesion is this: proposed links on the case page; merging, moving and their history on the lesion's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.lesion_cards import LesionCard, VisitCard, lesion_cards, merged_lesions, other_lesions, visit_cards
from services.records.lesion_history import HistoryStep, LesionName, lesion_history
from services.records.lesions import LONGEST_REASON, survivors
from services.records.proposals import ProposalView, case_proposals
from services.records.states import LesionEventKind, ProposalState
from services.review import reader, words
from services.review.case_view import picture_url
from services.review.lesion_identity_words import choice_words, lesion_name, place_words, reasons_words, visits_words
from services.review.times import Moment

OPEN_AGAIN = "May be the same as another lesion after all"
STATES = {ProposalState.CONFIRMED: ("done", "Linked to"), ProposalState.REJECTED: ("information", "Not the same as")}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A known lesion that the case may show. ``same``, ``different``: where the two answers are sent."""

    name: str
    place: str
    visits: str
    href: str
    thumbnail: str | None
    reasons: tuple[str, ...]
    same: str
    different: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody said to a proposal. ``reopen``: where it is taken back."""

    mark: str
    said: str
    name: str
    href: str
    who: str
    ago: str
    when: Moment
    reopen: str


@dataclass(frozen=True, slots=True)
class SameLesion:
    """The panel of the case page. ``may``: this reader may answer."""

    candidates: tuple[Candidate, ...]
    answered: tuple[Answered, ...]
    may: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One line to choose."""

    value: UUID
    text: str


@dataclass(frozen=True, slots=True)
class VisitChoice:
    """A visit that can be moved."""

    case_id: UUID
    day: str
    exact: str
    thumbnail: str | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One step of the past."""

    what: str
    who: str
    why: str
    ago: str
    when: Moment


@dataclass(frozen=True, slots=True)
class LesionIdentity:
    """The panel of the lesion's page. ``may``: this reader may change it."""

    id: UUID
    visits: tuple[VisitChoice, ...]
    others: tuple[Choice, ...]
    merged: tuple[Choice, ...]
    history: tuple[HistoryLine, ...]
    may: bool
    longest: int


def open_same_lesion(records: Session, user: SignedIn, *, case_id: UUID, lesion_id: UUID, others_turn: bool) -> SameLesion | None:
    """The proposals of a case, in one statement where there are none and three where there are; None: nothing to show.

    ``others_turn``: somebody else has the case.
    """
    found = case_proposals(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
    if not found:
        return None
    roots = survivors(session=records, tenant_ids=user.tenant_ids, lesion_ids={proposal.lesion_id for proposal in found})
    cards = lesion_cards(session=records, tenant_ids=user.tenant_ids, lesion_ids=set(roots.values()))
    known = [(proposal, cards[roots[proposal.lesion_id]]) for proposal in found]
    open_ones = [(proposal, card) for proposal, card in known if proposal.state is ProposalState.OPEN and card.id != lesion_id]
    # A link that was undone by other means is not the case's lesion any more: there is nothing to take back.
    said = [pair for pair in known if (pair[0].state, pair[1].id == lesion_id) in _STANDING]
    panel = SameLesion(
        candidates=tuple(_candidate(case_id, proposal, card) for proposal, card in open_ones),
        answered=tuple(_answered(case_id, proposal, card) for proposal, card in said),
        may=reader.may_decide(user) and not others_turn,
    )
    return panel if panel.candidates or panel.answered else None


def open_identity(records: Session, user: SignedIn, lesion_id: UUID) -> LesionIdentity:
    """The panel of a lesion that is merged into nothing, in four statements."""
    tenants = user.tenant_ids
    now = datetime.now(UTC)
    steps = lesion_history(session=records, tenant_ids=tenants, lesion_id=lesion_id)
    return LesionIdentity(
        id=lesion_id,
        visits=tuple(
            VisitChoice(card.case_id, f"{card.visited_at:%-d %b %Y}", words.exact(card.visited_at), _thumbnail(card))
            for card in visit_cards(session=records, tenant_ids=tenants, lesion_id=lesion_id)
        ),
        others=_choices(other_lesions(session=records, tenant_ids=tenants, lesion_id=lesion_id)),
        merged=_choices(merged_lesions(session=records, tenant_ids=tenants, lesion_id=lesion_id)),
        history=tuple(_line(step, lesion_id, now) for step in steps),
        may=reader.may_decide(user),
        longest=LONGEST_REASON,
    )


_STANDING = {(ProposalState.CONFIRMED, True), (ProposalState.REJECTED, False)}


def _candidate(case_id: UUID, proposal: ProposalView, card: LesionCard) -> Candidate:
    return Candidate(
        name=lesion_name(card.reference, card.body_site, card.laterality),
        place=place_words(card) if card.reference else "",
        visits=visits_words(card.visits, card.visited_at),
        href=url_for("lesions.lesion", lesion_id=card.id),
        thumbnail=_thumbnail(card),
        reasons=reasons_words(proposal.reasons, card),
        same=_answer_url(case_id, proposal, "confirm"),
        different=_answer_url(case_id, proposal, "reject"),
    )


def _answered(case_id: UUID, proposal: ProposalView, card: LesionCard) -> Answered:
    mark, said = STATES[proposal.state]
    assert proposal.decided_at is not None  # noqa: S101 - the database keeps it for what was decided
    return Answered(
        mark=mark,
        said=said,
        name=lesion_name(card.reference, card.body_site, card.laterality),
        href=url_for("lesions.lesion", lesion_id=card.id),
        who=proposal.decider or "",
        ago=words.ago(proposal.decided_at, datetime.now(UTC)),
        when=Moment.of(proposal.decided_at),
        reopen=_answer_url(case_id, proposal, "reopen"),
    )


def _answer_url(case_id: UUID, proposal: ProposalView, said: str) -> str:
    return url_for("identity.answer", case_id=case_id, proposal_id=proposal.id, said=said)


def _thumbnail(card: LesionCard | VisitCard) -> str | None:
    if card.case_id is None or card.image_id is None or not card.has_thumbnail:
        return None
    return picture_url("thumbnail", card.case_id, card.image_id)


def _choices(cards: Sequence[LesionCard]) -> tuple[Choice, ...]:
    return tuple(Choice(card.id, choice_words(card)) for card in cards)


def _line(step: HistoryStep, lesion_id: UUID, now: datetime) -> HistoryLine:
    return HistoryLine(
        what=_what(step, lesion_id),
        who=step.who or "the system",
        why=step.reason,
        ago=words.ago(step.at, now),
        when=Moment.of(step.at),
    )


def _what(step: HistoryStep, lesion_id: UUID) -> str:
    """In the voice of this lesion's page; what happened to a lesion before it was merged into this one names it."""
    left = step.other is not None and step.other.id == lesion_id
    said = _left(step) if left else _came(step)
    return said if left or step.lesion.id == lesion_id else f"{_called(step.lesion)}: {said[0].lower()}{said[1:]}"


def _came(step: HistoryStep) -> str:
    other, visits = _called(step.other), _visits(step)
    return {
        LesionEventKind.MERGED: f"Merged with {other}" + (f", {visits} came" if step.case_ids else ""),
        LesionEventKind.LINKED: f"{visits} came from {other}",
        LesionEventKind.SPLIT: f"Split off from {other} with {visits}",
        LesionEventKind.RESTORED: f"Taken apart from {other} with {visits}"
        if step.other
        else "May be the same as another lesion after all",
        LesionEventKind.KEPT_APART: f"Not the same as {other}",
        LesionEventKind.PLACED: "Placed on the body map",
    }[step.kind]


def _left(step: HistoryStep) -> str:
    lesion, visits = _called(step.lesion), _visits(step)
    return {
        LesionEventKind.MERGED: f"Merged into {lesion}",
        LesionEventKind.LINKED: f"{visits} went to {lesion}",
        LesionEventKind.SPLIT: f"{visits} split off as {lesion}",
        LesionEventKind.RESTORED: f"Taken apart again: {lesion}, with {visits}",
        LesionEventKind.KEPT_APART: f"Not the same as {lesion}",
        LesionEventKind.PLACED: "Placed on the body map",
    }[step.kind]


def _called(lesion: LesionName | None) -> str:
    return lesion_name(lesion.reference, lesion.body_site, lesion.laterality) if lesion else "another lesion"


def _visits(step: HistoryStep) -> str:
    return "1 visit" if len(step.case_ids) == 1 else f"{len(step.case_ids)} visits"
