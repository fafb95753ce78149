"""Keys and passwords."""

import re
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from services.records import access
from services.records.errors import AccessDenied, Conflict, InvalidRecord
from services.records.states import Role
from tests.records.worlds import PASSWORD, Portal


def authenticate(portal: Portal, plain: str) -> access.Portal:
    with portal.logins.intake.transaction() as session:
        return access.authenticate_key(session=session, plain=plain)


def sign_in(portal: Portal, email: str, password: str = PASSWORD) -> access.SignedIn:
    with portal.logins.review.transaction() as session:
        return access.authenticate_user(session=session, email=email, password=password)


def test_a_key_opens_its_portal(portal: Portal) -> None:
    assert authenticate(portal, portal.key) == access.Portal(portal.tenant_id, portal.key_id, "test")


def test_the_secret_of_a_key_is_not_stored(portal: Portal, behind: Connection) -> None:
    secret = portal.key.removeprefix("dmt_").split("_", 1)[1]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)
    assert secret not in str(behind.execute(text("SELECT * FROM api_keys")).all())


@pytest.mark.parametrize("plain", ["", "dmt_", "Bearer x", "dmt_000000000000_" + "a" * 43])
def test_an_unknown_key_is_refused(portal: Portal, plain: str) -> None:
    with pytest.raises(AccessDenied):
        authenticate(portal, plain)


def test_a_key_with_another_secret_is_refused(portal: Portal, other: Portal) -> None:
    with pytest.raises(AccessDenied):
        authenticate(portal, portal.key[:17] + other.key[17:])


def test_a_revoked_key_is_refused(portal: Portal) -> None:
    prefix = portal.key.split("_")[1]
    with portal.logins.owner.transaction() as session:
        access.revoke_api_key(session=session, tenant_id=portal.tenant_id, prefix=prefix)
    with pytest.raises(AccessDenied):
        authenticate(portal, portal.key)
    with portal.logins.owner.transaction() as session, pytest.raises(InvalidRecord, match=prefix):
        access.revoke_api_key(session=session, tenant_id=portal.tenant_id, prefix=prefix)


@pytest.mark.parametrize("slug", ["", "North", "a b", "-a", "ä", "a" * 64])
def test_a_slug_that_cannot_be_typed_is_refused(portal: Portal, slug: str) -> None:
    with portal.logins.owner.transaction() as session, pytest.raises(InvalidRecord, match="slug"):
        access.create_tenant(session=session, name="x", slug=slug)


def test_a_slug_or_address_is_given_once(portal: Portal) -> None:
    with portal.logins.owner.transaction() as session:
        with pytest.raises(Conflict, match="north"):
            access.create_tenant(session=session, name="x", slug="north")
        with pytest.raises(Conflict, match=r"north@derma\.example"):
            access.create_user(session=session, email=portal.email.upper(), name="x", role=Role.LEAD, password=PASSWORD, tenants=[])


def test_a_password_signs_in_whatever_the_case_of_the_address(portal: Portal) -> None:
    expected = access.SignedIn(portal.user_id, "Dr L.", Role.DERMATOLOGIST, (portal.tenant_id,))
    assert sign_in(portal, f" {portal.email.upper()} ") == expected
    with portal.logins.review.transaction() as session:
        assert access.get_user(session=session, user_id=portal.user_id) == expected


@pytest.mark.parametrize("password", ["", "wrong password", PASSWORD + " ", "x" * 2000])
def test_a_wrong_password_is_refused(portal: Portal, password: str) -> None:
    with pytest.raises(AccessDenied):
        sign_in(portal, portal.email, password)


def test_an_unknown_address_is_checked_against_a_hash_too(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def verify(password_hash: str, _: str) -> bool:
        checked.append(password_hash)
        return True

    monkeypatch.setattr(access, "_verify", verify)
    with pytest.raises(AccessDenied):
        sign_in(portal, "nobody@derma.example")
    assert checked[0].startswith("$argon2id$")


def test_a_disabled_user_is_out_at_once(portal: Portal, behind: Connection) -> None:
    behind.execute(text("UPDATE users SET state = 'disabled'"))
    with pytest.raises(AccessDenied):
        sign_in(portal, portal.email)
    with portal.logins.review.transaction() as session, pytest.raises(AccessDenied):
        access.get_user(session=session, user_id=portal.user_id)


def test_a_user_that_never_was_is_refused(portal: Portal) -> None:
    with portal.logins.review.transaction() as session, pytest.raises(AccessDenied):
        access.get_user(session=session, user_id=uuid4())


@pytest.mark.parametrize(("email", "password", "field"), [("no address", PASSWORD, "email"), ("a@b", "short", "password")])
def test_a_user_without_a_proper_address_or_password_is_refused(portal: Portal, email: str, password: str, field: str) -> None:
    with portal.logins.owner.transaction() as session, pytest.raises(InvalidRecord, match=f"^{field}"):
        access.create_user(session=session, email=email, name="x", role=Role.LEAD, password=password, tenants=[])
