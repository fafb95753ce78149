"""The task that reminds portals of follow-ups. Beat asks for it; one that comes late sends what is due by then."""

import logging

from services.records.database import Database
from services.records.reminders import remind
from services.records.states import ReminderKind
from workers.app import app
from workers.metrics import REMINDED

log = logging.getLogger(__name__)
# Reminders of one transaction: a backlog is worked off in short ones.
BATCH = 200


@app.task(name="workers.follow_ups.remind_portals", soft_time_limit=300, time_limit=330)
def remind_portals() -> int:
    """Gives every reminder that is due, once. Returns how many there were."""
    from workers.runtime import database

    return remind_all(database())


def remind_all(database: Database) -> int:
    """Gives the reminders of every kind, in transactions of `BATCH`. Several workers at once share them."""
    given = 0
    for kind in ReminderKind:
        told = _remind(database, kind)
        REMINDED.labels(kind.value).inc(told)
        given += told
    if given:
        log.info("portals reminded", extra={"reminders": given})
    return given


def _remind(database: Database, kind: ReminderKind) -> int:
    given = 0
    while True:
        with database.transaction() as session:
            told = remind(session=session, kind=kind, limit=BATCH)
        given += told
        if not told:
            return given
