"""What portals order by FHIR."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import OrderState
from services.records.tables.base import Base, Owned, word_column


class Order(Owned, Base):
    """A portal's ServiceRequest, by the portal's own identifier. A rejected one has no case, and a better one may take its place.

    ``resource``: of the request what is told again when it is read (FHIR JSON, the same in R4 and R5): no patient, no notes, no pictures.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("(state = 'accepted') = (case_id IS NOT NULL)", name="accepted"),
        CheckConstraint("(state = 'rejected') = (reason IS NOT NULL)", name="rejected"),
        UniqueConstraint("tenant_id", "identifier_value", "identifier_system"),
        Index("ix_orders_case_id", "case_id"),
        Index("ix_orders_list", "tenant_id", "created_at", "id"),
    )

    identifier_system: Mapped[str] = mapped_column(server_default="")
    identifier_value: Mapped[str]
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    state: Mapped[OrderState] = word_column(OrderState, "state")
    reason: Mapped[str | None]
    resource: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
