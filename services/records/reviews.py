"""Decisions: recorded, taken back, amended. Nothing else closes a case; what may follow what is in :mod:`services.records.reading`.

Every step locks the case first, so that of two steps at once the second sees what the first has done; the state that it started
from is compared again when it is changed. A review is superseded at most once, which a unique index keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records import reading
from services.records.audit import Actor, Subject, record_event
from services.records.case_events import tell_reviewed
from services.records.errors import AlreadyReviewed, InvalidRecord, NotReady, OpinionMissing, ReadRefused, UndoRefused
from services.records.follow_ups import follow_up_day
from services.records.opinions import has_opinion
from services.records.reads import LockedCase, StandingRead, find_person, lock_case, question, standing_reads
from services.records.results import mark_results_due
from services.records.states import AuditAction, CaseState, Decision, Management, ReviewKind
from services.records.tables import Case, Review

LONGEST_FOLLOW_UP = 60
FASTER = "Somebody else has decided this case: reload the page to see the decision."
EXPLAINED = (ReviewKind.ADJUDICATION, ReviewKind.AMENDMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The columns that the reader fills."""

    decision: Decision
    diagnosis: str | None
    reason: str | None
    note: str
    shown: dict[str, Any]
    management: Management | None
    follow_up_months: int | None
    rationale: str | None
    reading_seconds: int | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of reading, allowed or not yet."""

    case: LockedCase
    person: reading.Person
    kind: ReviewKind
    reads: dict[ReviewKind, StandingRead]

    @property
    def last(self) -> StandingRead | None:
        """The decision that stands last, which is the case's once it is decided."""
        return max(self.reads.values(), key=lambda read: read.created_at, default=None)


def record_review(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    case_id: UUID,
    user_id: UUID,
    decision: Decision,
    diagnosis: str | None,
    reason: str | None,
    note: str,
    shown: dict[str, Any],
    kind: ReviewKind = ReviewKind.FIRST,
    management: Management | None = None,
    follow_up_months: int | None = None,
    rationale: str | None = None,
    reading_seconds: int | None = None,
    amends: UUID | None = None,
) -> UUID:
    """Take one step of reading a case and return the review's id. The policy says whether it closes the case.

    Args:
        diagnosis: the class code that is confirmed or chosen; None when the case is not assessable.
        reason: why the case is not assessable; optional otherwise.
        shown: what was on the screen (analysis ids, pipeline versions, leading answer), kept unchanged.
        kind: the step that the reader meant: first, second, adjudication or amendment.
        follow_up_months: 1..60, exactly where the management is follow-up.
        rationale: why a lead resolves so, or why a decision is amended.
        reading_seconds: how long the case was on the reader's screen.
        amends: the decision that an amendment replaces: the one that the reader saw.

    Raises:
        InvalidRecord: the parts of the decision do not go together.
        CaseNotFound: none of the tenants has such a case.
        NotReady: images of the case are still being analysed, or there is no decision to amend yet.
        AlreadyReviewed: somebody was faster.
        ReadRefused: this person may not take this step.
        OpinionMissing: the portal asks for a first opinion before the decision.
    """
    values = {"decision": decision, "diagnosis": diagnosis, "reason": reason, "note": note, "shown": shown, "rationale": rationale}
    plan = {"management": management, "follow_up_months": follow_up_months, "reading_seconds": reading_seconds}
    said = _Said(**values, **plan)  # type: ignore[arg-type]
    _check(said, kind)
    step = _begin(session, tenant_ids, case_id, user_id, kind)
    _allow(session, step, amends)
    state, why = _next_state(session, step, said)
    superseded = step.last if kind is ReviewKind.AMENDMENT else step.reads.get(kind)
    review_id = _insert(session, step, superseded, **{name: getattr(said, name) for name in _Said.__dataclass_fields__})
    _move(session, step.case, state)
    if state is CaseState.REVIEWED:
        mark_results_due(session=session, tenant_id=step.case.tenant_id, case_id=case_id)
        replaces = superseded.id if superseded and kind is ReviewKind.AMENDMENT else None
        retake = management is Management.RETAKE
        tell_reviewed(session=session, case_id=case_id, review_id=review_id, replaces=replaces, retake=retake)
    action = AuditAction.REVIEW_AMENDED if kind is ReviewKind.AMENDMENT else AuditAction.CASE_REVIEWED
    details = {"review": str(review_id), "decision": decision, "kind": kind, "state": state}
    _record(session, step, action, details | ({"second_read": list(why)} if why else {}))
    return review_id


def undo_review(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID, review_id: UUID) -> UUID:
    """Take a read back, and return the id of the review that says so. The case awaits that step again.

    Raises:
        CaseNotFound: none of the tenants has such a case.
        UndoRefused: it is another person's, older than `reading.UNDO_SECONDS`, an amendment, or not the last any more.
    """
    step = _begin(session, tenant_ids, case_id, user_id, ReviewKind.UNDO)
    undone = step.last
    if undone is None or undone.id != review_id or undone.read.user_id != user_id or undone.kind not in reading.BEFORE:
        raise UndoRefused("Only your own last decision can be taken back. Amend the case instead.")
    if undone.age_seconds > reading.UNDO_SECONDS or step.case.state is CaseState.QUEUED:
        raise UndoRefused(f"A decision can be taken back for {reading.UNDO_SECONDS} seconds. Amend the case instead.")
    withdrawn = {"decision": Decision.WITHDRAWN, "note": "", "shown": {}}
    undo_id = _insert(session, step, undone, **withdrawn)
    _move(session, step.case, reading.BEFORE[undone.kind])
    _record(session, step, AuditAction.REVIEW_UNDONE, {"review": str(undo_id), "undone": str(undone.id), "kind": undone.kind})
    return undo_id


def _check(said: _Said, kind: ReviewKind) -> None:
    """Refuse what the database would refuse, in words."""
    if kind is ReviewKind.UNDO or said.decision is Decision.WITHDRAWN:
        raise InvalidRecord("kind: take a decision back with undo_review.")
    _check_diagnosis(said.decision, said.diagnosis, said.reason)
    _check_plan(said)
    if kind in EXPLAINED and not (said.rationale or "").strip():
        raise InvalidRecord(f"rationale: say why, {kind.value} needs one.")
    if kind in EXPLAINED and said.decision is Decision.SECOND_OPINION:
        raise InvalidRecord(f"decision: {kind.value} decides the case and asks nobody else.")


def _check_diagnosis(decision: Decision, diagnosis: str | None, reason: str | None) -> None:
    if decision is Decision.NOT_ASSESSABLE:
        if diagnosis is not None:
            raise InvalidRecord("diagnosis: leave it out when the case is not assessable.")
        if not reason:
            raise InvalidRecord("reason: say why the case is not assessable.")
    elif not diagnosis and decision is not Decision.SECOND_OPINION:
        raise InvalidRecord(f"diagnosis: {decision.value} needs one.")


def _check_plan(said: _Said) -> None:
    if (said.management is Management.FOLLOW_UP) != (said.follow_up_months is not None):
        raise InvalidRecord("follow_up_months: a follow-up needs them, and nothing else has them.")
    if said.follow_up_months is not None and not 1 <= said.follow_up_months <= LONGEST_FOLLOW_UP:
        raise InvalidRecord(f"follow_up_months: {said.follow_up_months} should be 1 to {LONGEST_FOLLOW_UP}.")
    if said.management is Management.RETAKE and said.decision is not Decision.NOT_ASSESSABLE:
        raise InvalidRecord("management: a new picture is asked for when the case is not assessable.")


def _begin(session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID, kind: ReviewKind) -> _Step:
    case = lock_case(session=session, tenant_ids=tenant_ids, case_id=case_id)
    person = find_person(session=session, user_id=user_id)
    return _Step(case, person, kind, standing_reads(session=session, case_id=case_id))


def _allow(session: Session, step: _Step, amends: UUID | None) -> None:
    """Refuse a step that the case's state, the reader or an unseen change forbids."""
    expected = reading.BEFORE.get(step.kind, CaseState.REVIEWED)
    if step.case.state is not expected:
        raise _out_of_step(step)
    last = step.last
    if step.kind is ReviewKind.AMENDMENT and (last is None or last.id != amends):
        raise AlreadyReviewed("The decision was amended meanwhile: reload the page to see it.")
    refused = reading.refusal(kind=step.kind, person=step.person, readers=_readers(step), decided_by=last.read.user_id if last else None)
    if refused:
        raise ReadRefused(refused)
    blind = step.case.blind_first_read and step.kind in (ReviewKind.FIRST, ReviewKind.SECOND)
    if blind and not has_opinion(session=session, case_id=step.case.id, user_id=step.person.id):
        raise OpinionMissing("Give your first opinion before you decide: this portal asks for a blind first read.")


def _readers(step: _Step) -> list[UUID]:
    """Who read the case as it now is. An old second read (pictures came after it) is no read of this one."""
    counted = (ReviewKind.FIRST,) if step.kind is ReviewKind.SECOND else (ReviewKind.FIRST, ReviewKind.SECOND)
    return [step.reads[kind].read.user_id for kind in counted if kind in step.reads]


def _out_of_step(step: _Step) -> AlreadyReviewed | NotReady:
    if step.case.state is CaseState.QUEUED:
        return NotReady("Images of this case are still being analysed: decide when it awaits review.")
    if step.kind is ReviewKind.AMENDMENT:
        return NotReady("This case is not decided yet: there is nothing to amend.")
    return AlreadyReviewed(FASTER)


def _next_state(session: Session, step: _Step, said: _Said) -> tuple[CaseState, tuple[reading.Cause, ...]]:
    read = reading.Read(step.person.id, said.decision, said.diagnosis, said.management)
    if step.kind is ReviewKind.FIRST:
        asked = question(session=session, case=step.case)
        why = reading.causes(policy=step.case.policy, question=asked, read=read, trainee=step.person.trainee)
        return reading.after_first(why), why
    if step.kind is ReviewKind.SECOND:
        return reading.after_second(step.reads[ReviewKind.FIRST].read, read), ()
    return CaseState.REVIEWED, ()


def _insert(session: Session, step: _Step, superseded: StandingRead | None, **said: Any) -> UUID:
    # The time of the lock, not of the transaction's start: reviews of a case are ordered by it.
    at = session.execute(select(func.clock_timestamp())).scalar_one()
    months = said.get("follow_up_months")
    dates = {"created_at": at, "follow_up_on": follow_up_day(decided_at=at, months=months) if months else None}
    whose = {"id": uuid4(), "tenant_id": step.case.tenant_id, "case_id": step.case.id, "user_id": step.person.id, "kind": step.kind}
    row = insert(Review).values(**whose, **said, **dates, supersedes=superseded.id if superseded else None)
    review_id: UUID | None = session.scalar(row.on_conflict_do_nothing(index_elements=["supersedes"]).returning(Review.id))
    if review_id is None:
        raise AlreadyReviewed(FASTER)
    return review_id


def _move(session: Session, case: LockedCase, state: CaseState) -> None:
    """Bring the case from the state that was seen into the next one."""
    if state is case.state:
        return
    at = func.clock_timestamp() if state is CaseState.REVIEWED else None
    swap = update(Case).where(Case.id == case.id, Case.state == case.state).values(state=state, reviewed_at=at).returning(Case.id)
    if session.scalar(swap.execution_options(synchronize_session=False)) is None:
        raise AlreadyReviewed(FASTER)


def _record(session: Session, step: _Step, action: AuditAction, details: dict[str, Any]) -> None:
    record_event(
        session=session,
        tenant_id=step.case.tenant_id,
        actor=Actor.user(step.person.id),
        action=action,
        subject=Subject("case", step.case.id),
        details=details,
    )
