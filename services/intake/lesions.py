"""A lesion over time: its visits, and what has changed between them."""

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, url_for

from services.intake import trail_render
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.trail_schemas import ChangesOut, LesionOut, MergedOut
from services.records.audit import Actor
from services.records.consent import require_care
from services.records.lesion_changes import lesion_changes
from services.records.lesion_listing import LesionView
from services.records.lesion_listing import read_lesion as load_lesion
from services.records.lesions import surviving_lesion

blueprint = APIBlueprint("lesions", __name__, url_prefix="/v1/lesions", tag="Lesions")


@blueprint.get("/<uuid:lesion_id>")
@blueprint.auth_required(auth)
@blueprint.output(LesionOut)
@blueprint.doc(operation_id="readLesion", responses=[403, 404, 503])
def read_lesion(lesion_id: UUID) -> Any:
    """Read a lesion

    Its place, its identifiers and its visits from the first to the last. A lesion that was found to be the same as
    another one answers 308: its visits are now that one's.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        survivor = surviving_lesion(session=session, tenant_ids=[portal.tenant_id], lesion_id=lesion_id)
        found: LesionView | None = None
        if survivor == lesion_id:
            require_care(session=session, tenant_id=portal.tenant_id, lesion_id=lesion_id)
            found = load_lesion(session=session, tenant_id=portal.tenant_id, actor=Actor.portal(portal.key_id), lesion_id=lesion_id)
    return trail_render.lesion(found) if found else _moved(lesion_id, survivor, "lesions.read_lesion")


@blueprint.get("/<uuid:lesion_id>/changes")
@blueprint.auth_required(auth)
@blueprint.output(ChangesOut)
@blueprint.doc(operation_id="readChanges", responses=[403, 404, 503])
def read_changes(lesion_id: UUID) -> Any:
    """Read what has changed on a lesion

    Comparisons of visits with their errors, or why there is no valid one; alerts with the rules that fired; what the
    sequence model said. All of it is automatic and says beside it whether the case is decided.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        survivor = surviving_lesion(session=session, tenant_ids=[portal.tenant_id], lesion_id=lesion_id)
        if survivor != lesion_id:
            return _moved(lesion_id, survivor, "lesions.read_changes")
        require_care(session=session, tenant_id=portal.tenant_id, lesion_id=lesion_id)
        found = lesion_changes(session=session, tenant_id=portal.tenant_id, actor=Actor.portal(portal.key_id), lesion_id=lesion_id)
    return trail_render.changes(found)


def _moved(lesion_id: UUID, survivor: UUID, endpoint: str) -> Response:
    body = MergedOut(id=lesion_id, merged_into=survivor, lesion_url=trail_render.lesion_url(survivor))
    headers = {"Location": url_for(endpoint, lesion_id=survivor)}
    return Response(body.model_dump_json(), 308, headers, content_type="application/json")
