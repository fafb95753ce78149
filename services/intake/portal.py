"""Whose key this is."""

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.records.portals import portal_facts

blueprint = APIBlueprint("portal", __name__, url_prefix="/v1/portal", tag="Portal")


class PortalOut(BaseModel):
    """A portal, as it may see itself."""

    name: str
    slug: str
    sandbox: bool = Field(description="True: answers and decisions come from a script, which a case's `reference` chooses.")


@blueprint.get("")
@blueprint.auth_required(auth)
@blueprint.output(PortalOut)
@blueprint.doc(operation_id="readPortal", responses=[503])
def read_portal() -> PortalOut:
    """Read whose key this is

    Ask it before you send anything by way of trial: a sandbox says so.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        facts = portal_facts(session=session, tenant_id=portal.tenant_id)
    return PortalOut(name=facts.name, slug=facts.slug, sandbox=facts.sandbox)
