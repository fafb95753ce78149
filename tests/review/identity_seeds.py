"""Proposed links, as the change worker leaves them."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.records.proposals import NewProposal, case_proposals, store_proposals
from services.records.states import ProposalState
from services.records.tables import Case
from tests.review.seeds import Clinic

REASONS: dict[str, Any] = {"site": "same", "likeness": 0.91, "geometry": {"agrees": True, "inliers": 34, "correlation": 0.83}}


def lesion_of(clinic: Clinic, tenant: UUID, case_id: UUID) -> UUID:
    """The lesion that a case has."""
    with clinic.worker.transaction(tenants=[tenant]) as session:
        return session.scalars(select(Case.lesion_id).where(Case.id == case_id)).one()


@dataclass(frozen=True, slots=True)
class Likely:
    """The lesion of the case ``known`` may be the one."""

    known: UUID
    score: float = 0.9
    reasons: dict[str, Any] = field(default_factory=dict)


def propose(clinic: Clinic, tenant: UUID, case_id: UUID, *likely: Likely) -> list[UUID]:
    """Proposes lesions for a case, and no others any more; returns the ids of what is open now, the likeliest first."""
    own = lesion_of(clinic, tenant, case_id)
    found = [NewProposal(lesion_of(clinic, tenant, one.known), one.score, REASONS | one.reasons) for one in likely]
    with clinic.worker.transaction(tenants=[tenant]) as session:
        store_proposals(session=session, tenant_id=tenant, case_id=case_id, lesion_id=own, proposals=found)
    with clinic.owner.transaction(tenants=[tenant]) as session:
        kept = case_proposals(session=session, tenant_ids=[tenant], case_id=case_id)
    return [proposal.id for proposal in kept if proposal.state is ProposalState.OPEN]
