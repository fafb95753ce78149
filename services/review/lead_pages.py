"""Statistics for leads and administrators: pages, their tables as files, and the count of drift alarms for the bar."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, cast
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.portals import portal_names
from services.records.states import Role
from services.records.statistics import abstentions, agreement, drift, performance, queue, subgroups, throughput
from services.records.statistics.reading import record_reading
from services.records.statistics.windows import Scope, Window, period_starts
from services.review import reader
from services.review.lead_alarms import DriftAlarms
from services.review.lead_choices import Choices, InvalidChoice, fields_of, read_choices
from services.review.lead_export import csv_text
from services.review.lead_view import Page
from services.review.lead_view_drift import Histogram, drift_page, histograms
from services.review.lead_view_model import model_page
from services.review.lead_view_queue import queue_page
from services.review.lead_view_readers import readers_page
from services.review.lead_view_subgroups import subgroups_page

blueprint = Blueprint("lead", __name__)
blueprint.record_once(lambda state: state.app.extensions.setdefault("drift_alarms", DriftAlarms()))

MAY_READ = frozenset({Role.LEAD, Role.ADMIN})
# Taking figures out of the desk is a right of its own, even where the same people have it.
MAY_EXPORT = frozenset({Role.LEAD, Role.ADMIN})
FLOW_DAYS = 30

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for statistics."""

    choices: Choices
    portals: Mapping[UUID, str]
    scope: Scope
    now: datetime


@dataclass(frozen=True, slots=True)
class Built:
    """A page, and the distributions that only one of them draws."""

    page: Page
    histograms: tuple[Histogram, ...] = ()


def only(roles: frozenset[Role]) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Refuses everybody else, after asking them to sign in."""

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if reader.reader().role not in roles:
                abort(403, "Statistics are for leads and administrators.")
            return view(*args, **kwargs)

        return reader.signed_in(guarded)

    return guard


@blueprint.get("/lead")
@only(MAY_READ)
def start() -> ResponseReturnValue:
    """The first of the pages."""
    return redirect(url_for("lead.statistics", name="queue"))


@blueprint.get("/lead/<name>")
@only(MAY_READ)
def statistics(name: str) -> ResponseReturnValue:
    """One page of figures, audited in the trail of each portal that it is about."""
    built, asked = _read(name, exported=False)
    fields = fields_of(name, asked.choices, asked.portals)
    return render_template(
        "lead.html", page=built.page, histograms=built.histograms, fields=fields, titles=TITLES, query=asked.choices.query()
    )


@blueprint.get("/lead/<name>/<table>.csv")
@only(MAY_EXPORT)
def export(name: str, table: str) -> ResponseReturnValue:
    """One table of a page as a file; the figures are those of the same choices on the page."""
    built, asked = _read(name, exported=True)
    found = built.page.tables.get(table)
    if found is None:
        abort(404)
    filename = f"dermatrail-{name}-{table}-{asked.now:%Y-%m-%d}.csv"
    # Spreadsheets take a file without the byte order mark for another alphabet.
    answer = Response(csv_text(found).encode("utf-8-sig"), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return answer


@blueprint.get("/lead/alarms")
@only(MAY_READ)
def alarms() -> ResponseReturnValue:
    """How many drift alarms there are: a number of no patient and no reader."""
    known = cast(DriftAlarms, current_app.extensions["drift_alarms"])
    return jsonify(alarms=known.count(database=reader.desk().database, tenant_ids=reader.reader().tenant_ids))


def _read(name: str, *, exported: bool) -> tuple[Built, Asked]:
    if name not in PAGES:
        abort(404)
    user, now = reader.reader(), datetime.now(UTC)
    try:
        choices = read_choices(request.args, user.tenant_ids)
    except InvalidChoice:
        abort(404)
    scope = replace(choices.scope(user.tenant_ids, now), leaving=exported)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        asked = Asked(choices, portal_names(session=records, tenant_ids=user.tenant_ids), scope, now)
        built = PAGES[name](records, asked)
        _audit(records, user, scope, name, exported=exported)
    return built, asked


def _audit(records: Session, user: SignedIn, scope: Scope, name: str, *, exported: bool) -> None:
    record_reading(session=records, tenant_ids=scope.tenant_ids, user_id=user.user_id, what=name, exported=exported)


def _shown(asked: Asked) -> dict[UUID, str]:
    return {tenant_id: name for tenant_id, name in asked.portals.items() if tenant_id in asked.scope.tenant_ids}


def _queue(records: Session, asked: Asked) -> Built:
    standings = queue.open_cases(session=records, tenant_ids=asked.scope.tenant_ids, now=asked.now, leaving=asked.scope.leaving)
    days = queue.flow(session=records, scope=replace(asked.scope, window=Window.last(FLOW_DAYS, now=asked.now)))
    return Built(queue_page(standings=standings, days=days, portals=_shown(asked), now=asked.now))


def _readers(records: Session, asked: Asked) -> Built:
    return Built(
        readers_page(
            lines=throughput.throughput(session=records, scope=asked.scope),
            readers=agreement.readers(session=records, scope=asked.scope),
            model=agreement.reader_and_model(session=records, scope=asked.scope),
            blind=agreement.blind_reader_and_model(session=records, scope=asked.scope),
        )
    )


def _model(records: Session, asked: Asked) -> Built:
    step, scope = asked.choices.step, asked.scope
    return Built(
        model_page(
            tallies=performance.tallies(session=records, scope=scope, period=step),
            answers=abstentions.answers(session=records, scope=scope, period=step),
            starts=period_starts(step, scope.window),
            period=step,
            promise=performance.promise(session=records),
        )
    )


def _drift(records: Session, asked: Asked) -> Built:
    reference, recent = asked.choices.windows(asked.now)
    scope = asked.scope
    found = drift.shifts(session=records, tenant_ids=scope.tenant_ids, reference=reference, recent=recent, leaving=scope.leaving)
    portals = _shown(asked)
    page = drift_page(shifts=found, portals=portals, reference=reference, recent=recent)
    return Built(page, histograms(found, portals))


def _subgroups(records: Session, asked: Asked) -> Built:
    found = subgroups.subgroups(session=records, scope=asked.scope)
    return Built(subgroups_page(found=found, portals=_shown(asked)))


TITLES = {"queue": "Queue", "readers": "Readers", "model": "Model", "drift": "Drift", "subgroups": "Subgroups"}
PAGES: dict[str, Callable[[Session, Asked], Built]] = {
    "queue": _queue,
    "readers": _readers,
    "model": _model,
    "drift": _drift,
    "subgroups": _subgroups,
}
