"""What portals are told about their cases: analysed, or not to be analysed; decided; that new pictures are asked for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.records.portal_events import PortalEventKind, add_event
from services.records.reading import UNDO_SECONDS
from services.records.states import JobState
from services.records.tables import Analysis, Case, Image, Job, Lesion


def tell_analysed(*, session: Session, case_ids: Collection[UUID]) -> None:
    """Tell portals that all pictures of these cases have been looked at, or which ones could not be.

    A case with a picture that has no answer has failed: a dermatologist reads it by hand, and the portal has nothing to do.
    """
    if not case_ids:
        return
    failed = _failed_images(session, case_ids)
    for case_id, (tenant_id, whose) in _references(session, case_ids).items():
        missing = failed.get(case_id, ())
        kind = PortalEventKind.CASE_FAILED if missing else PortalEventKind.CASE_ANALYSED
        named: dict[str, Any] = {"image_ids": [str(image_id) for image_id in missing]} if missing else {}
        add_event(session=session, tenant_id=tenant_id, kind=kind, subject_kind="case", subject_id=case_id, payload=whose | named)


def tell_reviewed(*, session: Session, case_id: UUID, review_id: UUID, replaces: UUID | None, retake: bool) -> None:
    """Tell the portal that a dermatologist has decided its case, never what.

    A decision can be taken back for `UNDO_SECONDS`, and is told afterwards; an amendment cannot, and is told at once.

    Args:
        replaces: the decision that this one amends.
        retake: new pictures are asked for.
    """
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    held = {"review_id": review_id, "not_before": None if replaces else now + timedelta(seconds=UNDO_SECONDS)}
    ((tenant_id, whose),) = _references(session, [case_id]).values()
    amended = {"decision_id": str(review_id), "amendment": replaces is not None, "replaces": str(replaces) if replaces else None}
    about: dict[str, Any] = {"tenant_id": tenant_id, "subject_kind": "case", "subject_id": case_id, **held}
    add_event(session=session, kind=PortalEventKind.CASE_REVIEWED, payload=whose | amended, **about)
    if retake:
        pictures = session.scalars(select(Image.id).where(Image.case_id == case_id, Image.tenant_id == tenant_id).order_by(Image.position))
        asked = whose | {"image_ids": [str(image_id) for image_id in pictures]}
        add_event(session=session, kind=PortalEventKind.IMAGE_RETAKE_REQUESTED, payload=asked, **about)


def _references(session: Session, case_ids: Collection[UUID]) -> Mapping[UUID, tuple[UUID, dict[str, Any]]]:
    """The tenant of each case, and the names under which the portal knows it."""
    columns = (Case.id, Case.tenant_id, Case.patient_id, Case.lesion_id, Case.reference, Lesion.reference, Lesion.tracking_uid)
    query = select(*columns).join(Lesion, Lesion.id == Case.lesion_id).where(Case.id.in_(case_ids)).order_by(Case.id)
    return {row[0]: (row[1], _named(*row[2:], case_id=row[0])) for row in session.execute(query)}


def _named(
    patient_id: UUID, lesion_id: UUID, case_reference: str | None, lesion_reference: str | None, tracking_uid: str, *, case_id: UUID
) -> dict[str, Any]:
    ids = {"case_id": str(case_id), "lesion_id": str(lesion_id), "patient_id": str(patient_id)}
    return ids | {"case_reference": case_reference, "lesion_reference": lesion_reference, "tracking_uid": tracking_uid}


def _failed_images(session: Session, case_ids: Collection[UUID]) -> Mapping[UUID, Sequence[UUID]]:
    """The pictures without any answer, by case."""
    answered = select(Analysis.id).where(Analysis.image_id == Image.id).exists()
    failed = (Image.case_id.in_(case_ids), Job.state == JobState.FAILED, ~answered)
    rows = select(Image.case_id, func.array_agg(Image.id)).join(Job, Job.image_id == Image.id).where(*failed).group_by(Image.case_id)
    return {case_id: images for case_id, images in session.execute(rows)}  # noqa: C416 - a row is no pair to dict()
