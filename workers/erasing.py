"""What is left of an erasure once its rows are gone: the objects in the store; and the trails whose time is over."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Protocol
from uuid import UUID

from services.objects import StoreUnavailable
from services.records import erasure, retention
from services.records.database import Database
from services.records.erasure import case_is_there, tenant_ids
from services.records.errors import LegalHold, PatientBusy, PatientNotFound
from workers.metrics import ERASED

log = logging.getLogger(__name__)
# Trails of one run: the next one goes on.
MOST_TRAILS = 500


class Store(Protocol):
    """What erasing needs of the object store."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``; StoreUnavailable."""

    def delete(self, key: str) -> None:
        """Removes the object, if there is one; StoreUnavailable."""


def delete_leftovers(*, database: Database, store: Store) -> int:
    """Delete the objects of every erasure that may have some. Returns how many were deleted.

    The receipt names them before the first is deleted and as long as one may be left: whoever dies on the way, the next run goes on.
    """
    deleted, seen = 0, list[UUID]()
    while True:
        with database.transaction() as session:
            leftovers = erasure.next_leftovers(session=session, skip=seen)
            if leftovers is None:
                return deleted
            seen.append(leftovers.id)
            count, problem = _empty(store, leftovers.prefixes)
            erasure.note_deleted(session=session, leftovers=leftovers, deleted=count, problem=problem)
        deleted += count
        ERASED.labels("objects").inc(count)
        if problem:
            log.warning("objects of an erasure wait: %s", problem, extra={"receipt": str(leftovers.id)})
            return deleted


def _empty(store: Store, prefixes: Sequence[str]) -> tuple[int, str | None]:
    """How many objects were deleted, and why not all."""
    deleted = 0
    try:
        for prefix in prefixes:
            for key in store.keys(prefix):
                if prefix.endswith("/") or key == prefix:
                    store.delete(key)
                    deleted += 1
    except StoreUnavailable as error:
        return deleted, str(error)
    return deleted, None


class Listed(Store, Protocol):
    """A store that knows when its objects came."""

    def keys_before(self, prefix: str, moment: datetime) -> Iterator[str]:
        """The keys that begin with ``prefix`` of objects that were stored before ``moment``; StoreUnavailable."""


def orphans(*, database: Database, store: Listed, before: datetime) -> Iterator[str]:
    """The keys of objects below a case that is not there (the worker's or the owner's login).

    A request that dies between the store and the database leaves them, and no erasure can know whose they are. ``before``: only objects
    older than this; a request under way stores its objects before its case.
    """
    with database.transaction() as session:
        tenants = tenant_ids(session=session)
    for tenant_id in tenants:
        found = ((key, _uuid(key.split("/")[1])) for key in store.keys_before(f"{tenant_id}/", before) if key.count("/") > 1)
        named = ((key, case_id) for key, case_id in found if case_id is not None)
        for case_id, group in groupby(named, key=itemgetter(1)):
            with database.transaction() as session:
                gone = not case_is_there(session=session, tenant_id=tenant_id, case_id=case_id)
            yield from (key for key, _ in group if gone)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def erase_expired(*, database: Database) -> int:
    """Erase the trails whose time is over, each with a receipt of its own. Returns how many."""
    with database.transaction() as session:
        trails = retention.expired_trails(session=session, limit=MOST_TRAILS)
    erased = 0
    for trail in trails:
        try:
            with database.transaction(tenants=[trail.tenant_id]) as session:
                erased += retention.erase_expired(session=session, trail=trail) is not None
        except (PatientBusy, LegalHold, PatientNotFound) as later:
            # Somebody is at it, or was faster: the next run looks again.
            log.info("a trail whose time is over waits: %s", type(later).__name__)
    if erased:
        log.info("trails whose time was over were erased", extra={"trails": erased})
    ERASED.labels("trails").inc(erased)
    return erased
