"""The desk's server time: whole requests through the WSGI application, and the plans of their statements."""

import atexit
import gc
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import psutil
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, text

from infra.bench.desk_seed import Say
from infra.local import LocalStack
from services.memory import settle
from services.records.database import Database
from services.review.app import create_app
from services.settings import Settings

PASSWORD = "a long enough passphrase"  # noqa: S105 - of a benchmark's own database
READER = "reader-0@bench.example"
# What readers look at: mostly the list as it is, then common filters, a few rare ones.
LISTS = {
    "first page": "/",
    "one portal": "/?portal={portal}",
    "overdue": "/?status=overdue",
    "second read": "/?status=second_read",
    "reviewed": "/?status=reviewed",
    "urgent": "/?urgency=urgent",
    "melanoma leading": "/?leading=MEL",
    "suspicious": "/?mark=suspicious",
    "out of distribution": "/?mark=out_of_distribution",
    "not analysed": "/?mark=not_analysed",
    "one site": "/?site=scalp",
    "rare: vascular lesion on the scalp": "/?leading=VASC&site=scalp",
}
SEARCHES = ("P-0-12", "P-3-4", "C-9999", "P-1")
SCANNED = re.compile(r"Seq Scan on (cases|analyses|images|patients|lesions|jobs|reviews|audit_events)\b")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rows, and how often each list is asked for."""

    cases: int
    open_cases: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one kind of request. ``processor``: of the desk's and Postgres's processor time, on average."""

    name: str
    values: tuple[float, ...]
    statements: int = 0
    processor: float = 0.0

    def at(self, share: float) -> float:
        """The value that this share of the requests stays under."""
        ordered = sorted(self.values)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured. ``scans``: statements that read a large table from end to end."""

    plan: Plan
    lists: tuple[Times, ...]
    case: Times
    size: str
    scans: tuple[str, ...]

    @property
    def worklist(self) -> Times:
        """All requests for a list together."""
        return Times("worklist", tuple(value for times in self.lists for value in times.values))


def measure(*, stack: LocalStack, engine: Engine, plan: Plan, say: Say) -> Figures:
    """Sign in and ask for pages as a browser does, without a network between."""
    app, client = open_desk(stack)
    portal, cases = _chosen(engine, plan)
    say("measuring the worklist")
    clock = Clock(stack.process("postgres").pid)
    lists = [ask(app, client, clock, name, [path.format(portal=portal)] * plan.rounds) for name, path in LISTS.items()]
    lists += [_scroll(client, plan.rounds), _search(client, plan.rounds)]
    say("measuring the case page")
    case = ask(app, client, clock, "case page", [f"/cases/{case_id}" for case_id in cases])
    say("looking at the plans")
    scans = _scans(app, client, engine, [*(path.format(portal=portal) for path in LISTS.values()), f"/cases/{cases[0]}"])
    with engine.connect() as connection:
        size = connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
    app.extensions["dermatrail"].database.close()
    return Figures(plan, tuple(lists), case, str(size), scans)


def open_desk(stack: LocalStack) -> tuple[Flask, FlaskClient]:
    """The desk on a stack, and a client that has signed in as its reader."""
    app = create_app(settings_of(stack))
    # As the desk's own process does once it has started.
    settle()
    atexit.register(gc.unfreeze)
    return app, _sign_in(app)


def settings_of(stack: LocalStack) -> Settings:
    """The desk's settings, without touching this process's own environment."""
    given: dict[str, Any] = {name.removeprefix("DERMATRAIL_").lower(): value for name, value in stack.environment("review").items()}
    return Settings(**{**given, "require_second_factor": False})


def _sign_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    answer = client.post("/sign-in", data={"csrf_token": _token(client.get("/sign-in").text), "email": READER, "password": PASSWORD})
    if answer.status_code != 303:
        raise RuntimeError(f"signing in answers {answer.status_code}")
    return client


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    return found[1] if found else ""


def _chosen(engine: Engine, plan: Plan) -> tuple[str, list[str]]:
    """The largest portal, and cases of all ages: three of four open."""
    with engine.connect() as connection:
        portal = connection.scalar(text("SELECT id FROM tenants WHERE slug = 'portal-a'"))
        wanted = "SELECT id FROM cases WHERE state {} 'reviewed' ORDER BY md5(id::text) LIMIT :most"
        found = [
            *connection.scalars(text(wanted.format("<>")), {"most": 6 * plan.rounds}),
            *connection.scalars(text(wanted.format("=")), {"most": 2 * plan.rounds}),
        ]
    return str(portal), [str(case_id) for case_id in found]


class Clock:
    """Processor seconds of this process and of Postgres with its backends: on a busy machine they tell more than a wall clock."""

    def __init__(self, postgres: int) -> None:
        self._postgres = psutil.Process(postgres)

    def now(self) -> float:
        """Seconds since both began."""
        processes = [self._postgres, *self._postgres.children(recursive=True)]
        return time.process_time() + sum(sum(process.cpu_times()[:2]) for process in processes)


def ask(app: Flask, client: FlaskClient, clock: Clock, name: str, paths: list[str]) -> Times:
    """Milliseconds of these requests after a first one, with the statements of one and the processor time of each."""
    client.get(paths[0])  # the first request compiles templates and statements, once in a process's life
    with _statements(app) as seen:
        client.get(paths[0])
    began = clock.now()
    values = tuple(_timed(client, path) for path in paths)
    return Times(name, values, len(seen), (clock.now() - began) * 1000 / len(paths))


def _scroll(client: FlaskClient, rounds: int) -> Times:
    """The following pages of the list, as they are loaded while scrolling."""
    values, page = [], client.get("/").text
    for _ in range(rounds):
        found = re.search(r'data-more="([^"]+)"', page)
        if found is None:
            break
        path = unescape(found[1])
        values.append(_timed(client, path))
        page = client.get(path).text
    return Times("scrolling on", tuple(values or [0.0]))


def _search(client: FlaskClient, rounds: int) -> Times:
    token = _token(client.get("/").text)
    values = []
    for number in range(rounds):
        data = {"csrf_token": token, "search": SEARCHES[number % len(SEARCHES)]}
        began = time.perf_counter()
        answer = client.post("/worklist/search", data=data)
        values.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"the search answers {answer.status_code}")
    return Times("search", tuple(values))


def _timed(client: FlaskClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    passed = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answers {answer.status_code}")
    return passed


@contextmanager
def _statements(app: Flask) -> Iterator[list[tuple[str, Any]]]:
    database: Database = app.extensions["dermatrail"].database
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def _scans(app: Flask, client: FlaskClient, engine: Engine, paths: list[str]) -> tuple[str, ...]:
    """The statements of these pages whose plan reads a large table from end to end, under the review login's row-level security."""
    found: dict[str, str] = {}
    database: Database = app.extensions["dermatrail"].database
    with engine.connect() as connection:
        tenants = ",".join(str(tenant) for tenant in connection.scalars(text("SELECT id FROM tenants")))
    for path in paths:
        with _statements(app) as seen:
            client.get(path)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("SELECT set_config('dermatrail.tenants', %s, true)", (tenants,))
            for statement, parameters in seen:
                if statement.lstrip().startswith(("SELECT", "WITH")) and "set_config" not in statement:
                    plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
                    if scan := SCANNED.search(plan):
                        found[f"{path}: {scan[0]}"] = statement
    return tuple(found)
