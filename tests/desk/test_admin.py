"""Accounts and administration in a real browser."""

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from services.records.access import authenticate_key, create_api_key
from services.records.audit import Actor
from services.records.registry import register_model_version
from services.records.states import ModelKind, Role
from tests.desk.conftest import Window
from tests.review.codes import code
from tests.review.seeds import PASSWORD, Clinic

pytestmark = pytest.mark.browser

ADMIN = "admin@clinic.example"


def register(clinic: Clinic, digest: str, accuracy: float) -> None:
    card = {"licence": "CC0-1.0", "non_commercial": False, "metrics": {"test": {"images": 1001, "accuracy": accuracy}}}
    with clinic.worker.transaction() as session:
        register_model_version(
            session=session,
            kind=ModelKind.CLASSIFIER,
            digest=digest,
            name="MobileNetV2",
            version=digest[:1],
            card=card,
            actor=Actor.system("test"),
            reason="found at the start",
        )


@pytest.fixture
def admin(clinic: Clinic, tenant: UUID, window: Window) -> Window:
    """An administrator, signed in."""
    clinic.user(email=ADMIN, role=Role.ADMIN, name="Ada Min")
    window.sign_in(ADMIN)
    return window


def set_up_second_factor(page: Page) -> str:
    """Goes through the page as a person does and returns the secret."""
    page.get_by_role("link", name="Set up").click()
    secret = (page.locator(".secret").text_content() or "").replace(" ", "")
    expect(page.locator(".scan svg")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("The code that the app shows now").fill(code(secret, steps=-1))
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".recovery li")).to_have_count(8)
    page.get_by_role("link", name="I have kept them").click()
    return secret


def test_it_signs_in_with_a_code_of_an_app(clinic: Clinic, reader: Window) -> None:
    page = reader.open("/account")
    secret = set_up_second_factor(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    reader.open("/account")
    reader.sign_in()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enter your code")
    page.keyboard.type(code(secret))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{reader.address}/account")
    expect(page.get_by_text("8 of 8 recovery codes left")).to_be_visible()


def test_an_administrator_rotates_a_key(clinic: Clinic, tenant: UUID, admin: Window) -> None:
    with clinic.owner.transaction() as session:
        _, old = create_api_key(session=session, tenant_id=tenant, name="upload station")
    page = admin.page
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Portal A").click()
    page.get_by_role("button", name="Rotate").click()
    new = page.locator(".once code").text_content() or ""
    page.get_by_role("link", name="Set when the old key stops…").click()
    page.get_by_label("It stops working").select_option("Now")
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("row", name=old.split("_")[1])).to_contain_text("revoked")
    with clinic.intake.transaction() as session:
        assert authenticate_key(session=session, plain=new).tenant_id == tenant
    with pytest.raises(Exception, match="not valid"), clinic.intake.transaction() as session:
        authenticate_key(session=session, plain=old)


def test_a_model_is_promoted_by_clicks(clinic: Clinic, admin: Window) -> None:
    register(clinic, "0123456789ab", 0.84)
    register(clinic, "ba9876543210", 0.91)
    page = admin.open("/models")
    page.get_by_role("link", name="Promote… MobileNetV2 b").click()
    expect(page.get_by_role("row", name="accuracy")).to_contain_text("0.840")
    expect(page.get_by_role("row", name="accuracy")).to_contain_text("0.910")
    page.get_by_label("Why").fill("better on the test part")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("status")).to_contain_text("MobileNetV2 b: promoted.")
    expect(page.get_by_role("row", name="better on the test part").first).to_contain_text("candidate → in use")
