"""For administrators: portals, how they are served, and their API keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from services.records import administration
from services.records.access import create_api_key, create_tenant, revoke_api_key
from services.records.audit import Actor
from services.records.errors import Conflict, InvalidRecord
from services.records.sandbox import create_sandbox
from services.records.states import Role
from services.review import reader
from services.review.admin_forms import portal_settings, said
from services.review.admin_view import REVOCATIONS, key_row, portal_row

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

SAVED = {"portal": "Saved. Cases that are here keep their due times.", "revoked": "The key's last moment is set."}


@blueprint.get("/")
@reader.only(Role.ADMIN)
def start() -> ResponseReturnValue:
    """The first of the pages."""
    return redirect(url_for("admin.portals"), 303)


@blueprint.get("/portals")
@reader.only(Role.ADMIN)
def portals() -> ResponseReturnValue:
    """All portals."""
    return _portals_page()


@blueprint.post("/portals")
@reader.only(Role.ADMIN)
def create_portal() -> ResponseReturnValue:
    """Makes a portal and opens its page."""
    name, slug = request.form.get("name", ""), request.form.get("slug", "").strip()
    try:
        with reader.desk().database.transaction(admin=True) as records:
            create = create_sandbox if request.form.get("sandbox") else create_tenant
            tenant_id = create(session=records, name=name, slug=slug, actor=_actor()).id
    except (Conflict, InvalidRecord) as error:
        return _portals_page(problem=said(error), name=name, slug=slug), 422
    return redirect(url_for("admin.portal", tenant_id=tenant_id), 303)


@blueprint.get("/portals/<uuid:tenant_id>")
@reader.only(Role.ADMIN)
def portal(tenant_id: UUID) -> ResponseReturnValue:
    """One portal: how it is served, and its keys."""
    return _portal_page(tenant_id, done=SAVED.get(session.pop("admin_done", ""), ""))


@blueprint.post("/portals/<uuid:tenant_id>")
@reader.only(Role.ADMIN)
def change_portal(tenant_id: UUID) -> ResponseReturnValue:
    """Serves the portal in another way from now on."""
    try:
        settings = portal_settings(request.form)
        with reader.desk().database.transaction(admin=True) as records:
            administration.change_portal(session=records, tenant_id=tenant_id, settings=settings, actor=_actor())
    except InvalidRecord as error:
        return _portal_page(tenant_id, problem=said(error)), 422
    session["admin_done"] = "portal"
    return redirect(url_for("admin.portal", tenant_id=tenant_id), 303)


@blueprint.post("/portals/<uuid:tenant_id>/keys")
@reader.only(Role.ADMIN)
def create_key(tenant_id: UUID) -> ResponseReturnValue:
    """Makes a key and shows it, this once."""
    try:
        with reader.desk().database.transaction(admin=True) as records:
            found = administration.get_portal(session=records, tenant_id=tenant_id)
            _, plain = create_api_key(session=records, tenant_id=tenant_id, name=request.form.get("name", ""), actor=_actor())
    except InvalidRecord as error:
        return _portal_page(tenant_id, problem=said(error)), 422
    return render_template("admin_new_key.html", portal=portal_row(found), plain=plain, replaced=None)


@blueprint.post("/portals/<uuid:tenant_id>/keys/<uuid:key_id>/rotate")
@reader.only(Role.ADMIN)
def rotate_key(tenant_id: UUID, key_id: UUID) -> ResponseReturnValue:
    """Makes another key of the same name and shows it, this once. Both work until the old one's end is set."""
    with reader.desk().database.transaction(admin=True) as records:
        found = administration.get_portal(session=records, tenant_id=tenant_id)
        old = administration.get_key(session=records, tenant_id=tenant_id, key_id=key_id)
        _, plain = create_api_key(session=records, tenant_id=tenant_id, name=old.name, actor=_actor(), replaces=old.id)
    replaced = key_row(old, now=datetime.now(UTC))
    return render_template("admin_new_key.html", portal=portal_row(found), plain=plain, replaced=replaced)


@blueprint.get("/portals/<uuid:tenant_id>/keys/<uuid:key_id>/revoke")
@reader.only(Role.ADMIN)
def revoke_form(tenant_id: UUID, key_id: UUID) -> ResponseReturnValue:
    """Asks when a key stops working, and says when it was last used."""
    with reader.desk().database.transaction(admin=True) as records:
        found = administration.get_portal(session=records, tenant_id=tenant_id)
        key = administration.get_key(session=records, tenant_id=tenant_id, key_id=key_id)
    shown = key_row(key, now=datetime.now(UTC))
    return render_template("admin_revoke_key.html", portal=portal_row(found), key=shown, choices=REVOCATIONS)


@blueprint.post("/portals/<uuid:tenant_id>/keys/<uuid:key_id>/revoke")
@reader.only(Role.ADMIN)
def revoke_key(tenant_id: UUID, key_id: UUID) -> ResponseReturnValue:
    """Sets when a key stops working."""
    after = timedelta(hours=int(hours)) if (hours := request.form.get("after", "0")) in REVOCATIONS else timedelta(0)
    try:
        with reader.desk().database.transaction(admin=True) as records:
            key = administration.get_key(session=records, tenant_id=tenant_id, key_id=key_id)
            revoke_api_key(session=records, tenant_id=tenant_id, prefix=key.prefix, after=after, actor=_actor())
    except InvalidRecord as error:
        return _portal_page(tenant_id, problem=said(error)), 422
    session["admin_done"] = "revoked"
    return redirect(url_for("admin.portal", tenant_id=tenant_id), 303)


def _actor() -> Actor:
    return Actor.user(reader.reader().user_id)


def _portals_page(*, problem: str = "", name: str = "", slug: str = "") -> str:
    with reader.desk().database.transaction(admin=True) as records:
        found = administration.list_portals(session=records)
    rows = [portal_row(portal) for portal in found]
    return render_template("admin_portals.html", portals=rows, problem=problem, name=name, slug=slug)


def _portal_page(tenant_id: UUID, *, done: str = "", problem: str = "") -> str:
    with reader.desk().database.transaction(admin=True) as records:
        found = administration.get_portal(session=records, tenant_id=tenant_id)
        keys = administration.list_keys(session=records, tenant_id=tenant_id)
    rows = [key_row(key, now=datetime.now(UTC)) for key in keys]
    return render_template("admin_portal.html", portal=portal_row(found), keys=rows, done=done, problem=problem)
