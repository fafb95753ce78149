"""Whether a picture may tell who the patient is: what the worker saw in it, what a human said, and whether it may leave.

The machine's newest word counts until a human has looked; then the human's does, whatever a later check sees.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import case, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.records.answers import mark_identity
from services.records.audit import Actor, Subject, record_event
from services.records.errors import CaseNotFound, InvalidRecord
from services.records.results import mark_results_due
from services.records.states import AuditAction, IdentityKind, IdentityState, IdentityVerdictWord
from services.records.tables import Case, IdentityFinding, IdentityVerdict, Image, User

STAYS = (IdentityState.SUSPECTED, IdentityState.HELD)
JUDGED = (IdentityState.CLEARED, IdentityState.HELD)
NOTE_LETTERS = 500
BECOMES = {IdentityVerdictWord.CLEAR: IdentityState.CLEARED, IdentityVerdictWord.HOLD: IdentityState.HELD}


class Checked(Protocol):
    """Anything that knows the state of one picture: a row of ``images`` or what was made of one."""

    @property
    def identity_state(self) -> IdentityState:
        """The picture's state."""


def may_leave(image: Checked) -> bool:
    """Whether a picture may go into reports, results and data sets; its own portal may read it in any case."""
    return image.identity_state not in STAYS


@dataclass(frozen=True, slots=True)
class Box:
    """A place in the upright picture, as shares of its width and height, 0..1, from the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        """Raises InvalidRecord for a box that is not inside the picture."""
        ends = (self.x, self.y, self.width, self.height, self.x + self.width, self.y + self.height)
        if not all(-1e-6 <= end <= 1 + 1e-6 for end in ends):
            raise InvalidRecord(f"box: {self} is not inside the picture; give shares of its sides, 0..1.")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that may tell who it is. ``score`` 0..1; ``box`` is None where the file declares it of the whole picture."""

    kind: IdentityKind
    score: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """What one method (``version``) saw in one picture; nothing seen means clear."""

    version: str
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a human said, who, when."""

    word: IdentityVerdictWord
    by: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class PictureIdentity:
    """The state of one picture with its newest findings and the newest verdict."""

    image_id: UUID
    identity_state: IdentityState
    seen: tuple[Seen, ...]
    verdict: Verdict | None


def store_checks(*, session: Session, checks: Mapping[UUID, tuple[UUID, IdentityCheck]]) -> None:
    """Keep what the worker saw. ``checks``: by image, its tenant and the check (three statements whatever the number)."""
    if not checks:
        return
    rows = [
        _finding_row(tenant_id, image_id, check.version, seen) for image_id, (tenant_id, check) in checks.items() for seen in check.seen
    ]
    if rows:
        session.execute(insert(IdentityFinding), rows)
    suspected = [image_id for image_id, (_, check) in checks.items() if check.seen]
    state = case((Image.id.in_(suspected), IdentityState.SUSPECTED), else_=IdentityState.CLEAR)
    order = select(Image.id).where(Image.id.in_(checks), Image.identity_state.not_in(JUDGED)).order_by(Image.id).with_for_update()
    session.execute(update(Image).where(Image.id.in_(order)).values(identity_state=state).execution_options(synchronize_session=False))


def identity_of_case(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> dict[UUID, PictureIdentity]:
    """The state of each picture of a case, by its id; empty for a case that none of the tenants has (one statement, or three)."""
    mine = (Image.case_id == case_id, Image.tenant_id.in_(tenant_ids))
    states = session.execute(select(Image.id, Image.identity_state).where(*mine).order_by(Image.position)).all()
    # Nothing was seen in nearly all pictures, and nobody said anything about them.
    asked = any(row.identity_state in (*STAYS, *JUDGED) for row in states)
    findings = _newest_findings(session, mine) if asked else {}
    verdicts = _newest_verdicts(session, mine) if asked else {}
    return {row.id: PictureIdentity(row.id, row.identity_state, findings.get(row.id, ()), verdicts.get(row.id)) for row in states}


def judge(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    case_id: UUID,
    image_id: UUID,
    user_id: UUID,
    verdict: IdentityVerdictWord,
    note: str = "",
) -> IdentityState:
    """Keep what a human says about a picture, whatever was seen in it, and return its new state.

    Raises:
        CaseNotFound: none of the tenants has such a case, or the case has no such picture.
        InvalidRecord: the note is too long.
    """
    if len(note) > NOTE_LETTERS:
        raise InvalidRecord(f"note: at most {NOTE_LETTERS} letters.")
    query = select(Image.tenant_id, Image.identity_state).join(Case, Case.id == Image.case_id)
    mine = query.where(Image.id == image_id, Case.id == case_id, Case.tenant_id.in_(tenant_ids))
    image = session.execute(mine.with_for_update(of=Image)).one_or_none()
    if image is None:
        raise CaseNotFound(case_id)
    state = BECOMES[verdict]
    session.execute(update(Image).where(Image.id == image_id).values(identity_state=state).execution_options(synchronize_session=False))
    row = {"id": uuid4(), "tenant_id": image.tenant_id, "image_id": image_id, "user_id": user_id, "verdict": verdict, "note": note}
    session.execute(insert(IdentityVerdict).values(**row))
    mark_identity(session=session, case_id=case_id)
    record_event(
        session=session,
        tenant_id=image.tenant_id,
        actor=Actor.user(user_id),
        action=AuditAction.IDENTITY_JUDGED,
        subject=Subject("image", image_id),
        details={"verdict": verdict.value, "was": image.identity_state.value, "id": str(row["id"])},
    )
    if verdict is IdentityVerdictWord.CLEAR:
        # What was held back of a decided case is made now.
        mark_results_due(session=session, tenant_id=image.tenant_id, case_id=case_id)
    return state


def _finding_row(tenant_id: UUID, image_id: UUID, version: str, seen: Seen) -> dict[str, Any]:
    box = None if seen.box is None else {side: round(getattr(seen.box, side), 4) for side in ("x", "y", "width", "height")}
    return {
        "id": uuid4(),
        "tenant_id": tenant_id,
        "image_id": image_id,
        "version": version,
        "kind": seen.kind,
        "box": box,
        "score": seen.score,
    }


def _newest_findings(session: Session, mine: tuple[Any, ...]) -> dict[UUID, tuple[Seen, ...]]:
    """One check writes all its rows in one transaction: they share their time."""
    query = select(IdentityFinding).join(Image, Image.id == IdentityFinding.image_id).where(*mine)
    rows = session.scalars(query.order_by(IdentityFinding.image_id, IdentityFinding.created_at.desc(), IdentityFinding.id)).all()
    newest: dict[UUID, datetime] = {}
    found: dict[UUID, list[Seen]] = defaultdict(list)
    for row in rows:
        if newest.setdefault(row.image_id, row.created_at) == row.created_at:
            found[row.image_id].append(Seen(row.kind, row.score, Box(**row.box) if row.box else None))
    return {image_id: tuple(seen) for image_id, seen in found.items()}


def _newest_verdicts(session: Session, mine: tuple[Any, ...]) -> dict[UUID, Verdict]:
    columns = (IdentityVerdict.image_id, IdentityVerdict.verdict, IdentityVerdict.created_at, IdentityVerdict.note, User.name)
    query = select(*columns).join(Image, Image.id == IdentityVerdict.image_id).outerjoin(User, User.id == IdentityVerdict.user_id)
    newest = query.where(*mine).ext(distinct_on(IdentityVerdict.image_id))
    rows = session.execute(newest.order_by(IdentityVerdict.image_id, IdentityVerdict.created_at.desc()))
    return {row.image_id: Verdict(row.verdict, row.name or "another reader", row.created_at, row.note) for row in rows}
