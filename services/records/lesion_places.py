"""Where a lesion is on the body map: a point that a reader set, kept with who set it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidRecord, LesionNotFound
from services.records.states import AuditAction, LesionEventKind, MapView
from services.records.tables import Lesion, LesionEvent


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A point on a figure of the body map; ``x``, ``y`` 0..1 from the upper left corner of its box."""

    view: MapView
    x: float
    y: float


def place_lesion(
    *, session: Session, tenant_ids: Sequence[UUID], patient_id: UUID, lesion_id: UUID, user_id: UUID, point: MapPoint
) -> None:
    """Put a lesion of a patient of one of the tenants at a point; where it was before stays in its events.

    Raises:
        InvalidRecord: the point lies outside the figure, or the lesion was merged into another.
        LesionNotFound: the patient has no such lesion, or is another tenant's.
    """
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in (point.x, point.y)):
        raise InvalidRecord(f"x, y: {point.x:g}, {point.y:g} lies outside the figure; each goes from 0 to 1.")
    query = select(Lesion).where(Lesion.id == lesion_id, Lesion.patient_id == patient_id, Lesion.tenant_id.in_(tenant_ids))
    lesion = session.scalars(query.with_for_update(key_share=True)).one_or_none()
    if lesion is None:
        raise LesionNotFound(lesion_id)
    if lesion.merged_into is not None:
        raise InvalidRecord("This lesion was merged into another: place that one. Load the page again.")
    _record(session, lesion, user_id, point)
    placed = update(Lesion).where(Lesion.id == lesion_id).values(map_view=point.view, map_x=point.x, map_y=point.y)
    session.execute(placed.execution_options(synchronize_session=False))


def _record(session: Session, lesion: Lesion, user_id: UUID, point: MapPoint) -> None:
    row = {"id": uuid4(), "tenant_id": lesion.tenant_id, "lesion_id": lesion.id, "user_id": user_id, "kind": LesionEventKind.PLACED}
    session.execute(insert(LesionEvent).values(**row, reason=_words(lesion, point)))
    actor, subject = Actor.user(user_id), Subject("lesion", lesion.id)
    details = {"view": point.view.value, "x": round(point.x, 4), "y": round(point.y, 4)}
    action = AuditAction.LESION_PLACED
    record_event(session=session, tenant_id=lesion.tenant_id, actor=actor, action=action, subject=subject, details=details)


def _words(lesion: Lesion, point: MapPoint) -> str:
    """`front 0.42, 0.31, before: back 0.50, 0.20`."""
    before = "" if lesion.map_view is None else f", before: {lesion.map_view} {lesion.map_x:.2f}, {lesion.map_y:.2f}"
    return f"{point.view} {point.x:.2f}, {point.y:.2f}{before}"
