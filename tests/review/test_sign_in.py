"""Who gets in, who does not, and for how long."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.review import reader as sessions
from services.review.app import create_app
from services.review.throttle import SignInThrottle
from services.settings import SettingsError
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, words_of
from tests.review.routes import PUBLIC, anywhere
from tests.review.seeds import PASSWORD, Clinic


def test_it_signs_in_and_opens_the_worklist(reader: Browser) -> None:
    assert reader.get("/models").status_code == 200


def test_it_refuses_a_wrong_password_and_an_unknown_address_in_the_same_words(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    wrong = browser.sign_in(password="not the passphrase")
    unknown = browser.sign_in(email="reader@clinic.exampl")
    assert wrong.status_code == unknown.status_code == 401
    assert words_of(wrong) == words_of(unknown)
    assert browser.get("/models").status_code == 303


def test_it_records_sign_ins_and_refusals(clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine) -> None:
    clinic.user(tenant)
    browser.sign_in(password="not the passphrase")
    browser.sign_in()
    with superuser_engine.connect() as connection:
        actions = connection.execute(text("SELECT action FROM audit_events WHERE tenant_id IS NULL ORDER BY sequence")).scalars().all()
    assert actions[-2:] == ["user.refused", "user.signed_in"]


def test_a_disabled_user_is_out_at_the_next_click(reader: Browser, superuser_engine: Engine) -> None:
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE users SET state = 'disabled'"))
    assert reader.get("/models").status_code == 303
    assert reader.sign_in().status_code == 401


def test_it_slows_down_guessing_on_one_account_only(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    clinic.user(tenant, email="other@clinic.example")
    statuses = [browser.sign_in(password="wrong wrong wrong").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    slowed = browser.sign_in()
    assert (slowed.status_code, "Retry-After" in slowed.headers) == (429, True)
    assert browser.sign_in(email="other@clinic.example").status_code == 303


def test_the_throttle_forgets_after_its_window_and_stays_small() -> None:
    now = 0.0
    throttle = SignInThrottle(limit=1, window=60, accounts=2, clock=lambda: now)
    throttle.failed("a@b")
    assert throttle.wait("A@b ") == 61
    now = 60.0
    assert throttle.wait("a@b") == 0
    for account in ("c", "d", "e"):
        throttle.failed(account)
    assert throttle.wait("c") == 0
    assert throttle.wait("e") > 0


def test_sign_in_starts_a_fresh_session(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    with browser.client.session_transaction() as planted:
        planted["planted"] = "by an attacker"
    browser.sign_in()
    with browser.client.session_transaction() as session:
        assert "planted" not in session


@pytest.mark.parametrize(("key", "age"), [("began", sessions.ABSOLUTE), ("seen", sessions.IDLE)])
def test_a_session_expires(reader: Browser, key: str, age: timedelta) -> None:
    with reader.client.session_transaction() as session:
        session[key] -= int(age.total_seconds()) + 1
    assert reader.get("/models").headers["Location"] == "/sign-in"


def test_using_the_desk_keeps_the_session_alive(reader: Browser) -> None:
    with reader.client.session_transaction() as session:
        session["seen"] = before = session["seen"] - 600
    reader.get("/models")
    with reader.client.session_transaction() as session:
        assert session["seen"] > before


def test_sign_out_ends_the_session(reader: Browser) -> None:
    assert reader.post("/sign-out", page="/models").status_code == 303
    assert reader.get("/models").status_code == 303


def test_it_returns_to_the_page_that_was_asked_for(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    path = f"/cases/{tenant}"
    assert browser.get(path).headers["Location"] == "/sign-in"
    assert browser.sign_in().headers["Location"] == path


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(clinic: Clinic, tenant: UUID, settings_for: SettingsFor) -> None:
    clinic.user(tenant)
    app = create_app(settings_for("review").model_copy(update={"secure_cookies": True}))
    browser = Browser(app.test_client())
    page = browser.client.get("/sign-in", base_url="https://desk.example")
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-dermatrail=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    app.extensions["dermatrail"].database.close()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_without_its_token_is_refused(clinic: Clinic, tenant: UUID, browser: Browser, path: str) -> None:
    clinic.user(tenant)
    answer = browser.client.post(path, data={"email": "reader@clinic.example", "password": PASSWORD})
    assert answer.status_code == 400
    assert "no longer valid" in words_of(answer)


def test_it_does_not_start_without_a_session_secret(settings_for: SettingsFor) -> None:
    with pytest.raises(SettingsError, match="DERMATRAIL_SESSION_SECRET"):
        create_app(settings_for("review").model_copy(update={"session_secret": None}))


def test_every_page_but_the_public_ones_asks_who_is_there(app: Flask) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in PUBLIC and rule.endpoint.split(".")[0] not in PUBLIC and "GET" in (rule.methods or ()):
            answer = client.get(anywhere(app, rule))
            assert (answer.status_code, answer.headers.get("Location")) == (303, "/sign-in"), rule.endpoint
