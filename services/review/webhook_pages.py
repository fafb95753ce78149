"""For administrators: a portal's webhooks, what was told to them and what was not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from services.addresses import AddressPolicy, AddressRefused
from services.exchange.signatures import new_secret
from services.records import administration, delivery_log, webhooks
from services.records.audit import Actor
from services.records.errors import Conflict, InvalidCursor, InvalidRecord
from services.records.portal_events import PortalEventKind
from services.records.states import DeliveryState, Role
from services.records.webhooks import EndpointChange
from services.review import reader, webhook_view
from services.review.admin_forms import said
from services.review.admin_view import portal_row, when
from services.review.enrolment import seal

blueprint = Blueprint("webhooks", __name__, url_prefix="/admin/portals/<uuid:tenant_id>/webhooks")
DONE = "webhook_done"
EXTENSION = "dermatrail.addresses"


@blueprint.get("")
@reader.only(Role.ADMIN)
def page(tenant_id: UUID) -> ResponseReturnValue:
    """All webhooks of a portal."""
    return _list_page(tenant_id, done=session.pop(DONE, ""))


@blueprint.post("")
@reader.only(Role.ADMIN)
def create(tenant_id: UUID) -> ResponseReturnValue:
    """Makes a webhook and shows its secret, this once."""
    typed: dict[str, Any] = {"url": request.form.get("url", "").strip(), "description": request.form.get("description", "")}
    chosen, secret = request.form.getlist("kinds"), new_secret()
    try:
        _policy().check(typed["url"])
        with reader.desk().database.transaction(admin=True, tenants=[tenant_id]) as records:
            found = administration.get_portal(session=records, tenant_id=tenant_id)
            made: dict[str, Any] = {"secret": secret, "seal": seal(), "actor": _actor(), "kinds": _kinds(chosen)}
            endpoint_id = webhooks.create_endpoint(session=records, tenant_id=tenant_id, **typed, **made)
    except (AddressRefused, Conflict, InvalidRecord) as error:
        return _list_page(tenant_id, problem=said(error), typed=typed, chosen=chosen), 422
    return render_template("webhook_secret.html", portal=portal_row(found), endpoint_id=endpoint_id, secret=secret, until=None)


@blueprint.get("/<uuid:endpoint_id>")
@reader.only(Role.ADMIN)
def endpoint(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """One webhook: how it does, and its log."""
    return _page(tenant_id, endpoint_id, done=session.pop(DONE, ""))


@blueprint.post("/<uuid:endpoint_id>/active")
@reader.only(Role.ADMIN)
def switch(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """Switches a webhook off, or on again."""
    active = request.form.get("active") == "on"
    with _records() as records:
        change = EndpointChange(active=active)
        webhooks.change_endpoint(session=records, **_mine(tenant_id, endpoint_id), change=change, actor=_actor(), now=_now())
    return _back(tenant_id, endpoint_id, "It is on: what happened meanwhile is told now." if active else "It is off: nothing is told.")


@blueprint.post("/<uuid:endpoint_id>/ping")
@reader.only(Role.ADMIN)
def ping(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """Sends a test."""
    try:
        with reader.desk().database.transaction(admin=True, tenants=[tenant_id]) as records:
            webhooks.ping_endpoint(session=records, **_mine(tenant_id, endpoint_id), actor=_actor())
    except Conflict as error:
        return _page(tenant_id, endpoint_id, problem=said(error)), 422
    return _back(tenant_id, endpoint_id, "The test is on its way: load the page again in some seconds.")


@blueprint.post("/<uuid:endpoint_id>/secret")
@reader.only(Role.ADMIN)
def rotate(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """Makes another secret and shows it, this once."""
    hours = request.form.get("overlap", "")
    overlap, secret = timedelta(hours=int(hours) if hours in webhook_view.OVERLAPS else 24), new_secret()
    with _records() as records:
        found = administration.get_portal(session=records, tenant_id=tenant_id)
        how: dict[str, Any] = {"secret": secret, "overlap": overlap, "seal": seal(), "actor": _actor(), "now": _now()}
        until = webhooks.rotate_secret(session=records, **_mine(tenant_id, endpoint_id), **how)
    ends = when(until, _now()) if overlap else None
    return render_template("webhook_secret.html", portal=portal_row(found), endpoint_id=endpoint_id, secret=secret, until=ends)


@blueprint.post("/<uuid:endpoint_id>/remove")
@reader.only(Role.ADMIN)
def remove(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """Removes a webhook for good."""
    with _records() as records:
        webhooks.remove_endpoint(session=records, **_mine(tenant_id, endpoint_id), actor=_actor(), now=_now())
    session[DONE] = "The webhook is removed."
    return redirect(url_for("webhooks.page", tenant_id=tenant_id), 303)


@blueprint.post("/<uuid:endpoint_id>/redeliver")
@reader.only(Role.ADMIN)
def redeliver_since(tenant_id: UUID, endpoint_id: UUID) -> ResponseReturnValue:
    """Tells everything of some time again."""
    hours, now = request.form.get("back", ""), _now()
    since = now - timedelta(hours=int(hours) if hours in webhook_view.BACK else 1)
    with _records() as records:
        how: dict[str, Any] = {"since": since, "delivered": "delivered" in request.form, "actor": _actor(), "now": now}
        number = delivery_log.redeliver_since(session=records, **_mine(tenant_id, endpoint_id), **how)
    return _back(tenant_id, endpoint_id, f"{number} {'delivery is' if number == 1 else 'deliveries are'} on the way again.")


@blueprint.get("/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>")
@reader.only(Role.ADMIN)
def delivery(tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> ResponseReturnValue:
    """One delivery with every attempt."""
    mine, now = _mine(tenant_id, endpoint_id), _now()
    with _records() as records:
        portal = portal_row(administration.get_portal(session=records, tenant_id=tenant_id))
        hook = webhook_view.hook_row(webhooks.get_endpoint(session=records, **mine), now=now)
        found, calls = delivery_log.get_delivery(session=records, **mine, delivery_id=delivery_id)
    shown = {"delivery": webhook_view.delivery_row(found, now=now), "attempts": webhook_view.attempt_rows(calls, now=now)}
    return render_template("webhook_delivery.html", portal=portal, hook=hook, **shown)


@blueprint.post("/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/redeliver")
@reader.only(Role.ADMIN)
def redeliver(tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> ResponseReturnValue:
    """Tells one event again."""
    with _records() as records:
        mine = _mine(tenant_id, endpoint_id)
        delivery_log.redeliver(session=records, **mine, delivery_id=delivery_id, actor=_actor(), now=_now())
    return _back(tenant_id, endpoint_id, "It is on the way again.")


def _list_page(tenant_id: UUID, *, done: str = "", problem: str = "", typed: Any = None, chosen: Any = ()) -> str:
    with _records() as records:
        portal = portal_row(administration.get_portal(session=records, tenant_id=tenant_id))
        found = webhooks.list_endpoints(session=records, tenant_id=tenant_id)
    hooks = [webhook_view.hook_row(each, now=_now()) for each in found]
    shown = {"kinds": webhook_view.kind_choices(chosen), "typed": typed or {}, "most": webhooks.MOST_ENDPOINTS}
    return render_template("webhooks.html", portal=portal, hooks=hooks, done=done, problem=problem, **shown)


def _page(tenant_id: UUID, endpoint_id: UUID, *, done: str = "", problem: str = "") -> str:
    mine, now, chosen = _mine(tenant_id, endpoint_id), _now(), request.args.get("state", "")
    state = DeliveryState(chosen) if chosen and chosen in webhook_view.SHOWN else None
    with _records() as records:
        portal = portal_row(administration.get_portal(session=records, tenant_id=tenant_id))
        hook = webhook_view.hook_row(webhooks.get_endpoint(session=records, **mine), now=now)
        try:
            log = delivery_log.list_deliveries(session=records, **mine, state=state, cursor=request.args.get("before"))
        except InvalidCursor:
            log = delivery_log.list_deliveries(session=records, **mine, state=state)
    rows = [webhook_view.delivery_row(each, now=now) for each in log.deliveries]
    shown = {"filters": webhook_view.SHOWN, "chosen": chosen, "back": webhook_view.BACK, "overlaps": webhook_view.OVERLAPS}
    older = url_for("webhooks.endpoint", **mine, state=chosen or None, before=log.next_cursor) if log.next_cursor else None
    return render_template("webhook.html", portal=portal, hook=hook, deliveries=rows, older=older, done=done, problem=problem, **shown)


def _records() -> Any:
    return reader.desk().database.transaction(admin=True)


def _mine(tenant_id: UUID, endpoint_id: UUID) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "endpoint_id": endpoint_id}


def _back(tenant_id: UUID, endpoint_id: UUID, done: str) -> ResponseReturnValue:
    session[DONE] = done
    return redirect(url_for("webhooks.endpoint", tenant_id=tenant_id, endpoint_id=endpoint_id), 303)


def _kinds(chosen: list[str]) -> list[PortalEventKind]:
    try:
        return [PortalEventKind(kind) for kind in chosen]
    except ValueError as error:
        raise InvalidRecord("kinds: choose from what is offered.") from error


def _policy() -> AddressPolicy:
    found: AddressPolicy = current_app.extensions[EXTENSION]
    return found


def _actor() -> Actor:
    return Actor.user(reader.reader().user_id)


def _now() -> datetime:
    return datetime.now(UTC)
