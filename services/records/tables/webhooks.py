"""Where portals want to be told (endpoints), what each of them is told (deliveries), and every attempt to tell it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import DeliveryState, EndpointState
from services.records.tables.base import Base, Owned, word_column


class WebhookEndpoint(Owned, Base):
    """An address of a portal. ``told``: the number of the last event that it has a delivery of, or did not want.

    ``secret`` and ``previous_secret`` are encrypted; the previous one signs, too, until ``previous_until``. ``kinds``: the events it
    wants; none: all. ``failures``: attempts that failed since the last one that did not; ``slow``: its last answer took long.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous_secret"),
        CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name="disabled_reason"),
        CheckConstraint("(disabled_reason IS NULL) = (disabled_at IS NULL)", name="disabled_at"),
        CheckConstraint("failures >= 0 AND (failures = 0) = (failing_since IS NULL)", name="failures"),
        Index("ix_webhook_endpoints_tenant_id", "tenant_id"),
    )

    url: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    kinds: Mapped[list[str]] = mapped_column(server_default="{}")
    state: Mapped[EndpointState] = word_column(EndpointState, "state", server_default=EndpointState.ACTIVE)
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_until: Mapped[datetime | None]
    told: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(server_default="0")
    failing_since: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    slow: Mapped[bool] = mapped_column(server_default=false())
    rest_until: Mapped[datetime | None]


class Delivery(Owned, Base):
    """One event for one endpoint. ``attempts`` counts since it was last asked for; ``give_up_at``: it is a dead letter from then on.

    Holds nothing of the event but its kind, number and time, so that administrators may see the log.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name="lease_owner"),
        CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name="lease"),
        CheckConstraint("(state IN ('delivered', 'dead')) = (finished_at IS NOT NULL)", name="finished_at"),
        CheckConstraint("state <> 'dead' OR reason IS NOT NULL", name="reason"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("ix_deliveries_log", "endpoint_id", "sequence"),
        Index("ix_deliveries_event_id", "event_id"),
        Index("ix_deliveries_due", "endpoint_id", "due_at", postgresql_where="state IN ('waiting', 'leased')"),
    )

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("portal_events.id"))
    kind: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)
    happened_at: Mapped[datetime]
    state: Mapped[DeliveryState] = word_column(DeliveryState, "state", server_default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    due_at: Mapped[datetime]
    give_up_at: Mapped[datetime]
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    reason: Mapped[str | None]


class DeliveryAttempt(Owned, Base):
    """One call of an endpoint. Append-only. ``seconds`` it took; ``reason``: why it failed; the text of the answer is not kept."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        CheckConstraint("seconds >= 0", name="seconds"),
        Index("ix_delivery_attempts_delivery_id", "delivery_id", "attempted_at"),
    )

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id"))
    attempted_at: Mapped[datetime]
    seconds: Mapped[float]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    reason: Mapped[str | None]
    address: Mapped[str | None]
