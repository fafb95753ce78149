"""A desk that has just started compiles its pages and its longest statements before it calls itself ready.

A template is compiled when it is first asked for, and a statement too: the first reader after a start would wait for both, half a
second on a page of many parts. This runs beside the start, so that ``/healthz`` answers at once; ``/readyz`` waits for it.
"""

import logging
import threading
from uuid import uuid4

from flask import Flask, current_app

from services.memory import settle
from services.records.errors import DatabaseUnavailable
from services.records.worklist import counts, worklist
from services.review.reader import Desk

EXTENSION = "dermatrail.warm"
log = logging.getLogger(__name__)


def warm_up_beside(app: Flask) -> threading.Thread:
    """Begin to warm the application up; the thread ends by itself."""
    app.extensions[EXTENSION] = done = threading.Event()

    def work() -> None:
        try:
            warm_up(app)
        except Exception:
            # Whatever is wrong here shows itself on the page that needs it: a cold desk is slow once, and no worse.
            log.exception("the desk could not be warmed up")
        finally:
            done.set()

    thread = threading.Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread


def warm_up(app: Flask) -> None:
    """Compile every template, then the statements behind the worklist, asked in nobody's name about nobody's cases."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    desk: Desk = app.extensions["dermatrail"]
    nobody = uuid4()
    try:
        with desk.database.transaction(tenants=[nobody], user=nobody) as session:
            worklist(session=session, tenant_ids=[nobody], user_id=nobody)
            counts(session=session, tenant_ids=[nobody], user_id=nobody)
    except DatabaseUnavailable:
        log.warning("the database is away: its statements are compiled when they are first needed")
    settle()


def is_warm() -> bool:
    """Whether nothing is being warmed up in the current application."""
    begun: threading.Event | None = current_app.extensions.get(EXTENSION)
    return begun is None or begun.is_set()
