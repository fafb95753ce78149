"""Deletes what portals have put into the store and no case has used."""

from services.objects import Objects
from services.records.audit import Actor
from services.records.database import Database
from services.records.uploads import delete_uploads, expired_uploads

AT_ONCE = 100
ACTOR = Actor.system("upkeep")


def forget_uploads(*, database: Database, store: Objects) -> int:
    """Delete the objects, then the rows, of uploads whose time is over: a row that stays is tried again. Returns how many.

    Raises:
        StoreUnavailable, DatabaseUnavailable: the rest waits for the next time.
    """
    deleted = 0
    while True:
        with database.transaction() as session:
            expired = expired_uploads(session=session, limit=AT_ONCE)
            for upload in expired:
                store.delete(upload.key)
            delete_uploads(session=session, uploads=expired, actor=ACTOR)
        deleted += len(expired)
        if len(expired) < AT_ONCE:
            return deleted
