"""What has happened since a portal asked last."""

from apiflask import APIBlueprint

from services.intake import trail_render
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.trail_schemas import EventPage, EventQuery
from services.records.audit import Actor
from services.records.portal_events import list_events

blueprint = APIBlueprint("events", __name__, url_prefix="/v1/events", tag="Events")


@blueprint.get("")
@blueprint.auth_required(auth)
@blueprint.input(EventQuery, location="query", arg_name="query")
@blueprint.output(EventPage)
@blueprint.doc(operation_id="listEvents", responses=[422, 503])
def read_events(query: EventQuery) -> EventPage:
    """Read what has happened

    Oldest first. Keep `next_cursor` and ask with it again, as often as you like: no event is passed over, also none
    that became known while you were asking. Events are kept; without a cursor the answer begins with the first one.
    A decision can be taken back for ten seconds: it, and whatever happens after it, is told when they are over.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        page = list_events(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            cursor=query.cursor,
            kinds=[query.kind] if query.kind else [],
            limit=query.limit,
        )
    return trail_render.events(page)
