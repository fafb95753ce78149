"""How a case is read: who reads it a second time, when two reads agree, and who settles it when they do not.

1. The first read closes the case, unless one of these holds (`causes`): the reader asks for a second opinion or is a trainee;
   the case's risk reaches the portal's limit; reader and model differ in malignancy (where the portal asks for that); or the case
   is in the portal's random share, which its id alone decides, so that nobody can draw again.
2. The second reader is another person and no trainee. They see nothing of the first read.
3. Two reads agree when they name the same diagnosis, or both find the case not assessable, and plan the same next step; the
   months of a follow-up may differ. "Another diagnosis" agrees with nothing: its name is free text. A first reader who only asked
   for a second opinion has said nothing to differ from. Agreement closes the case with the second read.
4. Otherwise a lead who gave neither read sees both and resolves it, with a rationale.
5. A read can be taken back for `UNDO_SECONDS` by who gave it, while it is the last. After that the decision is amended, by who took
   it or by a lead, as a new version with a reason.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.records.states import CaseState, Decision, Management, ReviewKind, Role

UNDO_SECONDS = 10
OTHER = "OTHER"
# The state in which each step is taken, and to which taking it back returns the case.
BEFORE = {
    ReviewKind.FIRST: CaseState.AWAITING_REVIEW,
    ReviewKind.SECOND: CaseState.AWAITING_SECOND_READ,
    ReviewKind.ADJUDICATION: CaseState.AWAITING_ADJUDICATION,
}
STEPS = {state: kind for kind, state in BEFORE.items()}


class Cause(StrEnum):
    """Why a second reader sees the case, too."""

    ASKED = "asked"
    TRAINEE = "trainee"
    RISK = "risk"
    DISAGREEMENT = "disagreement"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the portal asks for. ``risk``: from this malignant probability on; ``share``: 0..1 of all cases."""

    risk: float | None = None
    share: float = 0.0
    disagreement: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who reads."""

    id: UUID
    role: Role
    trainee: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What of a review matters here."""

    user_id: UUID
    decision: Decision
    diagnosis: str | None
    management: Management | None


@dataclass(frozen=True, slots=True)
class Question:
    """The case as the policy sees it.

    ``named``: the classes that the model stands for, none where it abstains. ``malignant``: class code → malignant or precursor.
    """

    case_id: UUID
    risk: float | None
    named: Sequence[str] = ()
    malignant: Mapping[str, bool] | None = None


def causes(*, policy: Policy, question: Question, read: Read, trainee: bool) -> tuple[Cause, ...]:
    """Return every reason for a second read of a case that was read so; none: the first read decides."""
    found = {
        Cause.ASKED: read.decision is Decision.SECOND_OPINION,
        Cause.TRAINEE: trainee,
        Cause.RISK: policy.risk is not None and question.risk is not None and question.risk >= policy.risk,
        Cause.DISAGREEMENT: policy.disagreement and disagrees(question, read),
        Cause.SHARE: draw(question.case_id) < policy.share,
    }
    return tuple(cause for cause, holds in found.items() if holds)


def draw(case_id: UUID) -> float:
    """A case's place in [0, 1), the same at every time and on every machine."""
    return int.from_bytes(hashlib.sha256(case_id.bytes).digest()[:6]) / 2**48


def disagrees(question: Question, read: Read) -> bool:
    """Whether reader and model differ in malignancy. A model that abstains or names a mixed set says nothing to differ from."""
    malignant = question.malignant or {}
    said = {malignant.get(code) for code in question.named}
    if read.diagnosis is None or len(said) != 1 or None in said:
        return False
    return malignant.get(read.diagnosis) not in said


def agree(first: Read, second: Read) -> bool:
    """Whether two reads say the same (rule 3)."""
    if first.decision is Decision.SECOND_OPINION:
        return second.decision is not Decision.SECOND_OPINION
    if OTHER in (first.diagnosis, second.diagnosis):
        return False
    return _outcome(first) == _outcome(second) and first.management is second.management


def after_first(why: Sequence[Cause]) -> CaseState:
    """Where the case goes after the first read."""
    return CaseState.AWAITING_SECOND_READ if why else CaseState.REVIEWED


def after_second(first: Read, second: Read) -> CaseState:
    """Where the case goes after the second read."""
    return CaseState.REVIEWED if agree(first, second) else CaseState.AWAITING_ADJUDICATION


def refusal(*, kind: ReviewKind, person: Person, readers: Sequence[UUID], decided_by: UUID | None = None) -> str | None:
    """Say why this person may not take this step, or None.

    Args:
        readers: who read the case before, for a second read or an adjudication.
        decided_by: who took the decision that an amendment is for.
    """
    allowed = {"Only a dermatologist or a lead decides a case.": person.role is not Role.ADMIN}
    if kind in _WHO:
        allowed |= _WHO[kind](person, readers, decided_by)
    return next((rule for rule, kept in allowed.items() if not kept), None)


def _second(person: Person, readers: Sequence[UUID], _: UUID | None) -> dict[str, bool]:
    return {
        "You gave the first read: another person gives the second.": person.id not in readers,
        "A trainee does not give second reads.": not person.trainee,
    }


def _adjudication(person: Person, readers: Sequence[UUID], _: UUID | None) -> dict[str, bool]:
    return {
        "Only a lead resolves a disagreement.": person.role is Role.LEAD,
        "You gave one of the two reads: another lead resolves the disagreement.": person.id not in readers,
    }


def _amendment(person: Person, _: Sequence[UUID], decided_by: UUID | None) -> dict[str, bool]:
    return {"Only who took the decision, or a lead, amends it.": person.id == decided_by or person.role is Role.LEAD}


_WHO = {ReviewKind.SECOND: _second, ReviewKind.ADJUDICATION: _adjudication, ReviewKind.AMENDMENT: _amendment}


def _outcome(read: Read) -> tuple[bool, str | None]:
    return read.decision is Decision.NOT_ASSESSABLE, read.diagnosis
