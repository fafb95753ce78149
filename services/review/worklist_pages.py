"""The worklist. Its routes and those of the case (`desk_pages`) are one blueprint: one desk."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.decisions import DecisionView, latest_decisions
from services.records.errors import InvalidRecord
from services.records.portals import portal_names
from services.records.ranking import Page
from services.records.saved_views import remove_view, save_view, saved_views
from services.records.worklist import NO_COUNTS, Listing, body_sites, counts, search_cases, worklist
from services.records.worklist_changes import changes
from services.review import reader
from services.review.quiet import last_decision
from services.review.worklist_filters import Filters, UnknownFilter, address, read_filters, read_place
from services.review.worklist_live import live_json
from services.review.worklist_view import Desk, rows_view, worklist_view

blueprint = Blueprint("desk", __name__)

ROWS = 60
MOST_WATCHED = 300


@blueprint.get("/")
@reader.signed_in
def worklist_page() -> ResponseReturnValue:
    """The reader's cases, the most pressing first."""
    user, filters = reader.reader(), _filters(request.args)
    with reader.desk().database.transaction(tenants=user.tenant_ids, user=user.user_id) as records:
        listing = _listing(records, user, filters, Page(datetime.now(UTC), ROWS))
        decisions = _decisions(records, listing)
        desk = _desk(records, user, filters)
        decided = last_decision(records, user)
    view = worklist_view(desk=desk, listing=listing, decisions=decisions)
    return render_template("worklist.html", view=view, decided=decided)


@blueprint.get("/worklist/rows")
@reader.signed_in
def worklist_rows() -> ResponseReturnValue:
    """The next lines of a list that is being scrolled, in the order of the moment when it was opened."""
    user, filters = reader.reader(), _filters(request.args)
    try:
        page = Page(datetime.fromisoformat(request.args.get("at", "")), ROWS, read_place(request.args))
    except ValueError:
        abort(404)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        listing = _listing(records, user, filters, page)
        decisions = _decisions(records, listing)
        desk = _bare_desk(user, filters)
    return render_template("worklist_rows.html", rows=rows_view(desk=desk, listing=listing, decisions=decisions))


@blueprint.post("/worklist/search")
@reader.signed_in
def search() -> ResponseReturnValue:
    """Cases by the beginning of a reference, which is about a patient: it stays out of addresses and of what is saved."""
    user, filters, beginning = reader.reader(), _filters({}), request.form.get("search", "").strip()[:80]
    if not beginning:
        return redirect(url_for("desk.worklist_page"), 303)
    with reader.desk().database.transaction(tenants=user.tenant_ids, user=user.user_id) as records:
        listing = search_cases(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id, beginning=beginning)
        decisions = _decisions(records, listing)
        desk = _desk(records, user, filters)
    view = worklist_view(desk=desk, listing=listing, decisions=decisions, searched=beginning)
    return render_template("worklist.html", view=view, decided=None)


@blueprint.post("/worklist/live")
@reader.signed_in
def worklist_live() -> ResponseReturnValue:
    """What has changed under an open list; says nothing about patients."""
    user, filters = reader.reader(), _filters(request.form)
    try:
        since = datetime.fromisoformat(request.form.get("since", ""))
        shown = [UUID(case_id) for case_id in request.form.getlist("shown")[:MOST_WATCHED]]
    except ValueError:
        abort(400)
    tenants = filters.tenants(user)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = changes(
            session=records, tenant_ids=tenants, user_id=user.user_id, wanted=filters.wanted, since=since, limit=ROWS, case_ids=shown
        )
        counted = counts(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id)
    return jsonify(live_json(found, counted, user_id=user.user_id, now=datetime.now(UTC)))


@blueprint.post("/worklist/views")
@reader.signed_in
def save_filters() -> ResponseReturnValue:
    """Keeps the filters under a name."""
    user, filters = reader.reader(), _filters(request.form)
    try:
        with reader.desk().database.transaction(tenants=user.tenant_ids, user=user.user_id) as records:
            save_view(session=records, user_id=user.user_id, name=request.form.get("name", ""), query=filters.query())
    except InvalidRecord as problem:
        abort(422, str(problem))
    return redirect(address(filters.query()), 303)


@blueprint.post("/worklist/views/<uuid:view_id>/remove")
@reader.signed_in
def remove_saved(view_id: UUID) -> ResponseReturnValue:
    """Forgets a saved view."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids, user=user.user_id) as records:
        remove_view(session=records, user_id=user.user_id, view_id=view_id)
    return redirect(url_for("desk.worklist_page"), 303)


def _filters(said: Mapping[str, str]) -> Filters:
    try:
        return read_filters(said, reader.reader())
    except UnknownFilter:
        abort(404)


def _listing(records: Session, user: SignedIn, filters: Filters, page: Page) -> Listing:
    return worklist(session=records, tenant_ids=filters.tenants(user), user_id=user.user_id, wanted=filters.wanted, page=page)


def _decisions(records: Session, listing: Listing) -> dict[UUID, DecisionView]:
    decided = [row.case_id for row in listing.rows if row.state.terminal]
    return latest_decisions(session=records, case_ids=decided) if decided else {}


def _desk(records: Session, user: SignedIn, filters: Filters) -> Desk:
    return Desk(
        user=user,
        filters=filters,
        portals=portal_names(session=records, tenant_ids=user.tenant_ids),
        sites=body_sites(session=records, tenant_ids=user.tenant_ids),
        views=saved_views(session=records, user_id=user.user_id),
        counts=counts(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id),
        now=datetime.now(UTC),
    )


def _bare_desk(user: SignedIn, filters: Filters) -> Desk:
    now = datetime.now(UTC)
    return Desk(user=user, filters=filters, portals={}, sites=(), views=(), counts=NO_COUNTS, now=now)
