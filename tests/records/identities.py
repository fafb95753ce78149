"""Lesions and their visits, made and changed through the records' own functions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select

from services.records import lesions, links, proposals
from services.records.lesion_history import HistoryStep, lesion_history
from services.records.states import LesionEventKind
from services.records.tables import Case, Lesion
from tests.records.worlds import Portal, Worker

WHY = "The same mole, seen twice."


def embedding(*values: float) -> bytes:
    """A vector of length 1 as the analysis stores it."""
    vector = np.array(values, np.float32)
    return (vector / np.linalg.norm(vector)).astype("<f2").tobytes()


def visit(portal: Portal, worker: Worker, *, seen: bytes | None = None, **said: Any) -> UUID:
    """A case that was analysed."""
    case = portal.submit(**said)
    worker.complete(worker.claim(), embedding=seen)
    return case.id


def lesion_of(portal: Portal, case_id: UUID) -> UUID:
    """The lesion that a case has now."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return session.scalars(select(Case.lesion_id).where(Case.id == case_id)).one()


def uid_of(portal: Portal, lesion_id: UUID) -> str:
    """DICOM's Tracking UID of a lesion."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return session.scalars(select(Lesion.tracking_uid).where(Lesion.id == lesion_id)).one()


def merge(portal: Portal, stays: UUID, goes: UUID, *, reason: str = WHY) -> tuple[UUID, ...]:
    """Say that two lesions are one."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        said = {"tenant_ids": [portal.tenant_id], "user_id": portal.user_id, "reason": reason}
        return lesions.merge_lesions(session=session, lesion_id=stays, merged_id=goes, **said)  # type: ignore[arg-type]


def move(portal: Portal, source: UUID, cases: Sequence[UUID], to: UUID | None = None, *, reason: str = WHY) -> UUID:
    """Take visits away from a lesion."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        said = {"tenant_ids": [portal.tenant_id], "user_id": portal.user_id, "reason": reason}
        return lesions.move_cases(session=session, lesion_id=source, case_ids=cases, to=to, **said)  # type: ignore[arg-type]


def restore(portal: Portal, lesion_id: UUID) -> tuple[UUID, ...]:
    """Take a merge apart."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        said = {"tenant_ids": [portal.tenant_id], "user_id": portal.user_id, "reason": WHY}
        return lesions.restore_lesion(session=session, lesion_id=lesion_id, **said)  # type: ignore[arg-type]


def survivor(portal: Portal, lesion_id: UUID) -> UUID:
    """Where a lesion's old address leads."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return lesions.surviving_lesion(session=session, tenant_ids=[portal.tenant_id], lesion_id=lesion_id)


def history(portal: Portal, lesion_id: UUID) -> list[HistoryStep]:
    """What was done with a lesion, the newest first."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return list(lesion_history(session=session, tenant_ids=[portal.tenant_id], lesion_id=lesion_id))


def kinds(portal: Portal, lesion_id: UUID) -> list[LesionEventKind]:
    """The same in short, the oldest first."""
    return [step.kind for step in reversed(history(portal, lesion_id))]


def asked(worker: Worker, portal: Portal, case_id: UUID) -> proposals.Asked | None:
    """What the change worker gets to compare a case with."""
    with worker.logins.worker.transaction() as session:
        return proposals.candidates(session=session, tenant_id=portal.tenant_id, case_id=case_id)


def propose(worker: Worker, portal: Portal, case_id: UUID, *lesion_ids: UUID, score: float = 0.8) -> int:
    """What the change worker does with it."""
    found = [proposals.NewProposal(lesion_id, score, {"site": "same", "likeness": 0.9, "geometry": None}) for lesion_id in lesion_ids]
    own = lesion_of(portal, case_id)
    with worker.logins.worker.transaction() as session:
        return proposals.store_proposals(session=session, tenant_id=portal.tenant_id, case_id=case_id, lesion_id=own, proposals=found)


def proposed(portal: Portal, case_id: UUID) -> list[proposals.ProposalView]:
    """What a reader is asked."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return list(proposals.case_proposals(session=session, tenant_ids=[portal.tenant_id], case_id=case_id))


def answer(portal: Portal, case_id: UUID, what: str, *, proposal: UUID | None = None) -> None:
    """What the reader says: confirm, reject or reopen."""
    chosen = proposal or proposed(portal, case_id)[0].id
    act = {"confirm": links.confirm_link, "reject": links.reject_link, "reopen": links.reopen_link}[what]
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        act(session=session, tenant_ids=[portal.tenant_id], case_id=case_id, proposal_id=chosen, user_id=portal.user_id)
