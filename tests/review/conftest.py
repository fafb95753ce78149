"""The desk on real servers, and a browser-like client that reads its pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.objects import ObjectStore
from services.records.database import Database
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.seeds import PASSWORD, Clinic


@pytest.fixture(scope="session")
def clinic_servers(settings_for: SettingsFor) -> Iterator[Clinic]:
    """The logins that seed rows, connected once."""
    databases = {role: Database.connect(settings_for(role)) for role in ("owner", "intake", "worker")}
    yield Clinic(**databases, store=ObjectStore.connect(settings_for("intake")))
    for database in databases.values():
        database.close()


@pytest.fixture
def clinic(clinic_servers: Clinic, clean_database: None) -> Clinic:
    """An empty clinic."""
    return clinic_servers


@pytest.fixture
def app(settings_for: SettingsFor) -> Iterator[Flask]:
    """The desk as the local stack runs it."""
    made = create_app(settings_for("review"))
    yield made
    made.extensions["dermatrail"].database.close()


@dataclass(frozen=True, slots=True)
class Browser:
    """A client with a cookie jar that sends the token of the page it has in front of it."""

    client: FlaskClient

    def get(self, path: str, **options: Any) -> TestResponse:
        """Opens a page."""
        return self.client.get(path, **options)

    def sign_in(self, email: str = "reader@clinic.example", password: str = PASSWORD) -> TestResponse:
        """Fills in the sign-in page."""
        return self.post("/sign-in", page="/sign-in", email=email, password=password)

    def post(self, path: str, *, page: str, **fields: Any) -> TestResponse:
        """Sends a form with the hidden fields of `page`."""
        text = self.get(page).text
        return self.client.post(path, data={**hidden(text), **preset(text), **fields})

    def decide(self, case_id: UUID, decision: str, **fields: Any) -> TestResponse:
        """Opens a case and decides it."""
        return self.post(f"/cases/{case_id}/decision", page=f"/cases/{case_id}", decision=decision, **fields)


def token(text: str) -> str:
    """The page's CSRF token; empty where there is no form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    return found[1] if found else ""


def seen(text: str) -> list[str]:
    """Which analyses the page says it shows."""
    return re.findall(r'name="seen" value="([^"]+)"', text)


def hidden(text: str) -> dict[str, Any]:
    """What the page's forms send unasked."""
    named = {name: found[1] for name in ("kind", "amends", "review") if (found := re.search(rf'name="{name}" value="([^"]*)"', text))}
    return {"csrf_token": token(text), "seen": seen(text), **named}


def preset(text: str) -> dict[str, str]:
    """The choices that the page has made for the reader: plan, months, what follows a picture that cannot be judged."""
    checked = dict(re.findall(r'name="(management|then)" value="([^"]+)"[^>]* checked', text))
    months = re.search(r'name="months"[^>]* value="(\d+)"', text)
    return checked | ({"months": months[1]} if months else {})


def words_of(response: TestResponse) -> str:
    """The page's text as read: without tags, spaces folded."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.text))).strip()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Nobody is signed in."""
    return Browser(app.test_client())


@pytest.fixture
def tenant(clinic: Clinic) -> UUID:
    """One portal."""
    return clinic.tenant()


@pytest.fixture
def reader(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    """A dermatologist of that portal, signed in."""
    clinic.user(tenant)
    assert browser.sign_in().status_code == 303
    return browser
