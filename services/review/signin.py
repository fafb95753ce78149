"""Sign-in and sign-out."""

import logging

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from services.records.access import authenticate_user
from services.records.audit import Actor, Subject, record_event
from services.records.errors import AccessDenied
from services.records.states import ActorKind, AuditAction
from services.review import reader

log = logging.getLogger(__name__)
blueprint = Blueprint("signin", __name__)

REFUSED = "The e-mail address or the password is not right."


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
        minutes = (wait + 59) // 60
        problem = f"Too many attempts for this account. Try again in {minutes} min, or ask your administrator."
        return _page(email=email, problem=problem, status=429, wait=wait)
    # Counted before the slow check: attempts sent at once must not all be let through.
    throttle.failed(email)
    try:
        with reader.desk().database.transaction() as records:
            user = authenticate_user(session=records, email=email, password=password)
    except AccessDenied:
        _record_refusal()
        return _page(email=email, problem=REFUSED, status=401)
    throttle.succeeded(email)
    reader.begin(user)
    return redirect(session.pop("wanted", None) or url_for("desk.worklist_page"), 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Ends the session; the browser drops what it had cached of this site."""
    session.clear()
    answer = redirect(url_for("signin.form"), 303)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _record_refusal() -> None:
    # In a transaction of its own: the one that refused is rolled back. Whose account it was is nobody's business here.
    log.info("sign-in refused")
    actor = Actor(ActorKind.USER, None)
    with reader.desk().database.transaction() as records:
        record_event(session=records, tenant_id=None, actor=actor, action=AuditAction.USER_REFUSED, subject=Subject("user"))


def _page(*, email: str = "", problem: str = "", status: int = 200, wait: int = 0) -> ResponseReturnValue:
    idle_minutes = int(reader.IDLE.total_seconds() // 60)
    page = render_template("sign_in.html", email=email, problem=problem, idle_minutes=idle_minutes)
    return page, status, {"Retry-After": str(wait)} if wait else {}
