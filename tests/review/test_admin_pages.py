"""Administration by clicks: portals, keys, people, the trail."""

import re
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.records.access import authenticate_key
from services.records.states import Role
from tests.review.codes import code, secret_of
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, PASSWORD, Clinic, Seen

ADMIN = "admin@clinic.example"
KEY = re.compile(r"dmt_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
SERVED = {"name": "Portal A", "urgent_hours": "4", "soon_hours": "48", "routine_hours": "200", "second_read_share": "12.5"}
NO_PORTAL = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def admin(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    """An administrator, signed in."""
    clinic.user(email=ADMIN, role=Role.ADMIN, name="Ada Min")
    assert browser.sign_in(ADMIN).status_code == 303
    return browser


def keys_of(page: str) -> list[str]:
    return re.findall(r"/keys/([0-9a-f-]{36})/revoke", page)


def works(clinic: Clinic, plain: str) -> UUID:
    with clinic.intake.transaction() as session:
        return authenticate_key(session=session, plain=plain).tenant_id


def test_a_portal_is_made_and_given_a_key(clinic: Clinic, admin: Browser) -> None:
    made = admin.post("/admin/portals", page="/admin/portals", name="North Clinic", slug="north")
    page = made.headers["Location"]
    assert "has no key and cannot send cases" in words_of(admin.get(page))
    answer = admin.post(f"{page}/keys", page=page, name="upload station")
    (plain,) = KEY.findall(answer.text)
    assert page.endswith(str(works(clinic, plain)))
    again = admin.get(page).text
    assert plain not in again
    assert "upload station" in again


@pytest.mark.parametrize(("name", "slug"), [("", "north"), ("North", "No Slug"), ("Again", "portal-a")])
def test_a_portal_that_cannot_be_is_refused_and_what_was_typed_stays(admin: Browser, name: str, slug: str) -> None:
    answer = admin.post("/admin/portals", page="/admin/portals", name=name, slug=slug)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert f'value="{slug}"' in answer.text


def test_a_portal_is_served_in_another_way(tenant: UUID, admin: Browser, superuser_engine: Engine) -> None:
    page = f"/admin/portals/{tenant}"
    changes = {**SERVED, "blind_first_read": "on", "second_read_risk": "0.3", "second_read_disagreement": "on"}
    assert admin.post(page, page=page, **changes).status_code == 303
    listed = words_of(admin.get("/admin/portals"))
    assert "4 · 48 · 200 h blind 12.5 % at random, risk ≥ 0.3, disagreement with the model" in listed
    with superuser_engine.connect() as connection:
        details = connection.execute(text("SELECT details FROM audit_events WHERE action = 'portal.changed'")).scalar_one()
    assert details["second_read_share"] == 0.125
    assert admin.post(page, page=page, **{**SERVED, "second_read_share": "0"}).status_code == 303
    assert "trainees only" in words_of(admin.get("/admin/portals"))


@pytest.mark.parametrize("change", [{"urgent_hours": "soon"}, {"urgent_hours": "500"}, {"second_read_share": "101"}, {"name": ""}])
def test_a_portal_cannot_be_served_in_ways_that_mean_nothing(tenant: UUID, admin: Browser, change: dict[str, str]) -> None:
    page = f"/admin/portals/{tenant}"
    answer = admin.post(page, page=page, **{**SERVED, **change})
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)


def test_a_key_is_rotated_and_the_old_one_ends_when_it_is_told(clinic: Clinic, tenant: UUID, admin: Browser) -> None:
    page = f"/admin/portals/{tenant}"
    (old,) = KEY.findall(admin.post(f"{page}/keys", page=page, name="upload").text)
    (old_id,) = keys_of(admin.get(page).text)
    answer = admin.post(f"{page}/keys/{old_id}/rotate", page=page)
    (new,) = KEY.findall(answer.text)
    assert f"{page}/keys/{old_id}/revoke" in answer.text
    assert works(clinic, old) == works(clinic, new) == tenant
    confirm = f"{page}/keys/{old_id}/revoke"
    assert admin.post(confirm, page=confirm, after="24").headers["Location"] == page
    assert "stops in 23 h" in words_of(admin.get(page))
    assert works(clinic, old) == tenant
    admin.post(confirm, page=confirm, after="0")
    with pytest.raises(Exception, match="not valid"):
        works(clinic, old)
    assert works(clinic, new) == tenant
    assert admin.post(confirm, page=confirm, after="0").status_code == 422


def test_a_person_is_made_and_chooses_their_own_password(tenant: UUID, admin: Browser, app: Flask) -> None:
    answer = admin.post(
        "/admin/users", page="/admin/users", email="New@clinic.example", name="Dr New", role="lead", trainee="on", portals=str(tenant)
    )
    (password,) = re.findall(r'class="once"[^>]*><code>([^<]+)</code>', answer.text)
    assert password not in admin.get("/admin/users").text
    assert "Dr New new@clinic.example Lead, trainee Portal A off active never" in words_of(admin.get("/admin/users"))
    person = Browser(app.test_client())
    person.sign_in("new@clinic.example", password)
    for path in ("/models", "/account", "/account/second-factor"):
        assert person.get(path).headers["Location"] == "/account/password"
    chosen = "a password of my own"
    fields = {"password": password, "new_password": chosen, "new_password_again": chosen}
    assert person.post("/account/password", page="/account/password", **fields).status_code == 303
    assert person.get("/models").status_code == 200


@pytest.mark.parametrize("change", [{"email": "reader@clinic.example"}, {"email": "none"}, {"name": " "}, {"portals": NO_PORTAL}])
def test_a_person_who_cannot_be_is_refused(clinic: Clinic, tenant: UUID, admin: Browser, change: dict[str, str]) -> None:
    clinic.user(tenant)
    fields = {"email": "new@clinic.example", "name": "Dr New", "role": "dermatologist", **change}
    answer = admin.post("/admin/users", page="/admin/users", **fields)
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)


def test_a_person_is_changed_disabled_and_enabled(clinic: Clinic, tenant: UUID, admin: Browser, app: Flask) -> None:
    user_id = clinic.user(tenant)
    person = Browser(app.test_client())
    person.sign_in()
    page = f"/admin/users/{user_id}"
    assert admin.post(page, page=page, name="Dr Lind", role="lead").status_code == 303
    assert "Lead no portal" in words_of(admin.get("/admin/users"))
    assert admin.post(f"{page}/disable", page=page).status_code == 303
    assert person.get("/models").status_code == 303
    assert "disabled" in words_of(admin.get(page))
    assert admin.post(f"{page}/enable", page=page).status_code == 303
    assert person.get("/models").status_code == 303
    assert person.sign_in().status_code == 303


def test_a_new_password_by_an_administrator_is_for_once(clinic: Clinic, tenant: UUID, admin: Browser, app: Flask) -> None:
    page = f"/admin/users/{clinic.user(tenant)}"
    (password,) = re.findall(r'class="once"[^>]*><code>([^<]+)</code>', admin.post(f"{page}/reset-password", page=page).text)
    person = Browser(app.test_client())
    assert person.sign_in().status_code == 401
    person.sign_in(password=password)
    assert person.get("/models").headers["Location"] == "/account/password"


def test_administrators_see_why_they_cannot_shut_themselves_out(admin: Browser, superuser_engine: Engine) -> None:
    with superuser_engine.connect() as connection:
        me = connection.execute(text("SELECT id FROM users WHERE email = :email"), {"email": ADMIN}).scalar_one()
    page = f"/admin/users/{me}"
    assert "Way in" not in words_of(admin.get(page))
    for step in ("disable", "reset-second-factor", "reset-password"):
        assert admin.post(f"{page}/{step}", page=page).status_code == 422
    assert admin.post(page, page=page, name="Ada Min", role="lead").status_code == 422


def test_what_is_not_there_is_not_found(admin: Browser, tenant: UUID) -> None:
    nowhere = uuid4()
    paths = (f"/admin/portals/{nowhere}", f"/admin/users/{nowhere}", f"/admin/portals/{tenant}/keys/{nowhere}/revoke")
    assert [admin.get(path).status_code for path in paths] == [404] * 3


def test_the_trail_names_who_did_what_and_turns_pages(clinic: Clinic, tenant: UUID, admin: Browser) -> None:
    page = f"/admin/portals/{tenant}"
    admin.post(page, page=page, **SERVED)
    words = words_of(admin.get("/admin/audit"))
    assert "Ada Min portal changed" in words
    assert "portal created" in words
    only = words_of(admin.get(f"/admin/audit?portal={tenant}&action=portal.changed&since=2020-01-01&until=nonsense"))
    assert "Ada Min portal changed" in only
    assert words_of(admin.get("/admin/audit?action=key.created")).count("No event fits.") == 1
    assert admin.get("/admin/audit?before=nonsense").status_code == 200


def test_the_trail_is_turned_page_by_page(clinic: Clinic, admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(60):
        admin.get("/admin/audit")
        admin.get("/admin/audit")
    (older,) = re.findall(r'href="([^"]+)">Older events', admin.get("/admin/audit?portal=none").text)
    following = admin.get(older.replace("&amp;", "&")).text
    assert "portal=none" in older
    assert ">Newest</a>" in following


def test_a_chain_is_checked_and_a_change_is_told(clinic: Clinic, tenant: UUID, admin: Browser, superuser_engine: Engine) -> None:
    whole = admin.post("/admin/audit/check", page="/admin/audit", chain=str(tenant))
    assert "Portal A: the chain is whole" in words_of(whole)
    with superuser_engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE audit_events SET action = 'nothing' WHERE tenant_id = :tenant"), {"tenant": tenant})
    broken = words_of(admin.post("/admin/audit/check", page="/admin/audit", chain=str(tenant)))
    assert "Portal A: the chain is broken" in broken
    assert "Event 1 was changed." in broken
    assert "the chain is whole" in words_of(admin.post("/admin/audit/check", page="/admin/audit", chain="none"))


def test_nothing_of_a_patient_is_on_any_page(clinic: Clinic, tenant: UUID, admin: Browser) -> None:
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-7731", clinical_notes="itches badly")
    for path in ("/admin/audit", "/admin/portals", f"/admin/portals/{tenant}", "/admin/users"):
        page = admin.get(path).text
        assert "P-7731" not in page
        assert "itches" not in page


@pytest.mark.parametrize("role", [Role.DERMATOLOGIST, Role.LEAD])
def test_others_are_refused(clinic: Clinic, tenant: UUID, browser: Browser, role: Role) -> None:
    clinic.user(tenant, role=role)
    browser.sign_in()
    for path in ("/admin/", "/admin/portals", f"/admin/portals/{tenant}", "/admin/users", "/admin/audit"):
        assert browser.get(path).status_code == 403
    answer = browser.post("/admin/portals", page="/account", name="x", slug="x")
    assert (answer.status_code, "administrators" in words_of(answer)) == (403, True)
    assert 'href="/admin/portals"' not in browser.get("/models").text


def test_a_lost_second_factor_is_reset(clinic: Clinic, tenant: UUID, admin: Browser, app: Flask) -> None:
    user_id = clinic.user(tenant)
    person = Browser(app.test_client())
    person.sign_in()
    page = "/account/second-factor"
    person.post(page, page=page, password=PASSWORD, code=code(secret_of(person.get(page).text)))
    where = f"/admin/users/{user_id}"
    assert "Reset second factor" in words_of(admin.get(where))
    assert admin.post(f"{where}/reset-second-factor", page=where).status_code == 303
    assert person.get("/models").status_code == 303
    assert person.sign_in().headers["Location"] == "/models"
