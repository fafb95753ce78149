"""For administrators: the audit trail, and whether its chains are whole."""

from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from services.records.administration import names_for_trail
from services.records.audit import Actor, PartReport, verify_part
from services.records.errors import InvalidCursor
from services.records.states import Role
from services.records.trail import TrailPage, read_trail, record_check
from services.review import reader
from services.review.admin_forms import NO_PORTAL, TrailForm, trail_filter
from services.review.trail_view import action_choices, chain_view, trail_rows

blueprint = Blueprint("trail", __name__, url_prefix="/admin/audit")


@blueprint.get("")
@reader.only(Role.ADMIN)
def page() -> ResponseReturnValue:
    """The newest events that the filters let through, or the older ones behind the cursor."""
    return _page(None)


@blueprint.post("/check")
@reader.only(Role.ADMIN)
def check() -> ResponseReturnValue:
    """Recomputes a part of one chain, from its beginning or from where the part before ended."""
    chain, after = request.form.get("chain", NO_PORTAL), request.form.get("after", 0, type=int)
    tenant_id = None if chain == NO_PORTAL else UUID(chain) if _is_uuid(chain) else None
    with reader.desk().database.transaction(admin=True) as records:
        report = verify_part(session=records, tenant_id=tenant_id, after=max(after, 0))
        checked, intact = report.checked, report.problem is None
        record_check(session=records, tenant_id=tenant_id, reader=_actor(), events=checked, intact=intact)
    return _page((chain, report))


def _page(checked: tuple[str, PartReport] | None) -> ResponseReturnValue:
    form = TrailForm(**{name: request.args.get(name, "") for name in TrailForm.__slots__})
    cursor = request.args.get("before")
    with reader.desk().database.transaction(admin=True) as records:
        try:
            found = read_trail(session=records, wanted=trail_filter(form), reader=_actor(), cursor=cursor)
        except InvalidCursor:
            cursor, found = None, TrailPage((), None)
        names = names_for_trail(session=records)
    chosen = {name: value for name in TrailForm.__slots__ if (value := getattr(form, name))}
    shown = chain_view(*checked, names=names) if checked else None
    return render_template(
        "admin_audit.html",
        form=form,
        names=names,
        actions=action_choices(form.action),
        events=trail_rows(found.events, names),
        older=url_for("trail.page", **chosen, before=found.older) if found.older else None,
        newest=url_for("trail.page", **chosen) if cursor else None,
        filtered=bool(chosen),
        chain=shown,
        chosen_chain=checked[0] if checked else NO_PORTAL,
        no_portal=NO_PORTAL,
    )


def _actor() -> Actor:
    return Actor.user(reader.reader().user_id)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
