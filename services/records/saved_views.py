"""A reader's own names for what they often look at. Filters alone: what was searched for is about a patient and is never kept."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.errors import InvalidRecord
from services.records.tables import SavedView

FILTERS = ("status", "portal", "mark", "leading", "site", "urgency")
LONGEST_NAME = 40
MOST_VIEWS = 20


@dataclass(frozen=True, slots=True)
class View:
    """A saved view; ``query`` holds the words of the filters by name."""

    id: UUID
    name: str
    query: dict[str, str]


def saved_views(*, session: Session, user_id: UUID) -> list[View]:
    """Return the reader's views by name. The transaction must be bound to the user."""
    rows = session.execute(
        select(SavedView.id, SavedView.name, SavedView.query).where(SavedView.user_id == user_id).order_by(SavedView.name)
    )
    return [View(view_id, name, dict(query)) for view_id, name, query in rows]


def save_view(*, session: Session, user_id: UUID, name: str, query: dict[str, str]) -> None:
    """Keep filters under a name; the same name again replaces them.

    Raises:
        InvalidRecord: the name is empty or too long, or the reader has as many views as one can oversee.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidRecord(f"name: 1 to {LONGEST_NAME} characters.")
    others = select(func.count()).where(SavedView.user_id == user_id, SavedView.name != name)
    if (session.scalar(others) or 0) >= MOST_VIEWS:
        raise InvalidRecord(f"views: at most {MOST_VIEWS}; remove one first.")
    kept = {key: value for key, value in query.items() if key in FILTERS and value}
    insert = upsert(SavedView).values(id=uuid4(), user_id=user_id, name=name, query=kept)
    session.execute(insert.on_conflict_do_update(index_elements=["user_id", "name"], set_={"query": insert.excluded.query}))


def remove_view(*, session: Session, user_id: UUID, view_id: UUID) -> None:
    """Forget a view; one that is not there is no error."""
    session.execute(delete(SavedView).where(SavedView.id == view_id, SavedView.user_id == user_id))
