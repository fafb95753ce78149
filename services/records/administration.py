"""What administrators change: how portals are served, and who may do what. Needs ``database.transaction(admin=True)``.

Every change is audited with the administrator as the actor. None of it shows anything about patients.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Text, cast, delete, func, insert, select, update
from sqlalchemy.orm import Session

from services.records.access import proper_name
from services.records.accounts import end_sessions, set_password
from services.records.audit import Actor, Subject, record_event
from services.records.errors import AccessDenied, InvalidRecord, RecordError
from services.records.second_factor import remove_second_factor
from services.records.states import ActorKind, AuditAction, Role, UserState
from services.records.tables import ApiKey, AuditEvent, Membership, Tenant, User

LONGEST_HOURS = 24 * 365
LONGEST_DAYS = 36_525


class NotKnown(RecordError):
    """There is no such portal, key or user."""


@dataclass(frozen=True, slots=True)
class PortalSettings:
    """How a portal is served. Hours from receipt to the due decision; share and risk 0..1; no ``second_read_risk``: none by risk.

    ``retention_days``: how long a trail is kept after the last thing that happened in it; None: until its erasure is asked for.
    """

    name: str
    urgent_hours: int
    soon_hours: int
    routine_hours: int
    blind_first_read: bool
    second_read_share: float
    second_read_risk: float | None
    second_read_disagreement: bool
    retention_days: int | None = None

    def check(self) -> None:
        """Refuse what no portal can mean.

        Raises:
            InvalidRecord: a value is out of its range; the message names it.
        """
        hours = (self.urgent_hours, self.soon_hours, self.routine_hours)
        if not all(1 <= number <= LONGEST_HOURS for number in hours):
            raise InvalidRecord(f"hours: 1 to {LONGEST_HOURS} each.")
        if list(hours) != sorted(hours):
            raise InvalidRecord("hours: urgent must not be later than soon, nor soon later than routine.")
        if not 0 <= self.second_read_share <= 1:
            raise InvalidRecord("second reads: the random share is 0 to 100 %.")
        if self.second_read_risk is not None and not 0 <= self.second_read_risk <= 1:
            raise InvalidRecord("second reads: the risk is 0 to 1.")
        if self.retention_days is not None and not 1 <= self.retention_days <= LONGEST_DAYS:
            raise InvalidRecord(f"retention: 1 to {LONGEST_DAYS} days, or nothing.")


@dataclass(frozen=True, slots=True)
class PortalView:
    """A portal as administrators see it."""

    id: UUID
    slug: str
    created_at: datetime
    settings: PortalSettings
    keys: int
    readers: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key without its secret. ``revoked_at`` may lie ahead: until then the key works."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    in_use: bool


@dataclass(frozen=True, slots=True)
class UserView:
    """A person as administrators see them."""

    id: UUID
    email: str
    name: str
    role: Role
    state: UserState
    trainee: bool
    second_factor: bool
    single_sign_on: bool
    password_once: bool
    tenant_ids: frozenset[UUID]
    last_sign_in: datetime | None

    @property
    def active(self) -> bool:
        """Whether they can sign in."""
        return self.state is UserState.ACTIVE


@dataclass(frozen=True, slots=True)
class UserChange:
    """What an administrator may say about a person."""

    name: str
    role: Role
    trainee: bool
    tenant_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class TrailNames:
    """Names for the ids in the audit trail: id → name."""

    portals: Mapping[str, str]
    people: Mapping[str, str]
    keys: Mapping[str, str]


def names_for_trail(*, session: Session) -> TrailNames:
    """Return the names of all portals, people and keys, sorted by name."""
    portals = session.execute(select(Tenant.id, Tenant.name).order_by(Tenant.name, Tenant.id)).all()
    people = session.execute(select(User.id, User.name).order_by(User.name, User.id)).all()
    keys = session.execute(select(ApiKey.id, ApiKey.name).order_by(ApiKey.name, ApiKey.id)).all()
    named = {str(key_id): f"key “{name}”" for key_id, name in keys}
    return TrailNames({str(row.id): row.name for row in portals}, {str(row.id): row.name for row in people}, named)


def list_portals(*, session: Session) -> list[PortalView]:
    """Return all portals by name."""
    in_use = ApiKey.revoked_at.is_(None) | (ApiKey.revoked_at > func.now())
    keys = select(func.count()).where(ApiKey.tenant_id == Tenant.id, in_use).scalar_subquery()
    active = select(func.count()).select_from(Membership).join(User, User.id == Membership.user_id)
    readers = active.where(Membership.tenant_id == Tenant.id, User.state == UserState.ACTIVE).scalar_subquery()
    rows = session.execute(select(Tenant, keys, readers).order_by(Tenant.name, Tenant.id)).all()
    return [
        PortalView(tenant.id, tenant.slug, tenant.created_at, _settings(tenant), keys, readers, tenant.sandbox)
        for tenant, keys, readers in rows
    ]


def get_portal(*, session: Session, tenant_id: UUID) -> PortalView:
    """Return one portal.

    Raises:
        NotKnown: there is none.
    """
    for portal in list_portals(session=session):
        if portal.id == tenant_id:
            return portal
    raise NotKnown("There is no such portal.")


def change_portal(*, session: Session, tenant_id: UUID, settings: PortalSettings, actor: Actor) -> None:
    """Serve a portal in another way from now on; cases that are here keep their due times.

    Raises:
        InvalidRecord: a value is out of its range; the message names it.
        NotKnown: there is no such portal.
    """
    settings.check()
    tenant = session.scalars(select(Tenant).where(Tenant.id == tenant_id).with_for_update()).one_or_none()
    if tenant is None:
        raise NotKnown("There is no such portal.")
    wanted = _columns(settings)
    changed = {name: value for name, value in wanted.items() if getattr(tenant, name) != value}
    if not changed:
        return
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(changed))
    subject = Subject("tenant", tenant_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.PORTAL_CHANGED, subject=subject, details=changed)


def list_keys(*, session: Session, tenant_id: UUID) -> list[KeyView]:
    """Return a portal's keys, those in use first, then the newest."""
    # Every request of a portal leaves an event, and the index of the trail ends with the latest: no column to write each time.
    events = select(func.max(AuditEvent.created_at)).where(AuditEvent.actor_id == cast(ApiKey.id, Text))
    used = events.where(AuditEvent.actor_kind == ActorKind.PORTAL).scalar_subquery()
    in_use = func.coalesce(ApiKey.revoked_at > func.now(), True)
    columns = (ApiKey.id, ApiKey.name, ApiKey.prefix, ApiKey.created_at, ApiKey.revoked_at, used, in_use)
    query = select(*columns).where(ApiKey.tenant_id == tenant_id).order_by(in_use.desc(), ApiKey.created_at.desc(), ApiKey.id)
    return [KeyView(*row) for row in session.execute(query)]


def get_key(*, session: Session, tenant_id: UUID, key_id: UUID) -> KeyView:
    """Return one key of a portal.

    Raises:
        NotKnown: the portal has no such key.
    """
    for key in list_keys(session=session, tenant_id=tenant_id):
        if key.id == key_id:
            return key
    raise NotKnown("The portal has no such key.")


def list_users(*, session: Session) -> list[UserView]:
    """Return everybody, active people first, by name."""
    members: dict[UUID, set[UUID]] = {}
    for user_id, tenant_id in session.execute(select(Membership.user_id, Membership.tenant_id)):
        members.setdefault(user_id, set()).add(tenant_id)
    mine = (AuditEvent.actor_id == cast(User.id, Text), AuditEvent.action == AuditAction.USER_SIGNED_IN)
    latest = select(AuditEvent.created_at).where(*mine).order_by(AuditEvent.created_at.desc()).limit(1).scalar_subquery()
    order = (User.state != UserState.ACTIVE, func.lower(User.name), User.id)
    rows = session.execute(select(User, latest).order_by(*order)).all()
    return [_user(user, frozenset(members.get(user.id, ())), last) for user, last in rows]


def get_user_view(*, session: Session, user_id: UUID) -> UserView:
    """Return one person.

    Raises:
        NotKnown: there is none.
    """
    for user in list_users(session=session):
        if user.id == user_id:
            return user
    raise NotKnown("There is no such user.")


def change_user(*, session: Session, user_id: UUID, change: UserChange, admin_id: UUID) -> None:
    """Give a person another name, role or other portals. What they may not do any more ends at their next click.

    Raises:
        InvalidRecord: the name is empty, a portal is none, or an administrator would give up their own role.
        NotKnown: there is no such user.
    """
    user = _for_change(session, user_id, admin_id)
    check_portals(session=session, tenant_ids=change.tenant_ids)
    if user_id == admin_id and change.role is not Role.ADMIN:
        raise InvalidRecord("role: you cannot take your own administrator's role away. Ask another administrator.")
    wanted = {"name": proper_name(change.name), "role": change.role, "trainee": change.trainee}
    changed: dict[str, Any] = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if changed:
        session.execute(update(User).where(User.id == user_id).values(changed))
    details = {"changed": sorted(changed), **({"role": change.role} if "role" in changed else {})}
    details |= _change_memberships(session, user_id, change.tenant_ids)
    if changed or len(details) > 1:
        _record(session, user_id, admin_id, details)


def disable_user(*, session: Session, user_id: UUID, admin_id: UUID) -> None:
    """Let a person in no more, at once; their name stays on what they decided.

    Raises:
        InvalidRecord: administrators cannot disable themselves, so that one is always left.
        NotKnown: there is no such user.
    """
    _for_change(session, user_id, admin_id)
    if user_id == admin_id:
        raise InvalidRecord("You cannot disable your own account. Ask another administrator.")
    _move(session, user_id, admin_id, UserState.DISABLED)
    end_sessions(session=session, user_id=user_id, actor=Actor.user(admin_id), why="sessions")


def enable_user(*, session: Session, user_id: UUID, admin_id: UUID) -> None:
    """Let a disabled person in again, with the password and the second factor that they had.

    Raises:
        NotKnown: there is no such user.
    """
    _for_change(session, user_id, admin_id)
    _move(session, user_id, admin_id, UserState.ACTIVE)


def reset_second_factor(*, session: Session, user_id: UUID, admin_id: UUID) -> None:
    """Forget a person's second factor, when the app and the recovery codes are lost; their sessions end.

    Raises:
        InvalidRecord: administrators cannot reset their own: whoever sits at their desk could.
        NotKnown: there is no such user.
    """
    _for_change(session, user_id, admin_id)
    if user_id == admin_id:
        raise InvalidRecord("You cannot reset your own second factor here. Use the account page, or ask another administrator.")
    remove_second_factor(session=session, user_id=user_id, actor=Actor.user(admin_id))
    end_sessions(session=session, user_id=user_id, actor=Actor.user(admin_id), why="sessions")


def reset_password(*, session: Session, user_id: UUID, password: str, admin_id: UUID) -> None:
    """Give a person a password that they must change when they next sign in; their sessions end.

    Raises:
        InvalidRecord: administrators change their own on the account page.
        NotKnown: there is no such user.
    """
    _for_change(session, user_id, admin_id)
    if user_id == admin_id:
        raise InvalidRecord("Change your own password on the account page.")
    set_password(session=session, user_id=user_id, password=password, once=True, actor=Actor.user(admin_id))


def check_portals(*, session: Session, tenant_ids: Collection[UUID]) -> None:
    """Refuse portals that are none.

    Raises:
        InvalidRecord: one is not there.
    """
    known = session.scalar(select(func.count()).select_from(Tenant).where(Tenant.id.in_(tenant_ids)))
    if known != len(set(tenant_ids)):
        raise InvalidRecord("portals: one of them is not there any more. Open the page again.")


def _for_change(session: Session, user_id: UUID, admin_id: UUID) -> User:
    # Two administrators who disable each other at once: both take these rows in one order, so the second waits, and then
    # finds that it is no administrator any more. One always stays.
    serving = select(User.id).where(User.role == Role.ADMIN, User.state == UserState.ACTIVE).order_by(User.id).with_for_update()
    if admin_id not in session.scalars(serving).all():
        raise AccessDenied("This account is not an administrator's any more.")
    user = session.scalars(select(User).where(User.id == user_id), execution_options={"populate_existing": True}).one_or_none()
    if user is None:
        raise NotKnown("There is no such user.")
    return user


def _change_memberships(session: Session, user_id: UUID, wanted: Collection[UUID]) -> dict[str, Sequence[str]]:
    present = set(session.scalars(select(Membership.tenant_id).where(Membership.user_id == user_id)))
    added, removed = sorted(set(wanted) - present), sorted(present - set(wanted))
    if added:
        session.execute(insert(Membership), [{"id": uuid4(), "user_id": user_id, "tenant_id": tenant_id} for tenant_id in added])
    if removed:
        session.execute(delete(Membership).where(Membership.user_id == user_id, Membership.tenant_id.in_(removed)))
    named = {"portals_added": [str(tenant) for tenant in added], "portals_removed": [str(tenant) for tenant in removed]}
    return {name: tenants for name, tenants in named.items() if tenants}


def _move(session: Session, user_id: UUID, admin_id: UUID, state: UserState) -> None:
    moved = update(User).where(User.id == user_id, User.state != state).values(state=state).returning(User.id)
    if session.scalar(moved) is not None:
        _record(session, user_id, admin_id, {"changed": ["state"], "state": state})


def _record(session: Session, user_id: UUID, admin_id: UUID, details: dict[str, Any]) -> None:
    actor, subject = Actor.user(admin_id), Subject("user", user_id)
    record_event(session=session, tenant_id=None, actor=actor, action=AuditAction.USER_CHANGED, subject=subject, details=details)


def _portal(tenant: Tenant, keys: int, readers: int) -> PortalView:
    return PortalView(tenant.id, tenant.slug, tenant.created_at, _settings(tenant), keys, readers, tenant.sandbox)


def _settings(tenant: Tenant) -> PortalSettings:
    return PortalSettings(**{name: getattr(tenant, name) for name in PortalSettings.__slots__})


def _columns(settings: PortalSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in PortalSettings.__slots__} | {"name": proper_name(settings.name)}


def _user(user: User, tenant_ids: frozenset[UUID], last_sign_in: datetime | None) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        state=user.state,
        trainee=user.trainee,
        second_factor=user.totp_confirmed_at is not None,
        single_sign_on=user.oidc_subject is not None,
        password_once=user.password_once,
        tenant_ids=tenant_ids,
        last_sign_in=last_sign_in,
    )
