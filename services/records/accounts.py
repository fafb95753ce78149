"""What people do to their own account, and what ends their sessions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.records.access import SignedIn, hash_password, is_password, signed_in
from services.records.audit import Actor, Subject, record_event
from services.records.errors import AccessDenied, InvalidRecord
from services.records.states import AuditAction, UserState
from services.records.tables import User


@dataclass(frozen=True, slots=True)
class Account:
    """What a person sees of their own account. ``recovery_codes``: how many are left."""

    email: str
    name: str
    second_factor_since: datetime | None
    recovery_codes: int
    single_sign_on: bool


def get_account(*, session: Session, user_id: UUID) -> Account:
    """Return a person's own account.

    Raises:
        AccessDenied: there is no such active user any more.
    """
    user = _active(session, user_id)
    return Account(
        email=user.email,
        name=user.name,
        second_factor_since=user.totp_confirmed_at,
        recovery_codes=len(user.recovery_hashes),
        single_sign_on=user.oidc_subject is not None,
    )


def confirm_password(*, session: Session, user_id: UUID, password: str) -> None:
    """Ask once more who is there, before a step that matters.

    Raises:
        AccessDenied: the password is wrong, or there is no such active user any more.
    """
    if not is_password(password_hash=_active(session, user_id).password_hash, password=password):
        raise AccessDenied("The password is not right.")


def change_password(*, session: Session, user_id: UUID, old: str, new: str) -> SignedIn:
    """Change one's own password, and return the person with the epoch of the sessions that may go on.

    Raises:
        AccessDenied: the old password is wrong.
        InvalidRecord: the new one is too short, too long or the old one.
    """
    confirm_password(session=session, user_id=user_id, password=old)
    if new == old:
        raise InvalidRecord("password: choose one that differs from the present one.")
    set_password(session=session, user_id=user_id, password=new, once=False, actor=Actor.user(user_id))
    return signed_in(session=session, user=_active(session, user_id))


def set_password(*, session: Session, user_id: UUID, password: str, once: bool, actor: Actor) -> None:
    """Give a person another password; their sessions end.

    Args:
        once: they must choose another one when they next sign in.

    Raises:
        InvalidRecord: it is too short or too long.
    """
    values = {"password_hash": hash_password(password), "password_once": once}
    session.execute(update(User).where(User.id == user_id).values(values))
    end_sessions(session=session, user_id=user_id, actor=actor, why="password")


def end_sessions(*, session: Session, user_id: UUID, actor: Actor, why: str) -> int:
    """End every session of a person, and return the epoch of those that begin from now on."""
    mine = update(User).where(User.id == user_id).values(session_epoch=User.session_epoch + 1)
    # The person may be loaded already: what was read before must not be what the next reader finds.
    epoch = session.scalar(mine.returning(User.session_epoch))
    session.expire_all()
    subject = Subject("user", user_id)
    record_event(session=session, tenant_id=None, actor=actor, action=AuditAction.USER_CHANGED, subject=subject, details={"changed": [why]})
    return int(epoch or 0)


def sign_in_by_subject(*, session: Session, subject: str, email: str, email_verified: bool) -> SignedIn:
    """Return the person that an identity provider knows as ``subject``.

    The first time, a verified e-mail address binds the subject to the user who has it; from then on the subject alone counts, so
    that an address which passes to somebody else opens nothing. Never makes a user.

    Args:
        subject: the provider's issuer and its name for the person, together unique in the world.

    Raises:
        AccessDenied: nobody active is known so.
    """
    known = session.scalar(select(User.id).where(User.oidc_subject == subject))
    if known is None and email_verified:
        # Two first sign-ins at once: one binds, the other finds the subject taken by itself or is refused.
        free = (User.email == email.strip().lower(), User.state == UserState.ACTIVE, User.oidc_subject.is_(None))
        known = session.scalar(update(User).where(*free).values(oidc_subject=subject).returning(User.id))
        if known is not None:
            actor, details = Actor.user(known), {"changed": ["single_sign_on"]}
            about = Subject("user", known)
            record_event(session=session, tenant_id=None, actor=actor, action=AuditAction.USER_CHANGED, subject=about, details=details)
    if known is None:
        raise AccessDenied("No active account belongs to this identity.")
    return signed_in(session=session, user=_active(session, known))


def _active(session: Session, user_id: UUID) -> User:
    user = session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE:
        raise AccessDenied("This account is not active any more.")
    return user
