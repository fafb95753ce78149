"""The reader of sandbox portals: a thread of the desk that decides their cases as their scripts say, by the steps of every reader."""

import logging
import threading
from typing import TYPE_CHECKING
from uuid import UUID

from services.records.errors import RecordError
from services.records.reviews import record_review
from services.records.sandbox import NOTE, Script, reader, sandboxes, undecided
from services.records.views import load_case
from services.review.decision import shown_json

if TYPE_CHECKING:
    from flask import Flask

    from services.records.database import Database

EVERY_SECONDS = 2.0
log = logging.getLogger(__name__)


def read_beside(app: "Flask", *, stopping: threading.Event | None = None) -> threading.Thread:
    """Begin to read; ends with the process, or once ``stopping`` is set."""
    stop = stopping or threading.Event()
    database: Database = app.extensions["dermatrail"].database

    def work() -> None:
        while not stop.wait(EVERY_SECONDS):
            try:
                read_sandboxes(database)
            except RecordError as error:
                log.warning("sandboxes wait: %s", type(error).__name__)
            except Exception:
                log.exception("a sandbox could not be read")

    thread = threading.Thread(target=work, name="sandbox-reader", daemon=True)
    thread.start()
    return thread


def read_sandboxes(database: "Database") -> int:
    """Decide what waits in every sandbox, each case in a transaction of its own. Returns how many were decided."""
    with database.transaction(admin=True) as session:
        tenants, user = sandboxes(session=session), reader(session=session)
    if not tenants or user is None:
        return 0
    with database.transaction(tenants=tenants) as session:
        waiting = undecided(session=session, tenant_ids=tenants)
    return sum(_decide(database, tenant_id, case_id, user, script) for tenant_id, case_id, script in waiting)


def _decide(database: "Database", tenant_id: UUID, case_id: UUID, user: UUID, script: Script) -> bool:
    if script.decision is None:
        return False
    try:
        with database.transaction(tenants=[tenant_id]) as session:
            record_review(
                session=session,
                tenant_ids=[tenant_id],
                case_id=case_id,
                user_id=user,
                decision=script.decision,
                diagnosis=script.diagnosis,
                reason=script.reason,
                note=NOTE,
                shown=shown_json(load_case(session=session, tenant_ids=[tenant_id], case_id=case_id)),
                management=script.management,
                follow_up_months=script.follow_up_months,
            )
    except RecordError as error:
        # Another process of the desk was faster, or pictures were added: it shows itself the next time.
        log.info("a sandbox case waits: %s", type(error).__name__)
        return False
    return True
