"""Who looked at which statistics."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction


def record_reading(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, what: str, exported: bool = False) -> None:
    """Note in each tenant's audit trail that a person read a page of statistics, or took a table of it with them."""
    details = {"statistics": what, "exported": exported}
    for tenant_id in sorted(tenant_ids):
        record_event(
            session=session,
            tenant_id=tenant_id,
            actor=Actor.user(user_id),
            action=AuditAction.STATISTICS_READ,
            subject=Subject("statistics"),
            details=details,
        )
