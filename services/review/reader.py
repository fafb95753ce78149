"""Who is signed in: a signed cookie with absolute and idle expiry, checked against the records on every request."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, cast
from uuid import UUID

from flask import abort, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from services.doorbell import Doorbell
from services.objects import ObjectStore
from services.records.access import SignedIn, get_user
from services.records.database import Database
from services.records.errors import AccessDenied
from services.records.states import Role
from services.review import words
from services.review.door import door
from services.review.throttle import SignInThrottle

ABSOLUTE = timedelta(hours=10)
IDLE = timedelta(minutes=30)
# The cookie is written again at most once a minute, and never by a picture: several load at once, and the last answer
# would put an older copy of the cookie back.
REFRESH = timedelta(minutes=1)
# Somebody whose password another has made reaches these and nothing else.
OPEN_WITH_A_PASSWORD_MADE_BY_OTHERS = frozenset({"account.password_form", "account.change_password"})

ROLE_WORDS = {Role.DERMATOLOGIST: "dermatologists", Role.LEAD: "leads", Role.ADMIN: "administrators"}

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with, made once per process."""

    database: Database
    objects: ObjectStore
    throttle: SignInThrottle
    outline_bell: Doorbell


def desk() -> Desk:
    """The process's database, object store and throttle."""
    return cast(Desk, current_app.extensions["dermatrail"])


def begin(user: SignedIn, *, by_provider: bool = False) -> None:
    """Starts a session for `user`; everything from before is dropped but the page that was asked for.

    `by_provider`: an identity provider has said who it is, and has asked for what it wants to know.
    """
    renew()
    session["user"] = str(user.user_id)
    session["epoch"] = user.session_epoch
    session["by_provider"] = by_provider
    session["began"] = session["seen"] = int(time.time())
    g.pop("reader", None)


def renew() -> None:
    """Drops everything that the session holds, its form token too, but the page that was asked for."""
    wanted = session.get("wanted")
    session.clear()
    session["id"] = secrets.token_urlsafe(16)
    if wanted:
        session["wanted"] = wanted


def current() -> SignedIn | None:
    """The reader of this request, or None: not signed in, expired, or disabled meanwhile."""
    if "reader" not in g:
        g.reader = _load()
    return cast(SignedIn | None, g.reader)


def shown_in_bar() -> SignedIn | None:
    """The reader if this request has looked them up already; a page never asks the database just to show a name."""
    return cast(SignedIn | None, g.get("reader"))


def forget() -> None:
    """Shows the page without a name in the bar."""
    g.pop("reader", None)


def reader() -> SignedIn:
    """The reader of a route behind `signed_in`."""
    found = current()
    assert found is not None, "the route lacks @signed_in"  # noqa: S101 - a programming error, not an input
    return found


def may_decide(user: SignedIn) -> bool:
    """Only clinicians decide; an administrator sees and does not."""
    return user.role in (Role.DERMATOLOGIST, Role.LEAD)


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Sends everybody else to the sign-in page and remembers the page asked for (never in an address)."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if current() is None:
            session.clear()
            if request.method == "GET" and not is_picture():
                session["wanted"] = request.path
            return redirect(url_for("signin.form"), 303)
        if must_change_password() and request.endpoint not in OPEN_WITH_A_PASSWORD_MADE_BY_OTHERS:
            return redirect(url_for("account.password_form"), 303)
        return view(*args, **kwargs)

    return guarded


def only(*roles: Role) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """As `signed_in`; who is in and has none of these roles is told so."""

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if reader().role not in roles:
                abort(403, f"Only {words.listed([ROLE_WORDS[role] for role in roles])} may open this page.")
            return view(*args, **kwargs)

        return signed_in(guarded)

    return guard


def must_change_password() -> bool:
    """Whether the reader's password was made by another, and they came in with it."""
    return reader().password_once and not session.get("by_provider")


def is_picture() -> bool:
    """Whether this request is for an image, a mask or a thumbnail."""
    return request.blueprint == "pictures"


def is_automatic() -> bool:
    """Whether a page asks by itself, without its reader: that keeps no session alive."""
    return request.headers.get("X-Automatic") == "yes"


def _load() -> SignedIn | None:
    user_id, now = session.get("user"), int(time.time())
    if user_id is None:
        return None
    if now - session.get("began", 0) > ABSOLUTE.total_seconds() or now - session.get("seen", 0) > IDLE.total_seconds():
        return None
    if now - session["seen"] > REFRESH.total_seconds() and not is_picture() and not is_automatic():
        session["seen"] = now
    try:
        with desk().database.transaction() as records:
            user = get_user(session=records, user_id=UUID(user_id))
    except AccessDenied:
        return None
    lacks_factor = door().second_factor_required and not user.second_factor and not session.get("by_provider")
    return None if lacks_factor or session.get("epoch") != user.session_epoch else user
