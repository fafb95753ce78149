"""Sign-in by a provider that really runs: who is let in, and which answers are refused."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import requests
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine, text

from services.review.app import create_app
from services.settings import Settings, SettingsError
from tests.conftest import SettingsFor
from tests.review import provider as providers
from tests.review.conftest import Browser, words_of
from tests.review.provider import Provider
from tests.review.seeds import Clinic


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider on the loopback address; its library wants to be told that plain HTTP is meant."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with providers.serving() as running:
        yield running


def with_provider(settings: Settings, issuer: str) -> Settings:
    secret = SecretStr(providers.CLIENT_SECRET)
    known = {"oidc_issuer": issuer, "oidc_client_id": providers.CLIENT_ID, "oidc_client_secret": secret, "oidc_name": "Clinic login"}
    return settings.model_copy(update={**known, "require_second_factor": True})


@pytest.fixture
def desk(settings_for: SettingsFor, provider: Provider) -> Iterator[Flask]:
    """A desk that knows the provider, and requires a second factor after passwords."""
    app = create_app(with_provider(settings_for("review"), provider.issuer))
    yield app
    app.extensions["dermatrail"].database.close()


@pytest.fixture
def browser(desk: Flask) -> Browser:
    """Nobody is signed in."""
    return Browser(desk.test_client())


def go(browser: Browser) -> str:
    """Follows the link to the provider and returns the address that it sends the browser back to."""
    there = browser.get("/sign-in/oidc").headers["Location"]
    back = requests.get(there, allow_redirects=False, timeout=10)
    assert back.status_code == 302, back.text
    parts = urlsplit(back.headers["Location"])
    return f"{parts.path}?{parts.query}"


def test_a_person_is_known_by_a_verified_address_and_then_by_the_subject(
    clinic: Clinic, tenant: UUID, browser: Browser, provider: Provider, superuser_engine: Engine
) -> None:
    user_id = clinic.user(tenant)
    assert "Sign in with Clinic login" in words_of(browser.get("/sign-in"))
    browser.get("/models")
    assert browser.get(go(browser)).headers["Location"] == "/models"
    assert browser.get("/models").status_code == 200
    browser.post("/sign-out", page="/models")
    provider.person.email, provider.person.email_verified = "moved@clinic.example", False
    assert browser.get(go(browser)).status_code == 303
    with superuser_engine.connect() as connection:
        (bound,) = connection.execute(text("SELECT oidc_subject FROM users WHERE id = :id"), {"id": user_id}).scalars()
        how = connection.execute(text("SELECT details->>'how' FROM audit_events WHERE action = 'user.signed_in'")).scalars().all()
    assert bound == f"{provider.issuer} subject-1"
    assert how == ["single sign-on"] * 2


def test_it_asks_with_pkce_state_and_nonce(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    asked = parse_qs(urlsplit(browser.get("/sign-in/oidc").headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert asked["redirect_uri"] == ["http://localhost/sign-in/oidc/callback"]


def refused(browser: Browser, address: str) -> None:
    answer = browser.get(address)
    assert (answer.status_code, "You are not signed in" in words_of(answer)) == (403, True)
    assert browser.get("/models").status_code == 303


def test_users_are_never_made(clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine) -> None:
    refused(browser, go(browser))
    with superuser_engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 0


def test_an_address_that_is_not_verified_binds_nobody(clinic: Clinic, tenant: UUID, browser: Browser, provider: Provider) -> None:
    clinic.user(tenant)
    provider.person.email_verified = False
    refused(browser, go(browser))


def test_another_subject_with_the_same_address_is_refused(clinic: Clinic, tenant: UUID, browser: Browser, provider: Provider) -> None:
    clinic.user(tenant)
    assert browser.get(go(browser)).status_code == 303
    browser.post("/sign-out", page="/models")
    provider.person.sub = "subject-2"
    refused(browser, go(browser))


def test_a_disabled_user_is_refused(clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine) -> None:
    clinic.user(tenant)
    browser.get(go(browser))
    browser.post("/sign-out", page="/models")
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE users SET state = 'disabled'"))
    refused(browser, go(browser))


def test_an_answer_to_another_browser_is_refused(clinic: Clinic, tenant: UUID, browser: Browser, desk: Flask) -> None:
    clinic.user(tenant)
    attacker = Browser(desk.test_client())
    refused(browser, go(attacker))


def test_an_answer_counts_once(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    address = go(browser)
    assert browser.get(address).status_code == 303
    browser.post("/sign-out", page="/models")
    refused(browser, address)


@pytest.mark.parametrize(
    "lie",
    [{"nonce": "another"}, {"aud": "another desk"}, {"iss": "https://evil.example"}, {"exp": 1_000_000_000}],
    ids=["nonce", "audience", "issuer", "expiry"],
)
def test_a_token_for_something_else_is_refused(
    clinic: Clinic, tenant: UUID, browser: Browser, provider: Provider, lie: dict[str, object]
) -> None:
    clinic.user(tenant)
    provider.lie = lie
    refused(browser, go(browser))


def test_a_token_with_another_signature_is_refused(clinic: Clinic, tenant: UUID, browser: Browser, provider: Provider) -> None:
    clinic.user(tenant)
    provider.signs_with_stranger = True
    refused(browser, go(browser))


def test_a_refusal_by_the_provider_is_told(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.get("/sign-in/oidc").headers["Location"]).query)["state"][0]
    refused(browser, f"/sign-in/oidc/callback?error=access_denied&state={state}")
    refused(browser, "/sign-in/oidc/callback")


def test_a_session_is_fresh_after_it(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    with browser.client.session_transaction() as session:
        session["planted"] = "by an attacker"
    browser.get(go(browser))
    with browser.client.session_transaction() as session:
        assert not [key for key in session if key == "planted" or key.startswith("_state_")]


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9", None])
def test_a_provider_that_is_away_or_another_is_told(settings_for: SettingsFor, provider: Provider, issuer: str | None) -> None:
    app = create_app(with_provider(settings_for("review"), issuer or f"{provider.issuer}/"))
    answer = app.test_client().get("/sign-in/oidc")
    assert (answer.status_code, "Single sign-on is not available" in words_of(answer)) == (503, True)
    app.extensions["dermatrail"].database.close()


def test_without_a_provider_there_is_no_such_way_in(settings_for: SettingsFor) -> None:
    app = create_app(settings_for("review"))
    client = app.test_client()
    assert "Sign in with" not in words_of(client.get("/sign-in"))
    assert client.get("/sign-in/oidc").status_code == 404
    app.extensions["dermatrail"].database.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"oidc_client_secret": None}, "belong together"), ({"secure_cookies": True}, "https://")],
)
def test_a_provider_that_is_half_set_or_without_tls_stops_the_desk(
    settings_for: SettingsFor, changes: dict[str, object], words: str
) -> None:
    settings = with_provider(settings_for("review"), "http://login.example").model_copy(update=changes)
    with pytest.raises(SettingsError, match=words):
        create_app(settings)
