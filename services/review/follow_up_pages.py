"""The list of lesions that are to be seen again."""

from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from services.records.audit import Actor
from services.records.errors import InvalidCursor
from services.records.follow_up_listing import count_follow_ups, list_follow_ups
from services.records.follow_ups import OPEN, FollowUpState
from services.records.portals import portal_names
from services.review import reader
from services.review.follow_up_view import Asked, follow_up_page

blueprint = Blueprint("follow_ups", __name__)
ROWS = 60


@blueprint.get("/follow-ups")
@reader.signed_in
def page() -> ResponseReturnValue:
    """Follow-ups of one state, the longest awaited first; the reading is audited."""
    user, asked, today = reader.reader(), _asked(), datetime.now(UTC).date()
    tenants = (asked.portal,) if asked.portal else user.tenant_ids
    cursor = request.args.get("cursor", "")[:500]
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        portals = portal_names(session=records, tenant_ids=user.tenant_ids)
        counts = count_follow_ups(session=records, tenant_ids=tenants, today=today)
        actor = Actor.user(user.user_id)
        try:
            found = list_follow_ups(
                session=records, tenant_ids=tenants, actor=actor, states=[asked.state], cursor=cursor, limit=ROWS, today=today
            )
        except InvalidCursor:
            abort(404)
    return render_template("follow_ups.html", view=follow_up_page(asked=asked, found=found, counts=counts, portals=portals, today=today))


def _asked() -> Asked:
    """What the address asks for; nothing is found where it names what there is not, or another's portal."""
    try:
        state = FollowUpState(request.args.get("state") or FollowUpState.OVERDUE)
        portal = UUID(request.args["portal"]) if request.args.get("portal") else None
    except ValueError:
        abort(404)
    if state not in OPEN or (portal is not None and portal not in reader.reader().tenant_ids):
        abort(404)
    return Asked(state, portal)
