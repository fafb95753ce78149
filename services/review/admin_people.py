"""For administrators: the people who sign in."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records import administration
from services.records.access import create_user
from services.records.audit import Actor
from services.records.errors import AccessDenied, Conflict, InvalidRecord
from services.records.states import Role
from services.review import reader
from services.review.admin_forms import NewUser, new_user, said, user_change
from services.review.admin_view import ROLES, person_row, portal_choices

blueprint = Blueprint("people", __name__, url_prefix="/admin/users")

DONE = {
    "changed": "Saved.",
    "disabled": "Disabled. Their sessions have ended; their name stays on what they decided.",
    "enabled": "Enabled again, with the password and the second factor they had.",
    "reset": "The second factor is reset, and their sessions have ended. Where one is required, the next sign-in sets up another.",
}


@blueprint.get("")
@reader.only(Role.ADMIN)
def everybody() -> ResponseReturnValue:
    """All people, and a form for one more."""
    return _everybody_page()


@blueprint.post("")
@reader.only(Role.ADMIN)
def create() -> ResponseReturnValue:
    """Makes a user and shows the password for the first sign-in, this once."""
    password, entered = _one_time_password(), NewUser()
    try:
        entered = new_user(request.form)
        with reader.desk().database.transaction(admin=True) as records:
            user_id = _create(records, entered, password)
            person = administration.get_user_view(session=records, user_id=user_id)
    except (Conflict, InvalidRecord) as error:
        return _everybody_page(problem=said(error), entered=entered), 422
    return render_template("admin_new_password.html", person=person, password=password, new=True)


@blueprint.get("/<uuid:user_id>")
@reader.only(Role.ADMIN)
def person(user_id: UUID) -> ResponseReturnValue:
    """One person."""
    return _person_page(user_id, done=DONE.get(session.pop("admin_done", ""), ""))


@blueprint.post("/<uuid:user_id>")
@reader.only(Role.ADMIN)
def change(user_id: UUID) -> ResponseReturnValue:
    """Changes name, role and portals."""

    def step(records: Session, admin_id: UUID) -> None:
        administration.change_user(session=records, user_id=user_id, change=user_change(request.form), admin_id=admin_id)

    return _carry_out(user_id, step, done="changed")


@blueprint.post("/<uuid:user_id>/disable")
@reader.only(Role.ADMIN)
def disable(user_id: UUID) -> ResponseReturnValue:
    """Lets the person in no more."""

    def step(records: Session, admin_id: UUID) -> None:
        administration.disable_user(session=records, user_id=user_id, admin_id=admin_id)

    return _carry_out(user_id, step, done="disabled")


@blueprint.post("/<uuid:user_id>/enable")
@reader.only(Role.ADMIN)
def enable(user_id: UUID) -> ResponseReturnValue:
    """Lets a disabled person in again."""

    def step(records: Session, admin_id: UUID) -> None:
        administration.enable_user(session=records, user_id=user_id, admin_id=admin_id)

    return _carry_out(user_id, step, done="enabled")


@blueprint.post("/<uuid:user_id>/reset-second-factor")
@reader.only(Role.ADMIN)
def reset_second_factor(user_id: UUID) -> ResponseReturnValue:
    """Forgets a second factor whose app and codes are lost."""

    def step(records: Session, admin_id: UUID) -> None:
        administration.reset_second_factor(session=records, user_id=user_id, admin_id=admin_id)

    return _carry_out(user_id, step, done="reset")


@blueprint.post("/<uuid:user_id>/reset-password")
@reader.only(Role.ADMIN)
def reset_password(user_id: UUID) -> ResponseReturnValue:
    """Makes a password for the next sign-in and shows it, this once."""
    password = _one_time_password()

    def step(records: Session, admin_id: UUID) -> None:
        administration.reset_password(session=records, user_id=user_id, password=password, admin_id=admin_id)

    if refused := _refused(user_id, step):
        return refused
    with reader.desk().database.transaction(admin=True) as records:
        found = administration.get_user_view(session=records, user_id=user_id)
    return render_template("admin_new_password.html", person=found, password=password, new=False)


def _create(records: Session, entered: NewUser, password: str) -> UUID:
    administration.check_portals(session=records, tenant_ids=entered.change.tenant_ids)
    return create_user(
        session=records,
        email=entered.email,
        name=entered.change.name,
        role=entered.change.role,
        password=password,
        tenants=sorted(entered.change.tenant_ids),
        trainee=entered.change.trainee,
        password_once=True,
        actor=Actor.user(reader.reader().user_id),
    )


def _carry_out(user_id: UUID, step: Callable[[Session, UUID], None], *, done: str) -> ResponseReturnValue:
    if refused := _refused(user_id, step):
        return refused
    session["admin_done"] = done
    return redirect(url_for("people.person", user_id=user_id), 303)


def _refused(user_id: UUID, step: Callable[[Session, UUID], None]) -> ResponseReturnValue | None:
    """Takes the step; answers with the person's page where it is refused."""
    try:
        with reader.desk().database.transaction(admin=True) as records:
            step(records, reader.reader().user_id)
    except InvalidRecord as error:
        return _person_page(user_id, problem=said(error)), 422
    except AccessDenied as error:
        abort(403, str(error))
    return None


def _one_time_password() -> str:
    return secrets.token_urlsafe(15)


def _everybody_page(*, problem: str = "", entered: NewUser | None = None) -> str:
    with reader.desk().database.transaction(admin=True) as records:
        users = administration.list_users(session=records)
        portals = administration.list_portals(session=records)
    now = datetime.now(UTC)
    names = {portal.id: portal.settings.name for portal in portals}
    rows = [person_row(user, names, me=reader.reader().user_id, now=now) for user in users]
    entered = entered or NewUser()
    choices = portal_choices(portals, entered.change.tenant_ids)
    return render_template("admin_users.html", people=rows, entered=entered, portals=choices, roles=ROLES, problem=problem)


def _person_page(user_id: UUID, *, done: str = "", problem: str = "") -> str:
    with reader.desk().database.transaction(admin=True) as records:
        user = administration.get_user_view(session=records, user_id=user_id)
        portals = administration.list_portals(session=records)
    names = {portal.id: portal.settings.name for portal in portals}
    row = person_row(user, names, me=reader.reader().user_id, now=datetime.now(UTC))
    choices = portal_choices(portals, user.tenant_ids)
    return render_template("admin_user.html", person=row, portals=choices, roles=ROLES, done=done, problem=problem)
