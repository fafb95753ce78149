"""Portals (tenants) with their keys, and the people who read for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from services.records.states import Role, Urgency, UserState
from services.records.tables.base import Base, Born, Owned, word_column


class Tenant(Born, Base):
    """A portal. The ``*_hours`` are its service level: hours from receipt to the due decision.

    ``second_read_*``: which first decisions a second reader sees, too: a random share, from this risk on, and where reader and
    model disagree. ``blind_first_read``: the reader says what they think before they see what the model thinks. ``retention_days``:
    how long a trail is kept after the last thing that happened in it; None: until somebody asks to erase it. ``sandbox``: the portal
    only tries the interface; its cases are answered and decided from a script, and no person reads them.
    """

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint("least(urgent_hours, soon_hours, routine_hours) > 0", name="hours"),
        CheckConstraint("second_read_share BETWEEN 0 AND 1", name="second_read_share"),
        CheckConstraint("second_read_risk BETWEEN 0 AND 1", name="second_read_risk"),
        CheckConstraint("retention_days BETWEEN 1 AND 36525", name="retention_days"),
    )

    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    urgent_hours: Mapped[int] = mapped_column(server_default="24")
    soon_hours: Mapped[int] = mapped_column(server_default="72")
    routine_hours: Mapped[int] = mapped_column(server_default="336")
    blind_first_read: Mapped[bool] = mapped_column(server_default=false())
    second_read_share: Mapped[float] = mapped_column(server_default="0")
    second_read_risk: Mapped[float | None]
    second_read_disagreement: Mapped[bool] = mapped_column(server_default=false())
    retention_days: Mapped[int | None]
    sandbox: Mapped[bool] = mapped_column(server_default=false())

    @classmethod
    def hours(cls, urgency: Urgency) -> Mapped[int]:
        """Return the service-level column of ``urgency``."""
        return {Urgency.URGENT: cls.urgent_hours, Urgency.SOON: cls.soon_hours, Urgency.ROUTINE: cls.routine_hours}[urgency]


class ApiKey(Owned, Base):
    """A portal's key. Only the hash of the secret is kept: 256 random bits need no slow hash."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("secret_hash ~ '^[0-9a-f]{64}$'", name="secret_hash"),)

    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[str]
    revoked_at: Mapped[datetime | None]


class User(Born, Base):
    """A person who signs in. A user belongs to no tenant; memberships say whose cases they read.

    ``trainee``: every decision of theirs has a second reader. ``totp_secret`` is encrypted; ``totp_last_step`` is the last time
    step whose code was used, so that a code works once. ``recovery_hashes``: SHA-256 of the recovery codes that are left.
    ``password_once``: another has made the password, so it must be changed at the first sign-in. ``session_epoch``: sessions that
    began with another number are over.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("totp_confirmed_at IS NULL OR totp_secret IS NOT NULL", name="totp"),
        UniqueConstraint("oidc_subject"),
    )

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role] = word_column(Role, "role")
    state: Mapped[UserState] = word_column(UserState, "state", server_default=UserState.ACTIVE)
    password_hash: Mapped[str]
    password_once: Mapped[bool] = mapped_column(server_default=false())
    session_epoch: Mapped[int] = mapped_column(server_default="0")
    trainee: Mapped[bool] = mapped_column(server_default=false())
    totp_secret: Mapped[str | None]
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    recovery_hashes: Mapped[list[str]] = mapped_column(server_default="{}")
    oidc_subject: Mapped[str | None]


class Membership(Owned, Base):
    """A user may read and decide the cases of a tenant."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("user_id", "tenant_id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
