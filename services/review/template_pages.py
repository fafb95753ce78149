"""Note templates: a reader's own, and (for leads) those of everybody who reads for a portal."""

from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from services.records.errors import InvalidRecord
from services.records.portals import portal_names
from services.records.states import Role
from services.records.templates import BODY_LIMIT, TITLE_LIMIT, add_template, change_template, note_templates, retire_template
from services.review import reader

blueprint = Blueprint("templates", __name__, url_prefix="/templates")


@blueprint.get("")
@reader.only(Role.DERMATOLOGIST, Role.LEAD)
def templates_page() -> ResponseReturnValue:
    """All that this reader may begin a note with."""
    return _page()


@blueprint.post("")
@reader.only(Role.DERMATOLOGIST, Role.LEAD)
def add() -> ResponseReturnValue:
    """Keeps a new one."""
    user = reader.reader()
    portal = request.form.get("portal", type=UUID)
    if portal not in user.tenant_ids:
        abort(404)
    try:
        with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
            add_template(session=records, tenant_id=portal, user_id=user.user_id, role=user.role, **_typed(), shared=_shared())
    except InvalidRecord as problem:
        return _page(str(problem)), 422
    return redirect(url_for("templates.templates_page"), 303)


@blueprint.post("/<uuid:template_id>")
@reader.only(Role.DERMATOLOGIST, Role.LEAD)
def change(template_id: UUID) -> ResponseReturnValue:
    """Rewords one, or retires it."""
    user = reader.reader()
    whose = {"tenant_ids": user.tenant_ids, "template_id": template_id, "user_id": user.user_id, "role": user.role}
    try:
        with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
            if request.form.get("step") == "retire":
                retire_template(session=records, **whose)  # type: ignore[arg-type]
            else:
                change_template(session=records, **whose, **_typed())  # type: ignore[arg-type]
    except InvalidRecord as problem:
        return _page(str(problem)), 422
    return redirect(url_for("templates.templates_page"), 303)


def _typed() -> dict[str, str]:
    return {"title": request.form.get("title", ""), "body": request.form.get("body", "")}


def _shared() -> bool:
    return request.form.get("for") == "everybody"


def _page(problem: str = "") -> str:
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        kept = note_templates(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id)
        portals = portal_names(session=records, tenant_ids=user.tenant_ids)
    return render_template(
        "note_templates.html",
        kept=kept,
        portals=portals,
        lead=user.role is Role.LEAD,
        problem=problem,
        typed=_typed() if problem else {"title": "", "body": ""},
        title_limit=TITLE_LIMIT,
        body_limit=BODY_LIMIT,
    )
