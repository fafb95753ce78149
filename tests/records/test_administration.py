"""What administrators may change, what they may not see, and who is left to administer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from services.records import access, accounts, administration
from services.records.administration import NotKnown, UserChange
from services.records.audit import Actor
from services.records.errors import AccessDenied, InvalidRecord
from services.records.states import Role
from tests.records.worlds import PASSWORD, Portal

HIDDEN = ["patients", "lesions", "cases", "images", "jobs", "analyses", "reviews", "case_claims", "first_opinions", "outlines"]


def person(portal: Portal, email: str, role: Role = Role.ADMIN) -> UUID:
    with portal.logins.owner.transaction() as session:
        return access.create_user(session=session, email=email, name=email, role=role, password=PASSWORD, tenants=[])


def as_admin(portal: Portal, step: Callable[..., Any], **given: Any) -> Any:
    with portal.logins.review.transaction(admin=True) as session:
        return step(session=session, **given)


@pytest.fixture
def admin(portal: Portal) -> UUID:
    return person(portal, "admin@derma.example")


def user(portal: Portal, user_id: UUID) -> administration.UserView:
    found: administration.UserView = as_admin(portal, administration.get_user_view, user_id=user_id)
    return found


def said_of(view: administration.UserView, **changes: Any) -> UserChange:
    return replace(UserChange(view.name, view.role, view.trainee, view.tenant_ids), **changes)


def actions(behind: Connection) -> list[str]:
    return list(behind.execute(text("SELECT action FROM audit_events ORDER BY created_at")).scalars())


@pytest.mark.parametrize("table", HIDDEN)
def test_an_administrators_transaction_sees_no_patients(portal: Portal, admin: UUID, table: str) -> None:
    portal.submit(lesion_reference="L-1")
    with portal.logins.review.transaction(admin=True) as session:
        assert session.execute(text(f"SELECT 1 FROM {table}")).all() == []


def test_an_administrators_transaction_changes_no_case(portal: Portal, admin: UUID) -> None:
    portal.submit()
    with portal.logins.review.transaction(admin=True) as session:
        assert session.execute(text("UPDATE cases SET state = 'queued' RETURNING id")).all() == []


def test_a_readers_transaction_neither_sees_keys_nor_other_peoples_portals_nor_the_trail(portal: Portal, other: Portal) -> None:
    with portal.logins.review.transaction(tenants=[portal.tenant_id], user=portal.user_id) as session:
        assert session.execute(text("SELECT id FROM api_keys")).all() == []
        assert session.execute(text("SELECT id FROM audit_events")).all() == []
        assert session.scalars(text("SELECT tenant_id FROM memberships")).all() == [portal.tenant_id]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO memberships (id, tenant_id, user_id) VALUES (gen_random_uuid(), :other, :user)",
        "INSERT INTO api_keys (id, tenant_id, name, prefix, secret_hash) VALUES (gen_random_uuid(), :other, 'x', 'ab', repeat('0', 64))",
        "INSERT INTO tenants (id, name, slug) VALUES (gen_random_uuid(), 'x', 'planted')",
    ],
)
def test_a_readers_transaction_cannot_give_itself_more(portal: Portal, other: Portal, change: str) -> None:
    reading = portal.logins.review.transaction(tenants=[portal.tenant_id], user=portal.user_id)
    with pytest.raises(ProgrammingError, match="row-level security"), reading as session:
        session.execute(text(change), {"other": other.tenant_id, "user": portal.user_id})


def test_the_secret_of_a_key_is_read_by_no_administrator(portal: Portal, admin: UUID) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), portal.logins.review.transaction(admin=True) as session:
        session.execute(text("SELECT secret_hash FROM api_keys"))


def test_a_portal_is_made_served_in_another_way_and_found(portal: Portal, admin: UUID, behind: Connection) -> None:
    made = as_admin(portal, access.create_tenant, name="East", slug="east", actor=Actor.user(admin))
    view = as_admin(portal, administration.get_portal, tenant_id=made.id)
    wanted = replace(view.settings, urgent_hours=4, blind_first_read=True, second_read_share=0.2, second_read_risk=0.3)
    as_admin(portal, administration.change_portal, tenant_id=made.id, settings=wanted, actor=Actor.user(admin))
    assert as_admin(portal, administration.get_portal, tenant_id=made.id).settings == wanted
    as_admin(portal, administration.change_portal, tenant_id=made.id, settings=wanted, actor=Actor.user(admin))
    assert actions(behind)[-2:] == ["portal.created", "portal.changed"]
    names = [found.settings.name for found in as_admin(portal, administration.list_portals)]
    assert names == ["East", "North"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "},
        {"urgent_hours": 0},
        {"routine_hours": 9000},
        {"urgent_hours": 100},
        {"second_read_share": 1.5},
        {"second_read_risk": -0.1},
        {"second_read_share": float("nan")},
    ],
)
def test_settings_that_mean_nothing_are_refused(portal: Portal, admin: UUID, change: dict[str, Any]) -> None:
    settings = replace(as_admin(portal, administration.get_portal, tenant_id=portal.tenant_id).settings, **change)
    with pytest.raises(InvalidRecord):
        as_admin(portal, administration.change_portal, tenant_id=portal.tenant_id, settings=settings, actor=Actor.user(admin))


def test_a_key_is_rotated_with_overlap(portal: Portal, admin: UUID) -> None:
    given = {"tenant_id": portal.tenant_id, "actor": Actor.user(admin)}
    _, plain = as_admin(portal, access.create_api_key, name="test", replaces=portal.key_id, **given)
    prefix = portal.key.split("_")[1]
    at = as_admin(portal, access.revoke_api_key, prefix=prefix, after=timedelta(hours=24), **given)
    for key in (portal.key, plain):
        with portal.logins.intake.transaction() as session:
            assert access.authenticate_key(session=session, plain=key).tenant_id == portal.tenant_id
    sooner = as_admin(portal, access.revoke_api_key, prefix=prefix, **given)
    assert sooner < at
    with pytest.raises(AccessDenied), portal.logins.intake.transaction() as session:
        access.authenticate_key(session=session, plain=portal.key)
    states = [(key.in_use, key.last_used_at) for key in as_admin(portal, administration.list_keys, tenant_id=portal.tenant_id)]
    assert states == [(True, None), (False, None)]


def test_a_keys_last_use_is_known(portal: Portal, admin: UUID) -> None:
    portal.submit()
    (key,) = as_admin(portal, administration.list_keys, tenant_id=portal.tenant_id)
    assert key.last_used_at is not None


def test_another_portals_key_is_not_known(portal: Portal, other: Portal, admin: UUID) -> None:
    with pytest.raises(NotKnown):
        as_admin(portal, administration.get_key, tenant_id=portal.tenant_id, key_id=other.key_id)


def test_a_person_gets_another_role_and_other_portals(portal: Portal, other: Portal, admin: UUID, behind: Connection) -> None:
    change = said_of(user(portal, portal.user_id), role=Role.LEAD, trainee=True, tenant_ids=frozenset({other.tenant_id}))
    as_admin(portal, administration.change_user, user_id=portal.user_id, change=change, admin_id=admin)
    with portal.logins.review.transaction() as session:
        found = access.get_user(session=session, user_id=portal.user_id)
    assert (found.role, found.tenant_ids) == (Role.LEAD, (other.tenant_id,))
    details = behind.execute(text("SELECT details FROM audit_events WHERE action = 'user.changed'")).scalar_one()
    assert details["changed"] == ["role", "trainee"]
    assert details["portals_removed"] == [str(portal.tenant_id)]


def test_disabling_ends_sessions_and_enabling_brings_none_back(portal: Portal, admin: UUID) -> None:
    with portal.logins.review.transaction() as session:
        before = access.get_user(session=session, user_id=portal.user_id).session_epoch
    as_admin(portal, administration.disable_user, user_id=portal.user_id, admin_id=admin)
    with pytest.raises(AccessDenied), portal.logins.review.transaction() as session:
        access.get_user(session=session, user_id=portal.user_id)
    as_admin(portal, administration.enable_user, user_id=portal.user_id, admin_id=admin)
    with portal.logins.review.transaction() as session:
        assert access.get_user(session=session, user_id=portal.user_id).session_epoch > before


def test_a_reset_password_must_be_changed(portal: Portal, admin: UUID) -> None:
    as_admin(portal, administration.reset_password, user_id=portal.user_id, password="made by the admin", admin_id=admin)
    with portal.logins.review.transaction() as session:
        found = access.authenticate_user(session=session, email=portal.email, password="made by the admin")
        assert found.password_once
        changed = accounts.change_password(session=session, user_id=portal.user_id, old="made by the admin", new="chosen by the reader")
    assert (changed.password_once, changed.session_epoch) == (False, found.session_epoch + 1)


def test_administrators_do_not_shut_themselves_out(portal: Portal, admin: UUID) -> None:
    steps: list[Callable[[Session], None]] = [
        lambda session: administration.disable_user(session=session, user_id=admin, admin_id=admin),
        lambda session: administration.reset_second_factor(session=session, user_id=admin, admin_id=admin),
        lambda session: administration.reset_password(session=session, user_id=admin, password=PASSWORD, admin_id=admin),
        lambda session: administration.change_user(
            session=session, user_id=admin, change=UserChange("A", Role.LEAD, trainee=False, tenant_ids=frozenset()), admin_id=admin
        ),
    ]
    for step in steps:
        with pytest.raises(InvalidRecord), portal.logins.review.transaction(admin=True) as session:
            step(session)


def test_two_administrators_who_disable_each_other_at_once_leave_one(portal: Portal, admin: UUID, behind: Connection) -> None:
    second = person(portal, "second@derma.example")

    def disable(pair: tuple[UUID, UUID]) -> bool:
        try:
            as_admin(portal, administration.disable_user, user_id=pair[1], admin_id=pair[0])
        except AccessDenied:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, [(admin, second), (second, admin)])) == [False, True]
    left = behind.execute(text("SELECT count(*) FROM users WHERE role = 'admin' AND state = 'active'")).scalar_one()
    assert left == 1


@pytest.mark.parametrize("role", [Role.LEAD, Role.DERMATOLOGIST])
def test_who_is_no_administrator_changes_nobody(portal: Portal, admin: UUID, role: Role) -> None:
    impostor = person(portal, "impostor@derma.example", role)
    with pytest.raises(AccessDenied):
        as_admin(portal, administration.disable_user, user_id=portal.user_id, admin_id=impostor)


def test_nobody_is_not_known(portal: Portal, admin: UUID) -> None:
    for step in (administration.disable_user, administration.enable_user, administration.reset_second_factor):
        with pytest.raises(NotKnown):
            as_admin(portal, step, user_id=uuid4(), admin_id=admin)
    with pytest.raises(NotKnown):
        as_admin(portal, administration.get_portal, tenant_id=uuid4())


def test_a_subject_is_bound_once_by_a_verified_address(portal: Portal, other: Portal) -> None:
    def by(subject: str, email: str, *, verified: bool = True) -> UUID:
        with portal.logins.review.transaction() as session:
            found = accounts.sign_in_by_subject(session=session, subject=subject, email=email, email_verified=verified)
            return found.user_id

    for subject, email, verified in (("i 1", portal.email, False), ("i 1", "nobody@derma.example", True)):
        with pytest.raises(AccessDenied):
            by(subject, email, verified=verified)
    assert by("i 1", portal.email.upper()) == portal.user_id
    assert by("i 1", "another@derma.example", verified=False) == portal.user_id
    with pytest.raises(AccessDenied):
        by("i 2", portal.email)
    assert by("i 2", other.email) == other.user_id
