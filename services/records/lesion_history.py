"""What was said about which pictures show the same lesion: written with each step, read on the lesion's page. Nothing is ever changed.

A row with a case says that this visit moved, from ``other_lesion_id`` to ``lesion_id``: the last such row of a case names the lesion
that it has now. A row without one is about the lesions as wholes. All rows of one step carry one time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, func, insert, select
from sqlalchemy.orm import Session, aliased

from services.records.states import Laterality, LesionEventKind
from services.records.tables import Lesion, LesionEvent, User

# The kinds whose rows with a case say that it moved.
MOVES = (LesionEventKind.LINKED, LesionEventKind.MERGED, LesionEventKind.SPLIT, LesionEventKind.RESTORED)


@dataclass(frozen=True, slots=True)
class LesionName:
    """What a lesion can be called by."""

    id: UUID
    reference: str | None
    body_site: str | None
    laterality: Laterality | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """One thing that somebody did; ``who`` None: the portal or the system. ``case_ids``: the visits that moved with it.

    ``lesion``: the one that visits came to, or that stayed; ``other``: the one that it was done with.
    """

    at: datetime
    kind: LesionEventKind
    lesion: LesionName
    other: LesionName | None
    who: str | None
    reason: str
    case_ids: tuple[UUID, ...]


def step_time(*, session: Session) -> datetime:
    """The time of a step: now, and not when its transaction began, because steps that waited for a lock are ordered by it."""
    return session.execute(select(func.clock_timestamp())).scalar_one()  # type: ignore[no-any-return]


def write_step(
    *,
    session: Session,
    tenant_id: UUID,
    at: datetime,
    kind: LesionEventKind,
    lesion_id: UUID,
    other_lesion_id: UUID | None,
    user_id: UUID | None,
    reason: str,
    case_ids: Iterable[UUID | None],
) -> None:
    """Write one row for each case; a None among them is the row about the lesions as wholes."""
    what = {"tenant_id": tenant_id, "created_at": at, "kind": kind, "user_id": user_id, "reason": reason}
    lesions = {"lesion_id": lesion_id, "other_lesion_id": other_lesion_id}
    rows = [{"id": uuid4(), "case_id": case_id, **what, **lesions} for case_id in case_ids]
    if rows:
        session.execute(insert(LesionEvent), rows)


def lesion_history(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID) -> tuple[HistoryStep, ...]:
    """Return the steps of a lesion and of those that were merged into it, the newest first, in one statement."""
    row, other, family = LesionEvent, aliased(Lesion), _family(lesion_id)
    columns = (row.created_at, row.kind, row.lesion_id, row.other_lesion_id, row.case_id, row.reason, User.name.label("who"))
    query = (
        select(*columns, *_name(Lesion, "its"), *_name(other, "other"))
        .join(Lesion, Lesion.id == row.lesion_id)
        .outerjoin(User, User.id == row.user_id)
        .outerjoin(other, other.id == row.other_lesion_id)
        # Two questions, each with an index of its own; one with "or" would read the whole table.
        .where(row.tenant_id.in_(tenant_ids), row.id.in_(_either(family)))
        .order_by(row.created_at.desc(), row.kind, row.lesion_id, row.other_lesion_id, row.case_id)
    )
    rows = session.execute(query).all()
    return tuple(_step(list(step)) for _, step in groupby(rows, key=_one_step))


def came_from(lesion_id: UUID) -> ColumnElement[Any]:
    """The ids of the cases whose last move was away from this lesion."""
    row = LesionEvent
    place = func.row_number().over(partition_by=row.case_id, order_by=row.created_at.desc()).label("place")
    touched = select(row.case_id).where(row.other_lesion_id == lesion_id)
    moves = select(row.case_id, row.other_lesion_id, place).where(row.case_id.in_(touched), row.kind.in_(MOVES)).subquery("moves")
    return select(moves.c.case_id).where(moves.c.place == 1, moves.c.other_lesion_id == lesion_id).scalar_subquery()


def _one_step(row: Row[*tuple[Any, ...]]) -> tuple[Any, ...]:
    return (row.created_at, row.kind, row.lesion_id, row.other_lesion_id)


def _family(lesion_id: UUID) -> Any:
    """The lesion and everything that was merged into it, however long ago."""
    family = select(Lesion.id).where(Lesion.id == lesion_id).cte("family", recursive=True)
    family = family.union(select(Lesion.id).join(family, Lesion.merged_into == family.c.id))
    return select(family.c.id)


def _either(family: Any) -> Any:
    of_it, with_it = (select(LesionEvent.id).where(column.in_(family)) for column in (LesionEvent.lesion_id, LesionEvent.other_lesion_id))
    return of_it.union(with_it)


def _step(rows: list[Row[*tuple[Any, ...]]]) -> HistoryStep:
    first = rows[0]
    return HistoryStep(
        at=first.created_at,
        kind=first.kind,
        lesion=LesionName(first.lesion_id, first.its_reference, first.its_body_site, first.its_laterality),
        other=_other(first),
        who=first.who,
        reason=first.reason,
        case_ids=tuple(row.case_id for row in rows if row.case_id is not None),
    )


def _other(row: Row[*tuple[Any, ...]]) -> LesionName | None:
    if row.other_lesion_id is None:
        return None
    return LesionName(row.other_lesion_id, row.other_reference, row.other_body_site, row.other_laterality)


def _name(lesion: type[Lesion], whose: str) -> tuple[Any, ...]:
    return tuple(getattr(lesion, part).label(f"{whose}_{part}") for part in ("reference", "body_site", "laterality"))
