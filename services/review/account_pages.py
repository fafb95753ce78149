"""A person's own account: password, second factor, sessions."""

from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records.access import SHORTEST_PASSWORD, get_user
from services.records.accounts import change_password as set_new_password
from services.records.accounts import confirm_password, end_sessions, get_account
from services.records.audit import Actor
from services.records.errors import AccessDenied, Conflict, InvalidRecord
from services.records.second_factor import confirm_enrolment, remove_second_factor
from services.review import enrolment, reader, signin
from services.review.door import door
from services.review.times import Moment

blueprint = Blueprint("account", __name__, url_prefix="/account")

NOT_THE_SAME = "The two new passwords are not the same."
DONE = {
    "password": "Password changed. Sessions on other devices have ended.",
    "removed": "Second factor removed. Sessions on other devices have ended.",
}


class TooMany(Exception):
    """The password was typed wrongly too often; `wait` in seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(signin.slowed(wait, "account"))
        self.wait = wait


@blueprint.get("")
@reader.signed_in
def overview() -> ResponseReturnValue:
    """What is known of the account, and what can be changed."""
    return _overview(done=DONE.get(session.pop("account_done", ""), ""))


@blueprint.get("/password")
@reader.signed_in
def password_form() -> ResponseReturnValue:
    """Asks for the present password and a new one."""
    return _password_page()


@blueprint.post("/password")
@reader.signed_in
def change_password() -> ResponseReturnValue:
    """Changes the password; every other session of the person ends, this one is renewed."""
    old, new = request.form.get("password", ""), request.form.get("new_password", "")
    if new != request.form.get("new_password_again", ""):
        return _password_page(NOT_THE_SAME), 422
    try:
        _may_try()
        with reader.desk().database.transaction() as records:
            user = set_new_password(session=records, user_id=reader.reader().user_id, old=old, new=new)
    except (AccessDenied, InvalidRecord, TooMany) as error:
        return _password_page(_said(error)), _status(error)
    _tried_well()
    reader.begin(user, by_provider=bool(session.get("by_provider")))
    session["account_done"] = "password"
    return redirect(url_for("account.overview"), 303)


@blueprint.get("/second-factor")
@reader.signed_in
def second_factor_form() -> ResponseReturnValue:
    """Shows what to scan; who has a second factor goes back to the overview."""
    if reader.reader().second_factor:
        return redirect(url_for("account.overview"), 303)
    return _enrolment_page()


@blueprint.post("/second-factor")
@reader.signed_in
def set_second_factor() -> ResponseReturnValue:
    """Makes the second factor count once the password and a first code are right."""
    closed, now, code = enrolment.seal(), datetime.now(UTC), request.form.get("code", "")
    user_id = reader.reader().user_id
    try:
        with reader.desk().database.transaction() as records:
            _confirm_password(records)
            codes = confirm_enrolment(session=records, user_id=user_id, code=code, seal=closed, now=now)
            end_sessions(session=records, user_id=user_id, actor=Actor.user(user_id), why="sessions")
            user = get_user(session=records, user_id=user_id)
    except Conflict:
        return redirect(url_for("account.overview"), 303)
    except (AccessDenied, TooMany) as error:
        return _enrolment_page(_said(error)), _status(error)
    _tried_well()
    reader.begin(user, by_provider=bool(session.get("by_provider")))
    return enrolment.recovery_page(codes, onward=url_for("account.overview"))


@blueprint.post("/second-factor/remove")
@reader.signed_in
def remove() -> ResponseReturnValue:
    """Forgets the second factor. Where one is required, the next sign-in sets up another."""
    user_id = reader.reader().user_id
    try:
        with reader.desk().database.transaction() as records:
            _confirm_password(records)
            remove_second_factor(session=records, user_id=user_id, actor=Actor.user(user_id))
            end_sessions(session=records, user_id=user_id, actor=Actor.user(user_id), why="sessions")
            user = get_user(session=records, user_id=user_id)
    except (AccessDenied, TooMany) as error:
        return _overview(problem=_said(error)), _status(error)
    _tried_well()
    by_provider = bool(session.get("by_provider"))
    if door().second_factor_required and not by_provider:
        session.clear()
        return redirect(url_for("signin.form"), 303)
    reader.begin(user, by_provider=by_provider)
    session["account_done"] = "removed"
    return redirect(url_for("account.overview"), 303)


@blueprint.post("/sign-out-everywhere")
@reader.signed_in
def sign_out_everywhere() -> ResponseReturnValue:
    """Ends every session of the person, this one too."""
    user_id = reader.reader().user_id
    with reader.desk().database.transaction() as records:
        end_sessions(session=records, user_id=user_id, actor=Actor.user(user_id), why="sessions")
    return signin.sign_out()


def _overview(*, done: str = "", problem: str = "") -> str:
    with reader.desk().database.transaction() as records:
        account = get_account(session=records, user_id=reader.reader().user_id)
    since = Moment.of(account.second_factor_since) if account.second_factor_since else None
    facts = {"account": account, "since": since, "role": reader.ROLE_WORDS[reader.reader().role].removesuffix("s")}
    offered = {"required": door().second_factor_required, "available": door().seal is not None}
    return render_template("account.html", **facts, **offered, done=done, problem=problem)


def _password_page(problem: str = "") -> str:
    made_by_others = reader.must_change_password()
    return render_template("account_password.html", problem=problem, first=made_by_others, shortest=SHORTEST_PASSWORD)


def _enrolment_page(problem: str = "") -> str:
    action = url_for("account.set_second_factor")
    return enrolment.page(reader.reader().user_id, action=action, ask_password=True, problem=problem)


def _confirm_password(records: Session) -> None:
    _may_try()
    confirm_password(session=records, user_id=reader.reader().user_id, password=request.form.get("password", ""))


def _may_try() -> None:
    # Whoever sits down at a desk that was left open must not guess the password at leisure.
    throttle, account = reader.desk().throttle, f"account {reader.reader().user_id}"
    if wait := throttle.wait(account):
        raise TooMany(wait)
    throttle.failed(account)


def _tried_well() -> None:
    reader.desk().throttle.succeeded(f"account {reader.reader().user_id}")


def _said(error: Exception) -> str:
    text = str(error).removeprefix("password: ")
    return text[:1].upper() + text[1:]


def _status(error: Exception) -> int:
    return 429 if isinstance(error, TooMany) else 422
