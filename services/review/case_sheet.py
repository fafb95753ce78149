"""Everything about one open case: what this reader sees of it, which step they may take, who has it, and what stands around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from services.records import reading
from services.records.access import SignedIn
from services.records.claims import ClaimView, claim_case
from services.records.history import EarlierCase, UsedModel, earlier_cases, used_models
from services.records.identity import PictureIdentity, identity_of_case
from services.records.opinions import OpinionView, case_opinions
from services.records.reads import find_person
from services.records.states import CaseState, ReviewKind
from services.records.templates import TemplateView, note_templates
from services.records.trails import CaseTrail, case_trail
from services.records.views import CaseView
from services.records.worklist import case_page
from services.review import blind, reader
from services.review.lesion_identity_view import SameLesion, open_same_lesion


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One case in front of one reader; reads of others are in it only where this reader may see them.

    ``kind``: the step that they may take now; None with a ``refusal`` where another must take it.
    ``holder``: somebody else who has the case.
    """

    case: CaseView
    user: SignedIn
    kind: ReviewKind | None
    refusal: str
    amendable: bool
    blind: bool
    claim: ClaimView | None
    opinions: tuple[OpinionView, ...]
    earlier: tuple[EarlierCase, ...]
    trail: CaseTrail | None
    same_lesion: SameLesion | None
    models: tuple[UsedModel, ...]
    templates: tuple[TemplateView, ...]
    identity: Mapping[UUID, PictureIdentity]

    @property
    def holder(self) -> ClaimView | None:
        """Who else has the case now."""
        return self.claim if self.claim and self.claim.user_id != self.user.user_id else None


def open_sheet(records: Session, user: SignedIn, case_id: UUID) -> Sheet:
    """The case for this reader, who has it from now on if it is theirs to read; the reading is audited.

    Raises:
        CaseNotFound: none of the reader's portals has such a case.
    """
    case = case_page(session=records, tenant_ids=user.tenant_ids, case_id=case_id, user_id=user.user_id)
    opinions = case_opinions(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
    kind, refusal = next_step(records, case, user)
    is_blind, claim = blind.is_blind(case, user, opinions), _claim(records, case, user) if kind else None
    versions = {image.analysis.pipeline_version for image in case.images if image.analysis}
    return Sheet(
        case=blind.without_others(case, user),
        user=user,
        kind=kind,
        refusal=refusal,
        amendable=_may_amend(case, user),
        blind=is_blind,
        claim=claim,
        opinions=blind.visible_opinions(case, user, opinions),
        earlier=earlier_cases(session=records, tenant_ids=user.tenant_ids, case_id=case_id),
        trail=case_trail(session=records, tenant_ids=user.tenant_ids, case_id=case_id, user_id=user.user_id),
        same_lesion=None if is_blind else _same_lesion(records, case, user, claim),
        models=used_models(session=records, pipeline_versions=versions),
        templates=note_templates(session=records, tenant_ids=[case.tenant_id], user_id=user.user_id),
        identity=identity_of_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id),
    )


def next_step(records: Session, case: CaseView, user: SignedIn) -> tuple[ReviewKind | None, str]:
    """The step that the case awaits if this reader may take it, or else why not."""
    kind = reading.STEPS.get(case.state)
    if kind is None or not reader.may_decide(user):
        return None, ""
    counted = blind.READS if kind is ReviewKind.ADJUDICATION else (ReviewKind.FIRST,)
    readers = [review.user_id for review in case.standing if review.kind in counted]
    person = find_person(session=records, user_id=user.user_id)
    refusal = reading.refusal(kind=kind, person=person, readers=readers)
    return (None, refusal) if refusal else (kind, "")


def _may_amend(case: CaseView, user: SignedIn) -> bool:
    if case.state is not CaseState.REVIEWED or case.final is None:
        return False
    person = reading.Person(user.user_id, user.role)
    return reading.refusal(kind=ReviewKind.AMENDMENT, person=person, readers=(), decided_by=case.final.user_id) is None


def _same_lesion(records: Session, case: CaseView, user: SignedIn, claim: ClaimView | None) -> SameLesion | None:
    held = claim is not None and claim.user_id != user.user_id
    return open_same_lesion(records, user, case_id=case.id, lesion_id=case.lesion_id, others_turn=held)


def _claim(records: Session, case: CaseView, user: SignedIn) -> ClaimView | None:
    whose = {"tenant_ids": user.tenant_ids, "case_id": case.id, "user_id": user.user_id}
    return claim_case(session=records, lease=current_app.config["CLAIM_LEASE"], **whose)  # type: ignore[arg-type]
