"""Webhooks by clicks: made, tested, switched, asked again; the log shows nothing about patients."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from services.records.states import Role
from tests.review.conftest import Browser, words_of
from tests.review.seeds import Clinic
from tests.review.webhooks import told, webhook

ADMIN = "admin@clinic.example"


@pytest.fixture
def admin(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    """An administrator, signed in."""
    clinic.user(email=ADMIN, role=Role.ADMIN, name="Ada Min")
    assert browser.sign_in(ADMIN).status_code == 303
    return browser


@pytest.fixture
def pages(tenant: UUID) -> str:
    return f"/admin/portals/{tenant}/webhooks"


def value(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def test_a_webhook_is_made_and_its_secret_shown_once(admin: Browser, pages: str) -> None:
    url = "https://portal.example/hooks"
    made = admin.post(pages, page=pages, url=url, description="production", kinds=["case.reviewed", "lesion.alert"])
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", made.text)
    listed = admin.get(pages)
    assert secret not in listed.text
    assert f"{url} production case.reviewed, lesion.alert not told yet" in words_of(listed)


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://10.0.0.1/", "not a public address"), ("ftp://portal.example", "begin with https"), ("https://u:p@portal.example", "no user")],
)
def test_an_address_that_is_none_of_the_portals_is_refused_and_what_was_typed_stays(admin: Browser, pages: str, url: str, why: str) -> None:
    answer = admin.post(pages, page=pages, url=url, kinds=["lesion.alert"])
    assert answer.status_code == 422
    assert why in words_of(answer)
    assert f'value="{url}"' in answer.text
    assert 'value="lesion.alert" checked' in answer.text


def test_the_log_says_what_was_told_and_nothing_about_patients(clinic: Clinic, tenant: UUID, admin: Browser, pages: str) -> None:
    hook = webhook(clinic, tenant)
    told(clinic, tenant, 200, 500)
    page = admin.get(f"{pages}/{hook}")
    words = words_of(page)
    assert "delivered" in words
    assert "It answered 500." in words
    assert "SECRET-REFERENCE" not in page.text
    assert "Nothing." in words_of(admin.get(f"{pages}/{hook}?state=dead"))
    assert words_of(admin.get(f"{pages}/{hook}?state=waiting")).count("case.reviewed") == 1
    (first, *_) = re.findall(rf"{pages}/{hook}/deliveries/[0-9a-f-]+(?=\")", page.text)
    details = admin.get(first)
    assert "203.0.113.7" in words_of(details)
    assert "120 ms" in words_of(details)
    assert "SECRET-REFERENCE" not in details.text


def test_dead_letters_are_told_again_by_a_click(clinic: Clinic, tenant: UUID, admin: Browser, pages: str, superuser_engine: Engine) -> None:
    hook = webhook(clinic, tenant)
    told(clinic, tenant, 500, at=datetime.now(UTC) - timedelta(hours=1))
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE deliveries SET state = 'dead', finished_at = now(), reason = 'It answered 500.'"))
    page = f"{pages}/{hook}"
    assert "1 delivery is on the way again." in words_of(follow(admin, admin.post(f"{page}/redeliver", page=page, back="24")))
    assert value(superuser_engine, "SELECT state FROM deliveries") == "waiting"
    delivery = value(superuser_engine, "SELECT id FROM deliveries")
    assert "on the way again" in words_of(follow(admin, admin.post(f"{page}/deliveries/{delivery}/redeliver", page=page)))


def follow(admin: Browser, answer: TestResponse) -> TestResponse:
    assert answer.status_code == 303
    return admin.get(answer.headers["Location"])


def test_it_is_tested_switched_off_and_on_rotated_and_removed(
    clinic: Clinic, tenant: UUID, admin: Browser, pages: str, superuser_engine: Engine
) -> None:
    hook = webhook(clinic, tenant)
    page = f"{pages}/{hook}"
    assert "The test is on its way" in words_of(follow(admin, admin.post(f"{page}/ping", page=page)))
    assert value(superuser_engine, "SELECT kind FROM portal_events") == "webhook.ping"
    off = words_of(follow(admin, admin.post(f"{page}/active", page=page, active="off")))
    assert "disabled Switched off by hand." in off
    assert "Send a test" not in off
    assert admin.post(f"{page}/ping", page=page).status_code == 422
    assert "not told yet" in words_of(follow(admin, admin.post(f"{page}/active", page=page, active="on")))
    rotated = admin.post(f"{page}/secret", page=page, overlap="24")
    assert "whsec_" in rotated.text
    assert "The secret before signs, too" in words_of(rotated)
    follow(admin, admin.post(f"{page}/remove", page=page))
    assert admin.get(page).status_code == 404
    actions = "SELECT string_agg(action, ' ' ORDER BY sequence) FROM audit_events WHERE subject_kind = 'webhook' AND actor_kind = 'user'"
    assert value(superuser_engine, actions) == ("webhook.tested webhook.changed webhook.changed webhook.secret_rotated webhook.removed")


def test_what_is_not_there_is_not_found(tenant: UUID, admin: Browser, pages: str) -> None:
    assert admin.get(f"{pages}/{uuid4()}").status_code == 404
    assert admin.get(f"/admin/portals/{uuid4()}/webhooks").status_code == 404
