"""The second step of signing in, and a person's own account."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask

from services.review import signin
from services.review.app import create_app
from services.settings import SettingsError
from tests.conftest import SettingsFor
from tests.review.codes import code, recovery_codes_of, secret_of
from tests.review.conftest import Browser, words_of
from tests.review.seeds import PASSWORD, Clinic

NEW_PASSWORD = "another long passphrase"


@pytest.fixture
def strict_app(settings_for: SettingsFor) -> Iterator[Flask]:
    """A desk that asks everybody for a second factor."""
    made = create_app(settings_for("review").model_copy(update={"require_second_factor": True}))
    yield made
    made.extensions["dermatrail"].database.close()


@pytest.fixture
def strict(strict_app: Flask) -> Browser:
    """A browser in front of that desk."""
    return Browser(strict_app.test_client())


def enrol(browser: Browser) -> tuple[str, list[str]]:
    """Sets the second factor up on the account page; uses the code of the step before the present one."""
    page = "/account/second-factor"
    secret = secret_of(browser.get(page).text)
    answer = browser.post(page, page=page, password=PASSWORD, code=code(secret, steps=-1))
    assert answer.status_code == 200
    return secret, recovery_codes_of(answer.text)


def give_code(browser: Browser, typed: str) -> int:
    """Fills in the page that asks for the code."""
    return browser.post("/sign-in/code", page="/sign-in/code", code=typed).status_code


def test_a_code_is_asked_for_after_the_password(reader: Browser) -> None:
    secret, codes = enrol(reader)
    assert len(codes) == 8
    reader.post("/sign-out", page="/models")
    assert reader.sign_in().headers["Location"] == "/sign-in/code"
    assert reader.get("/models").headers["Location"] == "/sign-in"
    reader.sign_in()
    assert give_code(reader, "000000") == 401
    assert give_code(reader, code(secret)) == 303
    assert reader.get("/models").status_code == 200


def test_a_code_is_refused_a_second_time(reader: Browser) -> None:
    secret, _ = enrol(reader)
    typed = code(secret)
    other = Browser(reader.client.application.test_client())
    for browser, status in ((reader, 303), (other, 401)):
        browser.client.delete_cookie("dermatrail")
        browser.sign_in()
        assert give_code(browser, typed) == status


def test_a_recovery_code_signs_in_once_and_is_counted(reader: Browser) -> None:
    _, codes = enrol(reader)
    reader.post("/sign-out", page="/models")
    reader.sign_in()
    assert give_code(reader, codes[0]) == 303
    assert "7 of 8 recovery codes left" in words_of(reader.get("/account"))


def test_guessing_codes_is_slowed_down_whatever_the_password_says(reader: Browser) -> None:
    secret, _ = enrol(reader)
    reader.post("/sign-out", page="/models")
    statuses = []
    for _ in range(6):
        reader.sign_in()
        statuses.append(give_code(reader, "000000"))
    assert statuses == [401] * 5 + [429]
    assert give_code(reader, code(secret)) == 429


def test_the_code_is_no_way_in_without_the_password(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    clinic.user(tenant)
    assert browser.get("/sign-in/code").headers["Location"] == "/sign-in"
    assert browser.get("/sign-in/second-factor").headers["Location"] == "/sign-in"
    assert browser.post("/sign-in/code", page="/sign-in", code="123456").headers["Location"] == "/sign-in"


def test_the_password_counts_for_ten_minutes_only(reader: Browser) -> None:
    secret, _ = enrol(reader)
    reader.post("/sign-out", page="/models")
    reader.sign_in()
    with reader.client.session_transaction() as session:
        session["pending_since"] -= signin.PENDING_SECONDS + 1
    assert reader.post("/sign-in/code", page="/sign-in", code=code(secret)).headers["Location"] == "/sign-in"


def test_who_must_have_one_is_led_to_set_it_up_and_reaches_nothing_else(clinic: Clinic, tenant: UUID, strict: Browser) -> None:
    clinic.user(tenant)
    strict.get("/models")
    answer = strict.sign_in()
    assert answer.headers["Location"] == "/sign-in/second-factor"
    for path in ("/account", "/account/second-factor", "/account/password", "/models"):
        assert strict.get(path).headers["Location"] == "/sign-in"
    strict.get("/models")
    strict.sign_in()
    page = "/sign-in/second-factor"
    secret = secret_of(strict.get(page).text)
    assert strict.post(page, page=page, code="000000").status_code == 422
    answer = strict.post(page, page=page, code=code(secret))
    assert len(recovery_codes_of(answer.text)) == 8
    assert 'href="/models"' in answer.text
    assert strict.get("/models").status_code == 200


def test_a_session_without_one_ends_where_it_becomes_required(reader: Browser, strict_app: Flask) -> None:
    cookie = reader.client.get_cookie("dermatrail")
    assert cookie is not None
    moved = strict_app.test_client()
    moved.set_cookie("dermatrail", cookie.value)
    assert moved.get("/models").headers["Location"] == "/sign-in"


def test_removing_it_asks_for_the_password_and_ends_other_sessions(reader: Browser) -> None:
    enrol(reader)
    other = Browser(reader.client.application.test_client())
    cookie = reader.client.get_cookie("dermatrail")
    assert cookie is not None
    other.client.set_cookie("dermatrail", cookie.value)
    assert other.get("/models").status_code == 200
    assert reader.post("/account/second-factor/remove", page="/account", password="not it at all").status_code == 422
    assert reader.post("/account/second-factor/remove", page="/account", password=PASSWORD).status_code == 303
    assert "Second factor removed" in words_of(reader.get("/account"))
    assert other.get("/models").status_code == 303


def test_setting_it_up_asks_for_the_password(reader: Browser) -> None:
    page = "/account/second-factor"
    secret = secret_of(reader.get(page).text)
    answer = reader.post(page, page=page, password="not it at all", code=code(secret))
    assert (answer.status_code, "The password is not right" in words_of(answer)) == (422, True)


def test_guessing_the_password_at_an_open_desk_is_slowed_down(reader: Browser) -> None:
    fields = {"password": "not it at all", "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    statuses = [reader.post("/account/password", page="/account/password", **fields).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(clinic: Clinic, reader: Browser) -> None:
    other = Browser(reader.client.application.test_client())
    other.sign_in()
    fields = {"password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    assert reader.post("/account/password", page="/account/password", **fields).status_code == 303
    assert "Password changed" in words_of(reader.get("/account"))
    assert other.get("/models").status_code == 303
    assert other.sign_in().status_code == 401
    assert other.sign_in(password=NEW_PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("new", "again", "words"),
    [("short", "short", "12 to 1024"), (NEW_PASSWORD, "other", "not the same"), (PASSWORD, PASSWORD, "differs from the present one")],
)
def test_a_password_that_will_not_do_is_refused(reader: Browser, new: str, again: str, words: str) -> None:
    fields = {"password": PASSWORD, "new_password": new, "new_password_again": again}
    answer = reader.post("/account/password", page="/account/password", **fields)
    assert (answer.status_code, words in words_of(answer)) == (422, True)


def test_signing_out_everywhere_ends_every_session(reader: Browser) -> None:
    other = Browser(reader.client.application.test_client())
    other.sign_in()
    assert reader.post("/account/sign-out-everywhere", page="/account").status_code == 303
    assert [browser.get("/models").status_code for browser in (reader, other)] == [303, 303]


@pytest.mark.parametrize("data_key", [None, "too short"])
def test_a_desk_that_requires_it_does_not_start_without_a_key(settings_for: SettingsFor, data_key: str | None) -> None:
    settings = settings_for("review")
    key = type(settings.session_secret)(data_key) if data_key and settings.session_secret else None
    with pytest.raises(SettingsError, match=r"DERMATRAIL_DATA_KEY.*Fernet\.generate_key"):
        create_app(settings.model_copy(update={"require_second_factor": True, "data_key": key}))


def test_a_desk_without_a_key_says_how_to_make_one(clinic: Clinic, tenant: UUID, settings_for: SettingsFor) -> None:
    clinic.user(tenant)
    app = create_app(settings_for("review").model_copy(update={"data_key": None}))
    browser = Browser(app.test_client())
    browser.sign_in()
    assert "Not available" in words_of(browser.get("/account"))
    answer = browser.get("/account/second-factor")
    assert (answer.status_code, "Fernet.generate_key" in words_of(answer)) == (503, True)
    app.extensions["dermatrail"].database.close()
