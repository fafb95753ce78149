"""Decided cases that may teach models: what the patient agreed to and a dermatologist has confirmed or corrected.

A case is left out unless the patient's portal said yes, the decision stands, and it names a diagnosis; every case that is left out
is counted with the first of these reasons that holds.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from services.records.access import tenant_by_slug
from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidRecord
from services.records.identity import may_leave
from services.records.reading import OTHER
from services.records.reads import stands
from services.records.states import AuditAction, CaseState, Decision, IdentityState, Modality, ReviewKind, Sex
from services.records.tables import Analysis, Case, Image, Lesion, Outline, Patient, Review, Tenant

PAGE = 1_000  # cases whose images are read by one statement


class LeftOut(StrEnum):
    """Why a case does not teach."""

    TAKEN_BACK = "decision_taken_back"
    UNDECIDED = "not_decided"
    NO_CONSENT = "no_consent"
    NOT_ASSESSABLE = "not_assessable"
    OTHER_DIAGNOSIS = "another_diagnosis"


@dataclass(frozen=True, slots=True)
class TeachingImage:
    """A picture of a case. ``mask_key``: the outline that counts, a reader's (``mask_drawn``) or else the model's.

    ``identity_state``: whether somebody has looked for what tells who it is.
    """

    id: UUID
    view_key: str
    modality: Modality
    mask_key: str | None
    mask_drawn: bool
    identity_state: IdentityState = IdentityState.UNCHECKED


@dataclass(frozen=True, slots=True)
class TeachingCase:
    """A case with its standing decision.

    ``age``: years at receipt, give or take one. ``listed``: the classes that the reader could choose from, as the newest model listed
    them; none where no model answered.
    """

    id: UUID
    patient_id: UUID
    lesion_id: UUID | None
    decision: Decision
    diagnosis: str
    age: int | None
    sex: Sex | None
    fitzpatrick: int | None
    body_site: str | None
    listed: tuple[str, ...]
    images: tuple[TeachingImage, ...]


@dataclass(frozen=True, slots=True)
class Teaching:
    """The cases of one portal, in the order of their decisions, and how many were left out for which reason.

    ``held``: how many of their pictures stay because they may tell who the patient is; they are in no case here.
    """

    cases: tuple[TeachingCase, ...]
    left_out: Mapping[LeftOut, int]
    held: int = 0


def portals_to_export(*, session: Session, slugs: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of the portals with these short names, by name; all portals' where none is named (the owner's login).

    Never a sandbox: what a script said teaches nothing.

    Raises:
        InvalidRecord: there is no such portal, or it is a sandbox.
    """
    if slugs:
        for slug in slugs:
            tenant_by_slug(session=session, slug=slug)
    wanted = select(Tenant.slug, Tenant.id, Tenant.sandbox).order_by(Tenant.slug)
    rows = session.execute(wanted.where(Tenant.slug.in_(slugs)) if slugs else wanted).all()
    if slugs and (scripted := [row.slug for row in rows if row.sandbox]):
        raise InvalidRecord(f"portal: {', '.join(scripted)} is a sandbox, whose decisions come from a script: leave it out.")
    return {row.slug: row.id for row in rows if not row.sandbox}


def read_teaching_cases(*, session: Session, tenant_id: UUID, since: datetime | None, actor: Actor, dataset: str) -> Teaching:
    """Return what one portal's cases teach, and record that they were read for a data set (the owner's login).

    Args:
        since: only cases decided (where they are undecided: received) then or later.
        dataset: what the data set is called in the audit trail.
    """
    left_out = _undecided(session, tenant_id, since)
    kept = []
    for row in session.execute(_decided(tenant_id, since)):
        reason = _reason(row)
        if reason is None:
            kept.append(row)
        else:
            left_out[reason] += 1
    cases = [case for start in range(0, len(kept), PAGE) for case in _with_images(session, tenant_id, kept[start : start + PAGE])]
    held = sum(not may_leave(image) for case in cases for image in case.images)
    cases = [replace(case, images=tuple(filter(may_leave, case.images))) for case in cases]
    told = {"dataset": dataset, "cases": len(cases), "images": sum(len(case.images) for case in cases)}
    limits = {
        "since": since.isoformat() if since else None,
        "held": held,
        "left_out": {reason.value: count for reason, count in left_out.items()},
    }
    record_event(
        session=session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.DATASET_EXPORTED,
        subject=Subject("tenant", tenant_id),
        details=told | limits,
    )
    return Teaching(tuple(cases), left_out, held)


def _undecided(session: Session, tenant_id: UUID, since: datetime | None) -> Counter[LeftOut]:
    undone = exists().where(Review.case_id == Case.id, Review.kind == ReviewKind.UNDO)
    query = select(undone.label("undone"), func.count()).where(Case.tenant_id == tenant_id, Case.state != CaseState.REVIEWED)
    if since is not None:
        query = query.where(Case.received_at >= since)
    counts = session.execute(query.group_by("undone"))
    return Counter({LeftOut.TAKEN_BACK if was_undone else LeftOut.UNDECIDED: count for was_undone, count in counts})


def _decided(tenant_id: UUID, since: datetime | None) -> Any:
    """Every decided case with its patient, lesion and the decision that stands."""
    standing = (
        select(Review.decision, Review.diagnosis)
        .where(Review.case_id == Case.id, stands())
        .order_by(Review.created_at.desc())
        .limit(1)
        .lateral()
    )
    age = func.extract("year", Case.received_at) - Patient.birth_year
    patient = (Patient.consent_training, Patient.sex, Patient.fitzpatrick, age.label("age"))
    query = (
        select(Case.id, Case.patient_id, Case.lesion_id, *patient, Lesion.body_site, standing.c.decision, standing.c.diagnosis)
        .select_from(Case)
        .join(Patient, Patient.id == Case.patient_id)
        .outerjoin(Lesion, Lesion.id == Case.lesion_id)
        .outerjoin(standing, true())
        .where(Case.tenant_id == tenant_id, Case.state == CaseState.REVIEWED)
        .order_by(Case.reviewed_at, Case.id)
    )
    return query if since is None else query.where(Case.reviewed_at >= since)


def _reason(row: Row[Any]) -> LeftOut | None:
    if row.decision not in (Decision.CONFIRM, Decision.CORRECT, Decision.NOT_ASSESSABLE):
        return LeftOut.UNDECIDED
    if not row.consent_training:
        return LeftOut.NO_CONSENT
    if row.decision is Decision.NOT_ASSESSABLE:
        return LeftOut.NOT_ASSESSABLE
    return LeftOut.OTHER_DIAGNOSIS if row.diagnosis == OTHER else None


def _with_images(session: Session, tenant_id: UUID, rows: Sequence[Row[Any]]) -> list[TeachingCase]:
    images: dict[UUID, list[TeachingImage]] = defaultdict(list)
    listed: dict[UUID, tuple[str, ...]] = {}
    for image in session.execute(_images(tenant_id, [row.id for row in rows])):
        drawn = image.outline_key is not None
        key = image.outline_key if drawn else image.mask_key
        teaching = TeachingImage(image.id, image.view_key, image.modality, key, drawn, image.identity_state)
        images[image.case_id].append(teaching)
        listed.setdefault(image.case_id, tuple(entry["code"] for entry in image.taxonomy or ()))
    return [_case(row, listed.get(row.id, ()), tuple(images[row.id])) for row in rows]


def _images(tenant_id: UUID, case_ids: Sequence[UUID]) -> Any:
    analysis = _newest(Analysis, Analysis.mask_key, Analysis.finding["taxonomy"].label("taxonomy"))
    # A newest row without a mask gives the word back to the model.
    outline = _newest(Outline, Outline.mask_key)
    return (
        select(Image.case_id, Image.id, Image.view_key, Image.modality, Image.identity_state, analysis.c.mask_key, analysis.c.taxonomy)
        .add_columns(outline.c.mask_key.label("outline_key"))
        .select_from(Image)
        .outerjoin(analysis, true())
        .outerjoin(outline, true())
        .where(Image.case_id.in_(case_ids), Image.tenant_id == tenant_id)
        .order_by(Image.case_id, Image.position)
    )


def _newest(table: type[Analysis] | type[Outline], *columns: Any) -> LateralFromClause:
    """These columns of an image's newest row."""
    return select(*columns).where(table.image_id == Image.id).order_by(table.created_at.desc()).limit(1).lateral()


def _case(row: Row[Any], listed: tuple[str, ...], images: tuple[TeachingImage, ...]) -> TeachingCase:
    return TeachingCase(
        id=row.id,
        patient_id=row.patient_id,
        lesion_id=row.lesion_id,
        decision=row.decision,
        diagnosis=row.diagnosis,
        age=None if row.age is None else int(row.age),
        sex=row.sex,
        fitzpatrick=row.fitzpatrick,
        body_site=row.body_site,
        listed=listed,
        images=images,
    )
