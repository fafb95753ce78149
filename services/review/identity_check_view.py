"""What in a picture may tell who the patient is, as the case page shows it: places over the picture, words beside it, a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import url_for

from services.records.access import SignedIn
from services.records.identity import Box, PictureIdentity
from services.records.states import IdentityKind, IdentityState, IdentityVerdictWord
from services.records.views import CaseView
from services.review import reader
from services.review.times import Moment

TITLES = {
    IdentityState.SUSPECTED: ("attention", "Possible text in the picture"),
    IdentityState.HELD: ("attention", "Held: the picture may tell who it is"),
    IdentityState.CLEARED: ("done", "Nothing identifies the patient"),
}
STAYS = (
    "It goes into no DICOM or FHIR result and no data set until somebody who has looked says that nothing identifies the patient. "
    "The portal that sent it still sees it, also in its report."
)
NOUNS = {IdentityKind.TEXT: ("place that looks like writing", "places that look like writing"), IdentityKind.FACE: ("face", "faces")}


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle over the picture, in thousandths of its width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Said:
    """A human's verdict: who, when, in which words."""

    who: str
    when: Moment
    note: str


@dataclass(frozen=True, slots=True)
class IdentityPanel:
    """One picture's block. Without a ``title`` there is nothing to say, and only the way to hold it is offered."""

    mark: str
    title: str
    reasons: str
    stays: str
    places: tuple[Place, ...]
    said: Said | None
    action: str
    may_clear: bool
    may_hold: bool

    @property
    def shown(self) -> bool:
        """Whether the page has anything about it."""
        return bool(self.title or self.may_hold)


def identity_panels(found: Mapping[UUID, PictureIdentity], case: CaseView, user: SignedIn) -> dict[UUID, IdentityPanel]:
    """A panel for every picture of the case."""
    return {image.id: _panel(found[image.id], case.id, may=reader.may_decide(user)) for image in case.images if image.id in found}


def _panel(found: PictureIdentity, case_id: UUID, *, may: bool) -> IdentityPanel:
    state = found.identity_state
    mark, title = TITLES.get(state, ("", ""))
    stays = state in (IdentityState.SUSPECTED, IdentityState.HELD)
    return IdentityPanel(
        mark=mark,
        title=title,
        reasons=_reasons(found),
        stays=STAYS if stays else "",
        # A human has looked: what the machine saw would only lie over the skin.
        places=tuple(_place(seen.box) for seen in found.seen if seen.box) if stays else (),
        said=_said(found),
        action=url_for("identity_checks.judge", case_id=case_id, image_id=found.image_id),
        may_clear=may and stays,
        may_hold=may and state is not IdentityState.HELD,
    )


def _reasons(found: PictureIdentity) -> str:
    counts = {kind: sum(seen.kind is kind for seen in found.seen) for kind in NOUNS}
    said = [f"{count} {NOUNS[kind][count != 1]}" for kind, count in counts.items() if count]
    if any(seen.kind is IdentityKind.DECLARED for seen in found.seen):
        said.insert(0, "the file itself says that writing is burnt in or a face can be recognised")
    return "; ".join(said)


def _place(box: Box) -> Place:
    """A little wider than the writing, so that it can be read inside."""
    x, y = max(0.0, box.x - 0.006), max(0.0, box.y - 0.006)
    width, height = min(1.0, box.x + box.width + 0.006) - x, min(1.0, box.y + box.height + 0.006) - y
    return Place(*(round(1_000 * share, 1) for share in (x, y, width, height)))


def _said(found: PictureIdentity) -> Said | None:
    verdict = found.verdict
    if verdict is None or found.identity_state not in (IdentityState.CLEARED, IdentityState.HELD):
        return None
    return Said(verdict.by, Moment.of(verdict.at), verdict.note)


def verdict_of(word: str) -> IdentityVerdictWord | None:
    """The verdict that a button sends."""
    return IdentityVerdictWord(word) if word in set(IdentityVerdictWord) else None
