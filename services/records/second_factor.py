"""The second step of signing in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for the day it is lost.

The secret is kept encrypted with a key that the database does not have. A code works once: the last used time step only moves
forward, by compare-and-swap. Recovery codes are random enough (80 bits) that a plain hash keeps them.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import any_, func, or_, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import AccessDenied, Conflict
from services.records.seal import Seal
from services.records.states import AuditAction, UserState
from services.records.tables import User

ISSUER = "Dermatrail"
STEP_SECONDS = 30
# Clocks of phones are off by some seconds: the step before and the step after count, too.
DRIFT_STEPS = 1
RECOVERY_CODES = 8
CODE = re.compile(r"\d{6}")
RECOVERY = re.compile(r"[a-z2-7]{16}")
WRONG = "The code is not right, or it was used before. Wait for the next one."


def begin_enrolment(*, session: Session, user_id: UUID, seal: Seal) -> str:
    """Return the secret (base32) that an authenticator app should take; it counts once a code of it was typed.

    Somebody who comes back finds the same secret, so that an app that has it already need not be told again.

    Raises:
        Conflict: the person has a second factor already.
    """
    user = _enrolling(session, user_id)
    if user.totp_secret is not None:
        return seal.open(user.totp_secret)
    secret = pyotp.random_base32()
    session.execute(update(User).where(User.id == user_id, User.totp_confirmed_at.is_(None)).values(totp_secret=seal.close(secret)))
    return secret


def enrolment_address(*, secret: str, email: str) -> str:
    """Return what the QR code says: ``otpauth://totp/…``."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=email, issuer_name=ISSUER)


def confirm_enrolment(*, session: Session, user_id: UUID, code: str, seal: Seal, now: datetime) -> tuple[str, ...]:
    """Make the second factor count, and return recovery codes: show them once, they cannot be read again.

    Raises:
        AccessDenied: the code is not one of the app's.
        Conflict: the person has a second factor already.
    """
    user = _enrolling(session, user_id)
    step = None if user.totp_secret is None else _step_of(seal.open(user.totp_secret), code, now)
    if step is None:
        raise AccessDenied(WRONG)
    codes = tuple(_recovery_codes())
    values = {"totp_confirmed_at": func.now(), "totp_last_step": step, "recovery_hashes": [_hash(code) for code in codes]}
    enrolled = update(User).where(User.id == user_id, User.totp_confirmed_at.is_(None)).values(values).returning(User.id)
    if session.scalar(enrolled) is None:
        raise Conflict("This account has a second factor already.")
    _record(session, user_id, Actor.user(user_id), AuditAction.SECOND_FACTOR_SET)
    return codes


def check_code(*, session: Session, user_id: UUID, code: str, seal: Seal, now: datetime) -> str:
    """Use up a code of the app, or a recovery code, and say which it was: ``code`` or ``recovery code``.

    Raises:
        AccessDenied: it is wrong, or was used before.
    """
    typed = re.sub(r"[\s-]", "", code).lower()
    if CODE.fullmatch(typed) and _use_code(session, user_id, typed, seal, now):
        return "code"
    if RECOVERY.fullmatch(typed) and _use_recovery(session, user_id, _hash(typed)):
        return "recovery code"
    raise AccessDenied(WRONG)


def remove_second_factor(*, session: Session, user_id: UUID, actor: Actor) -> None:
    """Forget a person's second factor and recovery codes; nothing happens where there is none."""
    empty: dict[str, Any] = {"totp_secret": None, "totp_confirmed_at": None, "totp_last_step": None, "recovery_hashes": []}
    had = update(User).where(User.id == user_id, User.totp_secret.is_not(None)).values(empty).returning(User.id)
    if session.scalar(had) is not None:
        _record(session, user_id, actor, AuditAction.SECOND_FACTOR_REMOVED)


def _enrolling(session: Session, user_id: UUID) -> User:
    user = session.scalars(select(User).where(User.id == user_id, User.state == UserState.ACTIVE)).one_or_none()
    if user is None:
        raise AccessDenied("This account is not active any more.")
    if user.totp_confirmed_at is not None:
        raise Conflict("This account has a second factor already.")
    return user


def _use_code(session: Session, user_id: UUID, code: str, seal: Seal, now: datetime) -> bool:
    sealed = session.scalar(select(User.totp_secret).where(User.id == user_id, User.totp_confirmed_at.is_not(None)))
    step = None if sealed is None else _step_of(seal.open(sealed), code, now)
    if step is None:
        return False
    # Of two sign-ins that send the same code at once, the second waits here and then finds the step used.
    unused = or_(User.totp_last_step.is_(None), User.totp_last_step < step)
    return session.scalar(update(User).where(User.id == user_id, unused).values(totp_last_step=step).returning(User.id)) is not None


def _use_recovery(session: Session, user_id: UUID, code_hash: str) -> bool:
    mine = update(User).where(User.id == user_id, User.totp_confirmed_at.is_not(None), any_(User.recovery_hashes) == code_hash)
    left = mine.values(recovery_hashes=func.array_remove(User.recovery_hashes, code_hash))
    return session.scalar(left.returning(User.id)) is not None


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is. All are compared, so that the time taken tells nothing."""
    app, present = pyotp.TOTP(secret, interval=STEP_SECONDS), int(now.timestamp()) // STEP_SECONDS
    steps = range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1)
    typed = re.sub(r"\s", "", code)
    found = [step for step in steps if hmac.compare_digest(app.generate_otp(step).encode(), typed.encode())]
    return found[-1] if found else None


def _recovery_codes() -> Iterator[str]:
    for _ in range(RECOVERY_CODES):
        letters = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        yield "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def _hash(code: str) -> str:
    return hashlib.sha256(code.replace("-", "").encode()).hexdigest()


def _record(session: Session, user_id: UUID, actor: Actor, action: AuditAction) -> None:
    record_event(session=session, tenant_id=None, actor=actor, action=action, subject=Subject("user", user_id))
