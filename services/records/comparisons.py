"""What the worker has found out about visits: measures and comparisons. Nothing is overwritten, and a repeat changes nothing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.changes import WORKER
from services.records.states import AuditAction
from services.records.tables import Comparison, VisitMeasure
from services.records.visits import MeasureKey, TrailVisit


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComparison:
    """Two visits laid over each other, or in ``why`` the word for why not (``registration`` and ``changes`` are then None).

    ``registration``: ``models.change.Comparison.to_json()["registration"]``; ``changes``: the rest of it without ``why``, so
    ``changes["changes"]`` by name, ``["basis"]``, ``["months"]``, ``["notes"]``, ``["new_classes"]``, ``["lower_bound"]``.
    """

    earlier: TrailVisit
    later: TrailVisit
    basis: str
    version: str
    why: str | None
    registration: dict[str, Any] | None
    changes: dict[str, Any] | None
    registered_key: str | None
    difference_key: str | None


def keep_measures(*, session: Session, tenant_id: UUID, key: MeasureKey, measures: dict[str, Any]) -> None:
    """Keep what was measured in a picture; measures on the same basis stay as they were."""
    row = {"id": uuid4(), "tenant_id": tenant_id, "image_id": key.image_id, "outline_id": key.outline_id, "version": key.version}
    session.execute(insert(VisitMeasure).values(**row, measures=measures).on_conflict_do_nothing())


def keep_comparison(*, session: Session, new: NewComparison) -> UUID:
    """Keep a comparison and return its id: that of the earlier one where the same was compared on the same basis before."""
    pair = {"earlier_image_id": new.earlier.image_id, "later_image_id": new.later.image_id, "basis": new.basis}
    row = {
        "id": uuid4(),
        "tenant_id": new.later.tenant_id,
        "earlier_case_id": new.earlier.case_id,
        "later_case_id": new.later.case_id,
        "version": new.version,
        "valid": new.why is None,
        "why": new.why,
        "registration": new.registration,
        "changes": new.changes,
        "registered_key": new.registered_key,
        "difference_key": new.difference_key,
    }
    # JSON's null is a value: what is not there must be left out.
    given = {name: value for name, value in (row | pair).items() if value is not None}
    made: UUID | None = session.scalar(insert(Comparison).values(given).on_conflict_do_nothing().returning(Comparison.id))
    if made is None:
        return session.scalars(select(Comparison.id).filter_by(**pair)).one()
    _record(session, new)
    return made


def _record(session: Session, new: NewComparison) -> None:
    record_event(
        session=session,
        tenant_id=new.later.tenant_id,
        actor=Actor.system(WORKER),
        action=AuditAction.TRAIL_COMPARED,
        subject=Subject("case", new.later.case_id),
        details={"earlier": str(new.earlier.case_id), "valid": new.why is None, "version": new.version},
    )
