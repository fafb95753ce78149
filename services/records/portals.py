"""The portals that a reader works for."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.records.tables import Tenant


@dataclass(frozen=True, slots=True)
class PortalFacts:
    """What a portal may know of itself."""

    name: str
    slug: str
    sandbox: bool


def portal_facts(*, session: Session, tenant_id: UUID) -> PortalFacts:
    """Return the portal's own name, and whether it is a sandbox."""
    row = session.execute(select(Tenant.name, Tenant.slug, Tenant.sandbox).where(Tenant.id == tenant_id)).one()
    return PortalFacts(*row)


def portal_names(*, session: Session, tenant_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of the given portals by id, in the order of their names."""
    query = select(Tenant.id, Tenant.name).where(Tenant.id.in_(tenant_ids)).order_by(Tenant.name, Tenant.id)
    return {tenant_id: name for tenant_id, name in session.execute(query)}  # noqa: C416 - a row is no pair to dict()
