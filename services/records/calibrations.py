"""Scales that readers take from a ruler in the picture: so many pixels are so many millimetres. Append-only; the newest counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.changes import mark_image_due
from services.records.errors import CaseNotFound, InvalidRecord
from services.records.states import AuditAction
from services.records.tables import Calibration, Case, Image

# Shorter lines say more about the hand than about the picture: their ends are set to about a pixel of the screen.
SHORTEST_PX = 20.0
# Long side of what a picture of a lesion shows, mm; the change worker (models.change.scale) believes no other either.
NARROWEST_MM, WIDEST_MM = 1.0, 500.0


@dataclass(frozen=True, slots=True)
class RulerLine:
    """A line along a ruler in a picture: its length in px of the upright original, and in mm."""

    length_px: float
    length_mm: float


def calibrate(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, image_id: UUID, user_id: UUID, line: RulerLine) -> float:
    """Keep the scale of a picture, let its lesion's trail be measured anew, and return the scale, mm per px.

    A decided case's picture may get one, too: comparisons with later visits rest on it, its decision does not change.

    Raises:
        CaseNotFound: none of the tenants has such a case, or the case has no such image.
        InvalidRecord: the line is too short, or its scale cannot be that of a picture of a lesion. The message says what to check.
    """
    query = select(Image.tenant_id, Image.width, Image.height).join(Case, Case.id == Image.case_id)
    image = session.execute(query.where(Image.id == image_id, Case.id == case_id, Case.tenant_id.in_(tenant_ids))).one_or_none()
    if image is None:
        raise CaseNotFound(case_id)
    problem = _doubt(line, image)
    if problem:
        raise InvalidRecord(problem)
    mm_per_px = line.length_mm / line.length_px
    row: dict[str, Any] = {"id": uuid4(), "tenant_id": image.tenant_id, "image_id": image_id, "user_id": user_id, "mm_per_px": mm_per_px}
    session.execute(insert(Calibration).values(**row, length_mm=line.length_mm, length_px=line.length_px))
    mark_image_due(session=session, image_id=image_id)
    actor, subject = Actor.user(user_id), Subject("image", image_id)
    action, details = AuditAction.IMAGE_CALIBRATED, {"calibration": str(row["id"])}
    record_event(session=session, tenant_id=image.tenant_id, actor=actor, action=action, subject=subject, details=details)
    return mm_per_px


def _doubt(line: RulerLine, image: Row[*tuple[Any, ...]]) -> str | None:
    """Why the line gives no scale, in a sentence for who drew it."""
    if not all(math.isfinite(length) and length > 0 for length in (line.length_px, line.length_mm)):
        return "The line's length must be more than 0 mm."
    if line.length_px < SHORTEST_PX:
        return f"The line is {line.length_px:.0f} px long: draw one of at least {SHORTEST_PX:.0f} px, as long as the ruler allows."
    if line.length_px > math.hypot(image.width, image.height) + 1:
        return "The line is longer than the picture: draw it inside the picture."
    field = line.length_mm / line.length_px * max(image.width, image.height)
    if NARROWEST_MM <= field <= WIDEST_MM:
        return None
    return (
        f"The whole picture would then be {field:.3g} mm wide, outside {NARROWEST_MM:g} to {WIDEST_MM:g} mm: check the number and its unit."
    )
