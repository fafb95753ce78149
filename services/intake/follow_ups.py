"""When lesions are to be seen again."""

from apiflask import APIBlueprint

from services.intake import trail_render
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.trail_schemas import FollowUpPage, FollowUpQuery
from services.records.audit import Actor
from services.records.follow_up_listing import list_follow_ups
from services.records.follow_ups import OPEN

blueprint = APIBlueprint("follow_ups", __name__, url_prefix="/v1/follow-ups", tag="Follow-up")


@blueprint.get("")
@blueprint.auth_required(auth)
@blueprint.input(FollowUpQuery, location="query", arg_name="query")
@blueprint.output(FollowUpPage)
@blueprint.doc(operation_id="listFollowUps", responses=[422, 503])
def read_follow_ups(query: FollowUpQuery) -> FollowUpPage:
    """List follow-ups

    The longest awaited first. A follow-up is fulfilled by the lesion's first case whose pictures were taken after the
    decision. `GET /v1/events` says when one comes near, is due or is overdue.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = list_follow_ups(
            session=session,
            tenant_ids=[portal.tenant_id],
            actor=Actor.portal(portal.key_id),
            states=[query.state] if query.state else OPEN,
            due_before=query.due_before,
            cursor=query.cursor,
            limit=query.limit,
            for_portal=True,
        )
    return trail_render.follow_ups(found)
