"""The audit trail: who did what, in one hash chain per tenant.

An event is written just before the commit, whenever it was recorded: its link locks the head of the
tenant's chain, and that lock must be held for the commit alone, or one slow transaction would stop
the whole portal.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Text, cast, event, func, insert, select
from sqlalchemy.orm import Session

from services.records.states import ActorKind, AuditAction
from services.records.tables import AuditEvent, AuditHead

PENDING = "dermatrail.audit"
NO_TENANT = UUID(int=0)
FIRST_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a portal's key, a user, or (kind system) a worker's or command's own name."""

    kind: ActorKind
    id: str | None

    @classmethod
    def portal(cls, key_id: UUID) -> "Actor":
        """The portal that signed its request with this API key."""
        return cls(ActorKind.PORTAL, str(key_id))

    @classmethod
    def user(cls, user_id: UUID) -> "Actor":
        """A signed-in person."""
        return cls(ActorKind.USER, str(user_id))

    @classmethod
    def system(cls, name: str) -> "Actor":
        """A process of ours."""
        return cls(ActorKind.SYSTEM, name)


@dataclass(frozen=True, slots=True)
class Subject:
    """What it was done to: ``Subject("case", case_id)``."""

    kind: str
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Outcome of a verification. ``head_hash`` is worth keeping elsewhere: it pins everything before it."""

    events: int
    head_hash: str
    problem: str | None

    @property
    def intact(self) -> bool:
        """Whether every link fits."""
        return self.problem is None


def record_event(
    *,
    session: Session,
    tenant_id: UUID | None,
    actor: Actor,
    action: AuditAction,
    subject: Subject,
    details: dict[str, Any] | None = None,
) -> None:
    """Add an event to the tenant's chain (None: the chain of no tenant), as part of this transaction.

    ``details`` may hold identifiers and counts, never names, notes or other words about a patient.
    """
    session.info.setdefault(PENDING, []).append(
        {
            "id": uuid4(),
            "tenant_id": tenant_id,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "action": action,
            "subject_kind": subject.kind,
            "subject_id": subject.id,
            "details": details or {},
            # The trigger fills these three; NOT NULL and the mapper want a value.
            "sequence": 0,
            "previous_hash": "",
            "hash": "",
        }
    )


@event.listens_for(Session, "before_commit")
def write_pending(session: Session) -> None:
    """Write the recorded events, chains in a fixed order: two transactions can then not wait for each other."""
    if session.in_nested_transaction():
        return
    if events := session.info.pop(PENDING, None):
        session.flush()
        session.execute(insert(AuditEvent.__table__), sorted(events, key=lambda row: row["tenant_id"] or NO_TENANT))  # type: ignore[arg-type]


@event.listens_for(Session, "after_rollback")
def forget_pending(session: Session) -> None:
    """Drop the events of a transaction that did not happen."""
    session.info.pop(PENDING, None)


def verify_chain(*, session: Session, tenant_id: UUID | None) -> ChainReport:
    """Recompute a chain from its first event and compare it with its head.

    Finds edited, removed, inserted and reordered events, and a tail that was cut off. Needs the owner's
    login, or an administrator's transaction; see :func:`verify_part` for a long chain.
    """
    # The head first: events that are added while we read come after it and are left for the next time.
    head = session.get(AuditHead, tenant_id or NO_TENANT)
    if head is None:
        problem = "The chain has events but no head." if session.execute(_links(tenant_id).limit(1)).first() else None
        return ChainReport(events=0, head_hash=FIRST_HASH, problem=problem)
    links = session.execute(_links(tenant_id).where(AuditEvent.sequence <= head.sequence), execution_options={"yield_per": 1000})
    count, last, problem = _walk(links)
    if problem is None and (count, last) != (head.sequence, head.hash):
        problem = f"The chain should end with event {head.sequence} but ends with event {count}."
    return ChainReport(events=count, head_hash=head.hash, problem=problem)


@dataclass(frozen=True, slots=True)
class PartReport:
    """Outcome of a verification up to event ``checked`` of the ``events`` that the chain has."""

    checked: int
    events: int
    head_hash: str
    problem: str | None

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to look at: the end is reached, or a fault found."""
        return self.problem is not None or self.checked == self.events


def verify_part(*, session: Session, tenant_id: UUID | None, after: int = 0, limit: int = 20_000) -> PartReport:
    """Recompute at most ``limit`` links behind event ``after``, which the part before has verified.

    Parts from 0 to the end find what :func:`verify_chain` finds, each in a transaction that is soon over.
    """
    head = session.get(AuditHead, tenant_id or NO_TENANT)
    if head is None:
        problem = "The chain has events but no head." if session.execute(_links(tenant_id).limit(1)).first() else None
        return PartReport(0, 0, FIRST_HASH, problem)
    start = FIRST_HASH if after <= 0 else session.scalar(_hash_of(tenant_id, after))
    if start is None:
        return PartReport(max(after - 1, 0), head.sequence, head.hash, f"Event {after} is missing.")
    part = _links(tenant_id).where(AuditEvent.sequence > after, AuditEvent.sequence <= min(head.sequence, after + limit))
    count, last, problem = _walk(session.execute(part, execution_options={"yield_per": 1000}), count=max(after, 0), last=start)
    if problem is None and (count != min(head.sequence, max(after, 0) + limit) or (count == head.sequence and last != head.hash)):
        problem = f"The chain should end with event {head.sequence} but ends with event {count}."
    return PartReport(count, head.sequence, head.hash, problem)


def _hash_of(tenant_id: UUID | None, sequence: int) -> Select[str]:
    return select(AuditEvent.hash).where(AuditEvent.tenant_id.is_not_distinct_from(tenant_id), AuditEvent.sequence == sequence)


def _links(tenant_id: UUID | None) -> Select[int, str, str, str]:
    return (
        select(AuditEvent.sequence, AuditEvent.previous_hash, AuditEvent.hash, _canonical())
        .where(AuditEvent.tenant_id.is_not_distinct_from(tenant_id))
        .order_by(AuditEvent.sequence)
    )


def _canonical() -> ColumnElement[str]:
    """Return the text that is hashed, spelt out again here: a changed trigger must not verify itself."""
    row = AuditEvent
    micros = cast(func.extract("epoch", row.created_at) * 1_000_000, BigInteger)
    subject = (row.subject_kind, row.subject_id)
    array = func.jsonb_build_array(
        row.sequence, micros, row.tenant_id, row.actor_kind, row.actor_id, row.action, *subject, row.details, row.previous_hash
    )
    return cast(array, Text)


def _walk(links: Iterable[Row[int, str, str, str]], *, count: int = 0, last: str = FIRST_HASH) -> tuple[int, str, str | None]:
    """Return how many links fit, the hash of the last that does, and what is wrong with the next."""
    for sequence, previous_hash, link_hash, canonical in links:
        if sequence != count + 1:
            return count, last, f"Event {count + 1} is missing."
        if previous_hash != last or hashlib.sha256(canonical.encode()).hexdigest() != link_hash:
            return count, last, f"Event {sequence} was changed."
        count, last = sequence, link_hash
    return count, last, None
