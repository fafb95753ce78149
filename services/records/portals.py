"""The portals that a reader works for."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.records.tables import Tenant


def portal_names(*, session: Session, tenant_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of the given portals by id, in the order of their names."""
    query = select(Tenant.id, Tenant.name).where(Tenant.id.in_(tenant_ids)).order_by(Tenant.name, Tenant.id)
    return {tenant_id: name for tenant_id, name in session.execute(query)}  # noqa: C416 - a row is no pair to dict()
