"""Who may come in: portals with keys, people with passwords. Set-up functions need the owner's login."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, insert, select, update
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
SETUP = Actor.system("dermatrail")


@dataclass(frozen=True, slots=True)
class Portal:
    """An authenticated portal; ``name`` is the key's name."""

    tenant_id: UUID
    key_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An authenticated person and the tenants whose cases they may read."""

    user_id: UUID
    name: str
    role: Role
    tenant_ids: tuple[UUID, ...]


def create_tenant(*, session: Session, name: str, slug: str) -> Tenant:
    """Create a portal.

    Raises:
        InvalidRecord: the slug is not lower-case letters, digits and hyphens.
        Conflict: the slug is taken.
    """
    if not SLUG.fullmatch(slug):
        raise InvalidRecord(f"slug: {slug!r} should be lower-case letters, digits and hyphens, at most 63.")
    added = upsert(Tenant).values(id=uuid4(), name=name, slug=slug).on_conflict_do_nothing().returning(Tenant)
    tenant = session.scalars(added).one_or_none()
    if tenant is None:
        raise Conflict(f"There is a portal with the slug {slug!r} already.")
    _record(session, tenant.id, AuditAction.PORTAL_CREATED, Subject("tenant", tenant.id))
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


def create_api_key(*, session: Session, tenant_id: UUID, name: str) -> tuple[ApiKey, str]:
    """Create a key for a portal: ``dmt_<prefix>_<secret>``, the secret of 256 random bits.

    Returns:
        The key, and its text: show that once, it cannot be read again.
    """
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(id=uuid4(), tenant_id=tenant_id, name=name, prefix=prefix, secret_hash=_hash(secret))
    session.add(key)
    _record(session, tenant_id, AuditAction.KEY_CREATED, Subject("api_key", key.id))
    return key, f"dmt_{prefix}_{secret}"


def revoke_api_key(*, session: Session, tenant_id: UUID, prefix: str) -> None:
    """Make a key useless from now on.

    Raises:
        InvalidRecord: the portal has no such key in use.
    """
    mine = update(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
    key_id = session.scalar(mine.values(revoked_at=func.now()).returning(ApiKey.id))
    if key_id is None:
        raise InvalidRecord(f"The portal has no key dmt_{prefix}_… in use.")
    _record(session, tenant_id, AuditAction.KEY_REVOKED, Subject("api_key", key_id))


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
    key = session.scalars(select(ApiKey).where(ApiKey.prefix == prefix)).one_or_none()
    known = key.secret_hash if key else _hash("")
    if not hmac.compare_digest(known, _hash(secret)) or key is None or key.revoked_at is not None:
        raise AccessDenied("The API key is not valid.")
    return Portal(key.tenant_id, key.id, key.name)


def create_user(*, session: Session, email: str, name: str, role: Role, password: str, tenants: Sequence[UUID]) -> UUID:
    """Create a person who may read the cases of ``tenants``, and return their id.

    Raises:
        InvalidRecord: the address or the password is not acceptable.
        Conflict: the address is taken.
    """
    email = email.strip().lower()
    if not EMAIL.fullmatch(email):
        raise InvalidRecord(f"email: {email!r} is not an address.")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidRecord(f"password: {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    values = {"id": uuid4(), "email": email, "name": name, "role": role, "password_hash": _hasher().hash(password)}
    user_id: UUID | None = session.scalar(upsert(User).values(values).on_conflict_do_nothing().returning(User.id))
    if user_id is None:
        raise Conflict(f"There is a user {email} already.")
    if tenants:
        session.execute(insert(Membership), [{"id": uuid4(), "user_id": user_id, "tenant_id": tenant} for tenant in tenants])
    _record(session, None, AuditAction.USER_CREATED, Subject("user", user_id), {"role": role})
    return user_id


def authenticate_user(*, session: Session, email: str, password: str) -> SignedIn:
    """Return the person that an address and a password belong to.

    An unknown address takes as long as a wrong password, so that nobody can find out who has an account.

    Raises:
        AccessDenied: address or password is wrong, or the user is disabled.
    """
    user = session.scalars(select(User).where(User.email == email.strip().lower())).one_or_none()
    stand_in = _stand_in()
    matches = _verify(user.password_hash if user else stand_in, password)
    if user is None or not matches or user.state is not UserState.ACTIVE:
        raise AccessDenied("The e-mail address or the password is not right.")
    record_event(
        session=session, tenant_id=None, actor=Actor.user(user.id), action=AuditAction.USER_SIGNED_IN, subject=Subject("user", user.id)
    )
    return _signed_in(session, user)


def get_user(*, session: Session, user_id: UUID) -> SignedIn:
    """Return a signed-in person afresh: their memberships, or their account, may have been taken away.

    Raises:
        AccessDenied: there is no such active user any more.
    """
    user = session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE:
        raise AccessDenied("This account is not active any more.")
    return _signed_in(session, user)


def _signed_in(session: Session, user: User) -> SignedIn:
    # The policy of memberships shows a person their own, before any tenant is bound.
    set_local(session=session, name="user", value=str(user.id))
    tenants = session.scalars(select(Membership.tenant_id).where(Membership.user_id == user.id).order_by(Membership.tenant_id))
    return SignedIn(user.id, user.name, user.role, tuple(tenants))


def _record(session: Session, tenant_id: UUID | None, action: AuditAction, subject: Subject, details: dict[str, str] | None = None) -> None:
    record_event(session=session, tenant_id=tenant_id, actor=SETUP, action=action, subject=subject, details=details)


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
