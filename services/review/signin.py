"""Sign-in and sign-out: the password, then the second factor."""

import logging
import time
from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from services.records.access import SignedIn, authenticate_user, get_user, record_sign_in
from services.records.audit import Actor, Subject, record_event
from services.records.errors import AccessDenied, Conflict
from services.records.second_factor import check_code, confirm_enrolment
from services.records.states import ActorKind, AuditAction, Role
from services.review import enrolment, reader
from services.review.door import door

log = logging.getLogger(__name__)
blueprint = Blueprint("signin", __name__)

REFUSED = "The e-mail address or the password is not right."
# Between the password and the code.
PENDING_SECONDS = 600


@blueprint.get("/sign-in")
def form() -> ResponseReturnValue:
    """The sign-in page; somebody who is signed in goes to the worklist."""
    if reader.current() is not None:
        return redirect(url_for("desk.worklist_page"), 303)
    return _page()


@blueprint.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Checks the password. The answer never says which part was wrong."""
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    throttle = reader.desk().throttle
    if wait := throttle.wait(email):
        return _page(email=email, problem=slowed(wait, "account"), status=429, wait=wait)
    # Counted before the slow check: attempts sent at once must not all be let through.
    throttle.failed(email)
    try:
        with reader.desk().database.transaction() as records:
            user = authenticate_user(session=records, email=email, password=password)
            complete = not user.second_factor and not door().second_factor_required
            if complete:
                record_sign_in(session=records, user_id=user.user_id, how="password")
    except AccessDenied:
        record_refusal()
        return _page(email=email, problem=REFUSED, status=401)
    throttle.succeeded(email)
    if complete:
        return enter(user)
    _wait_for_second_step(user)
    return redirect(url_for("signin.code_form" if user.second_factor else "signin.enrolment_form"), 303)


@blueprint.get("/sign-in/code")
def code_form() -> ResponseReturnValue:
    """Asks for the second factor, after the password only."""
    user = pending()
    return _code_page() if user and user.second_factor else redirect(url_for("signin.form"), 303)


@blueprint.post("/sign-in/code")
def check_second_factor() -> ResponseReturnValue:
    """Checks the code and lets the person in, in a new session."""
    user, seal = pending(), enrolment.seal()
    if user is None or not user.second_factor:
        return redirect(url_for("signin.form"), 303)
    if wait := door().codes.wait(str(user.user_id)):
        return _code_page(problem=slowed(wait, "account"), status=429, wait=wait)
    door().codes.failed(str(user.user_id))
    now, code = datetime.now(UTC), request.form.get("code", "")
    try:
        with reader.desk().database.transaction() as records:
            how = check_code(session=records, user_id=user.user_id, code=code, seal=seal, now=now)
            record_sign_in(session=records, user_id=user.user_id, how=how)
    except AccessDenied as error:
        record_refusal()
        return _code_page(problem=str(error), status=401)
    door().codes.succeeded(str(user.user_id))
    return enter(user)


@blueprint.get("/sign-in/second-factor")
def enrolment_form() -> ResponseReturnValue:
    """Leads somebody who must have a second factor to set it up, after the password only."""
    user = pending()
    return _enrolment_page(user) if user and not user.second_factor else redirect(url_for("signin.form"), 303)


@blueprint.post("/sign-in/second-factor")
def enrol() -> ResponseReturnValue:
    """Checks the first code, lets the person in, in a new session, and shows the recovery codes."""
    user, seal = pending(), enrolment.seal()
    if user is None or user.second_factor:
        return redirect(url_for("signin.form"), 303)
    now, code = datetime.now(UTC), request.form.get("code", "")
    try:
        with reader.desk().database.transaction() as records:
            codes = confirm_enrolment(session=records, user_id=user.user_id, code=code, seal=seal, now=now)
            record_sign_in(session=records, user_id=user.user_id, how="code")
    except Conflict:
        return redirect(url_for("signin.code_form"), 303)
    except AccessDenied as error:
        return _enrolment_page(user, problem=str(error), status=422)
    reader.begin(user)
    return enrolment.recovery_page(codes, onward=_onward(user))


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Ends the session; the browser drops what it had cached of this site."""
    session.clear()
    answer = redirect(url_for("signin.form"), 303)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def enter(user: SignedIn, *, by_provider: bool = False) -> ResponseReturnValue:
    """Begins the session of somebody who has passed every step, and opens the page that was asked for."""
    reader.begin(user, by_provider=by_provider)
    return redirect(_onward(user), 303)


def _onward(user: SignedIn) -> str:
    """The page that was asked for; else the worklist, or the administration for an administrator who reads for no portal."""
    home = "admin.portals" if user.role is Role.ADMIN and not user.tenant_ids else "desk.worklist_page"
    return str(session.pop("wanted", None) or url_for(home))


def pending() -> SignedIn | None:
    """Who has given the right password a moment ago and not yet the second factor."""
    user_id = session.get("pending")
    if user_id is None or time.time() - session["pending_since"] > PENDING_SECONDS:
        return None
    try:
        with reader.desk().database.transaction() as records:
            user = get_user(session=records, user_id=UUID(user_id))
    except AccessDenied:
        return None
    return user if user.session_epoch == session["pending_epoch"] else None


def slowed(wait: int, what: str) -> str:
    """Says how long to wait after too many attempts; `wait` in seconds."""
    return f"Too many attempts for this {what}. Try again in {(wait + 59) // 60} min, or ask your administrator."


def record_refusal() -> None:
    """Notes that somebody was not let in."""
    # In a transaction of its own: the one that refused is rolled back. Whose account it was is nobody's business here.
    log.info("sign-in refused")
    actor = Actor(ActorKind.USER, None)
    with reader.desk().database.transaction() as records:
        record_event(session=records, tenant_id=None, actor=actor, action=AuditAction.USER_REFUSED, subject=Subject("user"))


def _wait_for_second_step(user: SignedIn) -> None:
    reader.renew()
    session["pending"], session["pending_epoch"] = str(user.user_id), user.session_epoch
    session["pending_since"] = int(time.time())


def _page(*, email: str = "", problem: str = "", status: int = 200, wait: int = 0) -> ResponseReturnValue:
    idle_minutes = int(reader.IDLE.total_seconds() // 60)
    provider = door().provider
    page = render_template(
        "sign_in.html", email=email, problem=problem, idle_minutes=idle_minutes, provider=provider.name if provider else None
    )
    return page, status, {"Retry-After": str(wait)} if wait else {}


def _code_page(*, problem: str = "", status: int = 200, wait: int = 0) -> ResponseReturnValue:
    return render_template("sign_in_code.html", problem=problem), status, {"Retry-After": str(wait)} if wait else {}


def _enrolment_page(user: SignedIn, *, problem: str = "", status: int = 200) -> ResponseReturnValue:
    action = url_for("signin.enrol")
    return enrolment.page(user.user_id, action=action, ask_password=False, problem=problem), status
