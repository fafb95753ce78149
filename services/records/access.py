"""Who may come in: portals with keys, people with passwords.

What sets a machine up runs with the owner's login, or in an administrator's transaction of the desk, which is then the actor.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.database import set_local
from services.records.errors import AccessDenied, Conflict, InvalidRecord
from services.records.states import AuditAction, Role, UserState
from services.records.tables import ApiKey, Membership, Tenant, User

KEY = re.compile(r"dmt_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
SHORTEST_PASSWORD = 12
# Argon2's cost is a denial-of-service lever: nobody types more than this.
LONGEST_PASSWORD = 1024
LONGEST_NAME = 120
SETUP = Actor.system("dermatrail")


@dataclass(frozen=True, slots=True)
class Portal:
    """An authenticated portal; ``name`` is the key's name."""

    tenant_id: UUID
    key_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An authenticated person and the tenants whose cases they may read.

    ``second_factor``: a code is asked for, too. ``password_once``: another made the password, and it must be changed.
    ``session_epoch``: sessions that began with another number are over.
    """

    user_id: UUID
    name: str
    role: Role
    tenant_ids: tuple[UUID, ...]
    second_factor: bool = False
    password_once: bool = False
    session_epoch: int = 0


def create_tenant(*, session: Session, name: str, slug: str, actor: Actor = SETUP, sandbox: bool = False) -> Tenant:
    """Create a portal; for a ``sandbox`` see :func:`services.records.sandbox.create_sandbox`, which makes its reader, too.

    Raises:
        InvalidRecord: the name is empty, or the slug is not lower-case letters, digits and hyphens.
        Conflict: the slug is taken.
    """
    name = proper_name(name)
    if not SLUG.fullmatch(slug):
        raise InvalidRecord(f"slug: {slug!r} should be lower-case letters, digits and hyphens, at most 63.")
    added = upsert(Tenant).values(id=uuid4(), name=name, slug=slug, sandbox=sandbox).on_conflict_do_nothing().returning(Tenant)
    tenant = session.scalars(added).one_or_none()
    if tenant is None:
        raise Conflict(f"There is a portal with the slug {slug!r} already.")
    record_event(session=session, tenant_id=tenant.id, actor=actor, action=AuditAction.PORTAL_CREATED, subject=Subject("tenant", tenant.id))
    return tenant


def tenant_by_slug(*, session: Session, slug: str) -> UUID:
    """Return a portal's id.

    Raises:
        InvalidRecord: there is no such portal.
    """
    tenant_id = session.scalar(select(Tenant.id).where(Tenant.slug == slug))
    if tenant_id is None:
        raise InvalidRecord(f"There is no portal with the slug {slug!r}: create it with `dermatrail portal create`.")
    return tenant_id


def create_api_key(
    *, session: Session, tenant_id: UUID, name: str, actor: Actor = SETUP, replaces: UUID | None = None
) -> tuple[ApiKey, str]:
    """Create a key for a portal: ``dmt_<prefix>_<secret>``, the secret of 256 random bits.

    Args:
        replaces: the key in whose place it comes. Both work until that one is revoked.

    Returns:
        The key, and its text: show that once, it cannot be read again.

    Raises:
        InvalidRecord: the name is empty.
    """
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(id=uuid4(), tenant_id=tenant_id, name=proper_name(name), prefix=prefix, secret_hash=_hash(secret))
    session.add(key)
    details = {"replaces": str(replaces)} if replaces else None
    subject = Subject("api_key", key.id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.KEY_CREATED, subject=subject, details=details)
    return key, f"dmt_{prefix}_{secret}"


def revoke_api_key(*, session: Session, tenant_id: UUID, prefix: str, after: timedelta = timedelta(0), actor: Actor = SETUP) -> datetime:
    """Make a key useless, at once or after some time, and return from when on. A date that is still to come can be moved.

    Raises:
        InvalidRecord: the portal has no such key in use.
    """
    in_use = or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > func.now())
    mine = update(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.prefix == prefix, in_use)
    revoked = session.execute(mine.values(revoked_at=func.now() + after).returning(ApiKey.id, ApiKey.revoked_at)).one_or_none()
    if revoked is None or revoked.revoked_at is None:
        raise InvalidRecord(f"The portal has no key dmt_{prefix}_… in use.")
    at: datetime = revoked.revoked_at
    subject = Subject("api_key", revoked.id)
    details = {"at": at.isoformat(timespec="seconds")}
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.KEY_REVOKED, subject=subject, details=details)
    return at


def authenticate_key(*, session: Session, plain: str) -> Portal:
    """Return the portal that a key belongs to; the transaction needs no tenants yet.

    Raises:
        AccessDenied: the key is malformed, unknown or revoked.
    """
    match = KEY.fullmatch(plain)
    if match is None:
        raise AccessDenied("The API key is not valid.")
    prefix, secret = match.groups()
    # The policy of api_keys shows exactly the key of this prefix: nobody can list keys.
    set_local(session=session, name="key_prefix", value=prefix)
    in_use = or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > func.now())
    key = session.scalars(select(ApiKey).where(ApiKey.prefix == prefix, in_use)).one_or_none()
    known = key.secret_hash if key else _hash("")
    if not hmac.compare_digest(known, _hash(secret)) or key is None:
        raise AccessDenied("The API key is not valid.")
    return Portal(key.tenant_id, key.id, key.name)


def create_user(
    *,
    session: Session,
    email: str,
    name: str,
    role: Role,
    password: str,
    tenants: Sequence[UUID],
    trainee: bool = False,
    password_once: bool = False,
    actor: Actor = SETUP,
) -> UUID:
    """Create a person who may read the cases of ``tenants``, and return their id.

    Args:
        password_once: the person must choose another password when they first sign in.

    Raises:
        InvalidRecord: the name, the address or the password is not acceptable.
        Conflict: the address is taken.
    """
    email = email.strip().lower()
    if not EMAIL.fullmatch(email):
        raise InvalidRecord(f"email: {email!r} is not an address.")
    person = {"email": email, "name": proper_name(name), "role": role, "trainee": trainee}
    values = {"id": uuid4(), **person, "password_hash": hash_password(password), "password_once": password_once}
    user_id: UUID | None = session.scalar(upsert(User).values(values).on_conflict_do_nothing().returning(User.id))
    if user_id is None:
        raise Conflict(f"There is a user {email} already.")
    if tenants:
        session.execute(insert(Membership), [{"id": uuid4(), "user_id": user_id, "tenant_id": tenant} for tenant in tenants])
    subject, details = Subject("user", user_id), {"role": role, "portals": [str(tenant) for tenant in tenants]}
    record_event(session=session, tenant_id=None, actor=actor, action=AuditAction.USER_CREATED, subject=subject, details=details)
    return user_id


def user_by_email(*, session: Session, email: str) -> UUID:
    """Return a person's id.

    Raises:
        InvalidRecord: nobody has this address.
    """
    user_id = session.scalar(select(User.id).where(User.email == email.strip().lower()))
    if user_id is None:
        raise InvalidRecord(f"There is no user with the address {email!r}.")
    return user_id


def authenticate_user(*, session: Session, email: str, password: str) -> SignedIn:
    """Return the person that an address and a password belong to; they are not in before :func:`record_sign_in`.

    An unknown address takes as long as a wrong password, so that nobody can find out who has an account.

    Raises:
        AccessDenied: address or password is wrong, or the user is disabled.
    """
    user = session.scalars(select(User).where(User.email == email.strip().lower())).one_or_none()
    stand_in = _stand_in()
    matches = _verify(user.password_hash if user else stand_in, password)
    if user is None or not matches or user.state is not UserState.ACTIVE:
        raise AccessDenied("The e-mail address or the password is not right.")
    return signed_in(session=session, user=user)


def record_sign_in(*, session: Session, user_id: UUID, how: str) -> None:
    """Write down that a person has passed every step: "password", "code", "recovery code" or "single sign-on"."""
    actor, subject, action = Actor.user(user_id), Subject("user", user_id), AuditAction.USER_SIGNED_IN
    record_event(session=session, tenant_id=None, actor=actor, action=action, subject=subject, details={"how": how})


def get_user(*, session: Session, user_id: UUID) -> SignedIn:
    """Return a signed-in person afresh: their memberships, or their account, may have been taken away.

    Raises:
        AccessDenied: there is no such active user any more.
    """
    user = session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE:
        raise AccessDenied("This account is not active any more.")
    return signed_in(session=session, user=user)


def signed_in(*, session: Session, user: User) -> SignedIn:
    """Return a person with their memberships."""
    # The policy of memberships shows a person their own, before any tenant is bound.
    set_local(session=session, name="user", value=str(user.id))
    tenants = session.scalars(select(Membership.tenant_id).where(Membership.user_id == user.id).order_by(Membership.tenant_id))
    return SignedIn(
        user_id=user.id,
        name=user.name,
        role=user.role,
        tenant_ids=tuple(tenants),
        second_factor=user.totp_confirmed_at is not None,
        password_once=user.password_once,
        session_epoch=user.session_epoch,
    )


def names_of(*, session: Session, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return people's names by id."""
    if not user_ids:
        return {}
    rows = session.execute(select(User.id, User.name).where(User.id.in_(set(user_ids))))
    return {user_id: name for user_id, name in rows}  # noqa: C416 - a row is no pair to dict()


def proper_name(name: str) -> str:
    """Return a name without spaces around it.

    Raises:
        InvalidRecord: it is empty, too long or holds a control character.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidRecord(f"name: 1 to {LONGEST_NAME} printable characters.")
    return name


def hash_password(password: str) -> str:
    """Return the slow hash of a password.

    Raises:
        InvalidRecord: it is too short or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidRecord(f"password: {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    return _hasher().hash(password)


def is_password(*, password_hash: str, password: str) -> bool:
    """Whether the hash was made of this password."""
    return _verify(password_hash, password)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _stand_in() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))


def _verify(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return _hasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
