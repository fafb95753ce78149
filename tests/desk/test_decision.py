"""The decision in a real browser: three cases by keyboard alone, blind first reads, second thoughts, three people on one case."""

import re
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from services.records.states import Role
from tests.desk.conftest import OpenWindow, Window
from tests.desk.test_axe import findings, sideways
from tests.review.seeds import MELANOMA, Clinic, Seen, finding, jpeg

pytestmark = pytest.mark.browser

# Longer than the pause after which Enter counts again.
BREATH_MS = 800
NAEVUS = finding({"NV": 0.93, "MEL": 0.05, "BKL": 0.02})


def reviews(engine: Engine) -> list[dict[str, Any]]:
    """Every review on file, oldest first."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM reviews ORDER BY created_at")).mappings()]


def tell(engine: Engine, change: str) -> None:
    """Changes what the portal asks for."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE tenants SET {change}"))


def person(clinic: Clinic, tenant: UUID, window: Window, name: str, role: Role = Role.DERMATOLOGIST) -> Page:
    """One more person at a window of their own, signed in."""
    email = f"{name.lower().replace(' ', '.')}@clinic.example"
    clinic.user(tenant, email=email, name=name, role=role)
    return window.sign_in(email)


def ready(page: Page) -> None:
    """Waits until the picture was seen and Enter counts."""
    expect(page.locator("[data-picture]:not([hidden])[data-loaded=yes]")).to_be_visible()
    page.wait_for_timeout(BREATH_MS)


def keys(page: Page, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


def test_three_cases_are_decided_by_keyboard_alone(clinic: Clinic, tenant: UUID, reader: Window, superuser_engine: Engine) -> None:
    made = [clinic.case(tenant, Seen(answer), patient_reference=f"P-{place}") for place, answer in enumerate((MELANOMA, MELANOMA, NAEVUS))]
    page = reader.open(f"/cases/{made[0]}")
    ready(page)
    keys(page, "p", "2")
    page.keyboard.type("3")
    keys(page, "Enter")
    expect(page.locator("[data-plan]")).to_have_text("Follow-up in 3 months")
    page.wait_for_timeout(BREATH_MS)
    keys(page, "Enter")
    page.wait_for_url(f"**/cases/{made[1]}")
    expect(page.locator(".quiet")).to_contain_text("Confirmed MEL, follow-up in 3 months · P-0")
    ready(page)
    keys(page, "x")
    page.keyboard.type("bas")
    expect(page.get_by_label("Basal cell carcinoma")).to_be_checked()
    expect(page.locator("[data-plan-words]")).to_have_text("BCC · plan: Face-to-face (preset)")
    keys(page, "Enter")
    page.wait_for_url(f"**/cases/{made[2]}")
    ready(page)
    keys(page, "n", "3", "Enter")
    page.wait_for_url(re.compile(r"(?<!cases)/$|/\?"))
    said = [
        (row["decision"], row["diagnosis"], row["reason"], row["management"], row["follow_up_months"]) for row in reviews(superuser_engine)
    ]
    assert said == [
        ("confirm", "MEL", None, "follow_up", 3),
        ("correct", "BCC", None, "face_to_face", None),
        ("not_assessable", None, "obscured", "retake", None),
    ]
    assert all(row["reading_seconds"] is not None and row["reading_seconds"] < 60 for row in reviews(superuser_engine))


def test_a_plan_of_a_diagnosis_that_was_not_recorded_does_not_stay(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    page = reader.open(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}")
    ready(page)
    plan = page.locator("[data-plan]")
    expect(plan).to_have_text("Urgent referral")
    keys(page, "x", "2")
    expect(plan).to_have_text("Discharge")
    expect(page.locator("[data-plan-preset]")).to_be_visible()
    keys(page, "Escape")
    expect(plan).to_have_text("Urgent referral")


def test_a_template_begins_the_note(clinic: Clinic, tenant: UUID, reader: Window, superuser_engine: Engine) -> None:
    page = reader.open("/templates")
    page.get_by_label("Title").last.fill("Excise")
    page.get_by_label("Text").last.fill("Excise with 2 mm margin.")
    page.get_by_role("button", name="Add").click()
    page = reader.open(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}")
    ready(page)
    keys(page, "t", "1")
    page.keyboard.type(" Send histology.")
    keys(page, "Escape")
    page.wait_for_timeout(BREATH_MS)
    keys(page, "Enter")
    expect(page.locator(".quiet")).to_contain_text("Confirmed MEL")
    assert [row["note"] for row in reviews(superuser_engine)] == ["Excise with 2 mm margin. Send histology."]


def test_a_decision_is_taken_back_from_the_next_page_by_u(clinic: Clinic, tenant: UUID, reader: Window, superuser_engine: Engine) -> None:
    first, second = (clinic.case(tenant, Seen(MELANOMA), patient_reference=name) for name in ("P-1", "P-2"))
    page = reader.open(f"/cases/{first}")
    ready(page)
    keys(page, "Enter")
    page.wait_for_url(f"**/cases/{second}")
    expect(page.get_by_role("button", name=re.compile(r"Undo \(\d+ s\)"))).to_be_visible()
    keys(page, "u")
    page.wait_for_url(f"**/cases/{first}")
    expect(page.locator(".quiet")).to_contain_text("Taken back · P-1 · decide again")
    expect(page.get_by_role("button", name=re.compile("Confirm MEL"))).to_be_visible()
    assert [row["kind"] for row in reviews(superuser_engine)] == ["first", "undo"]


def test_the_offer_to_take_back_ends_after_its_seconds(clinic: Clinic, tenant: UUID, reader: Window) -> None:
    first = clinic.case(tenant, Seen(MELANOMA), patient_reference="P-1")
    clinic.case(tenant, Seen(MELANOMA), patient_reference="P-2")
    page = reader.open(f"/cases/{first}")
    ready(page)
    keys(page, "Enter")
    undo = page.get_by_role("button", name=re.compile("Undo"))
    expect(undo).to_be_visible()
    expect(undo).to_have_count(0, timeout=12_000)
    expect(page.locator(".quiet")).to_contain_text("Confirmed MEL")


def test_a_blind_reader_commits_an_opinion_before_the_answer_opens(
    clinic: Clinic, tenant: UUID, reader: Window, superuser_engine: Engine
) -> None:
    tell(superuser_engine, "blind_first_read = true")
    page = reader.open(f"/cases/{clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)))}")
    ready(page)
    expect(page.get_by_text("What the model found opens after your first opinion.")).to_be_visible()
    assert "0.71" not in page.content()
    keys(page, "Enter")
    keys(page, "x", "2", "Enter")
    expect(page.get_by_text("Ranked probabilities")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Confirm MEL"))).to_be_visible()
    ready(page)
    keys(page, "Enter")
    page.wait_for_url(re.compile(r"(?<!cases)/$|/\?"))
    (review,) = reviews(superuser_engine)
    page = reader.open(f"/cases/{review['case_id']}")
    expect(page.get_by_text("First opinion, before the model: NV")).to_be_visible()


def test_three_people_settle_one_case(
    clinic: Clinic, tenant: UUID, reader: Window, open_window: OpenWindow, superuser_engine: Engine
) -> None:
    tell(superuser_engine, "second_read_share = 1")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.open(f"/cases/{case_id}")
    ready(page)
    keys(page, "o")
    page.keyboard.type("blue veil")
    keys(page, "Escape")
    page.wait_for_timeout(BREATH_MS)
    keys(page, "Enter")
    expect(page.locator(".quiet")).to_contain_text("a second reader follows")

    second = person(clinic, tenant, window := open_window(), "Dr Berg")
    window.open(f"/cases/{case_id}")
    ready(second)
    assert "blue veil" not in second.content()
    keys(second, "x", "2", "Enter")
    expect(second.locator(".quiet")).to_contain_text("a lead resolves the difference")

    lead = person(clinic, tenant, window := open_window(), "Dr Moss", Role.LEAD)
    window.open(f"/cases/{case_id}")
    ready(lead)
    expect(lead.get_by_role("heading", name="Two reads that differ")).to_be_visible()
    expect(lead.get_by_text("blue veil")).to_be_visible()
    keys(lead, "w")
    lead.keyboard.type("Veil and regression.")
    keys(lead, "Escape", "a")
    lead.wait_for_url(re.compile(r"(?<!cases)/$|/\?"))
    assert [(row["kind"], row["diagnosis"], row["rationale"]) for row in reviews(superuser_engine)] == [
        ("first", "MEL", None),
        ("second", "NV", None),
        ("adjudication", "MEL", "Veil and regression."),
    ]


def test_no_step_of_reading_has_a_serious_fault_on_a_tablet(
    clinic: Clinic, tenant: UUID, open_window: OpenWindow, superuser_engine: Engine
) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    first = person(clinic, tenant, reader := open_window(width=820, height=1180, dark=True), "Dr Lind")
    tell(superuser_engine, "blind_first_read = true, second_read_share = 1")
    reader.open(f"/cases/{case_id}")
    found = {"blind": findings(first), "templates": findings(reader.open("/templates"))}
    reader.open(f"/cases/{case_id}")
    ready(first)
    keys(first, "x", "1", "Enter")
    ready(first)
    for panel in ("x", "n", "s", "p", "t"):
        keys(first, panel)
        expect(first.locator(f"[data-panel={panel}][open]")).to_be_visible()
        found[panel] = findings(first) + [f"{sideways(first)} px too wide"] * (sideways(first) > 0)
        keys(first, "Escape")
    first.wait_for_timeout(BREATH_MS)
    keys(first, "Enter")
    expect(first.locator(".quiet")).to_contain_text("a second reader follows")
    found["waits"] = findings(reader.open(f"/cases/{case_id}"))
    tell(superuser_engine, "blind_first_read = false")
    second = person(clinic, tenant, window := open_window(), "Dr Berg")
    window.open(f"/cases/{case_id}")
    ready(second)
    keys(second, "x", "2", "Enter")
    expect(second.locator(".quiet")).to_be_visible()
    lead = person(clinic, tenant, window := open_window(width=820, height=1180), "Dr Moss", Role.LEAD)
    found["differ"] = findings(window.open(f"/cases/{case_id}"))
    keys(lead, "w")
    lead.keyboard.type("Veil.")
    keys(lead, "Escape", "a")
    expect(lead.locator(".quiet")).to_be_visible()
    found["decided"] = findings(window.open(f"/cases/{case_id}"))
    found["amend"] = findings(window.open(f"/cases/{case_id}/amend"))
    assert {step: faults for step, faults in found.items() if faults} == {}


def test_an_amendment_adds_a_version_and_hides_none(clinic: Clinic, tenant: UUID, reader: Window, superuser_engine: Engine) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    page = reader.open(f"/cases/{case_id}")
    ready(page)
    keys(page, "Enter")
    expect(page.locator(".quiet")).to_contain_text("Confirmed MEL")
    page = reader.open(f"/cases/{case_id}")
    keys(page, "e")
    page.wait_for_url(f"**/cases/{case_id}/amend")
    keys(page, "w")
    page.keyboard.type("Histology: nodular BCC.")
    keys(page, "Escape", "x", "3", "Enter")
    page.wait_for_url(f"**/cases/{case_id}")
    versions = page.locator(".versions .read")
    expect(versions).to_have_count(2)
    expect(versions.first).to_contain_text("Histology: nodular BCC.")
    expect(versions.last).to_contain_text("replaced")
    assert [(row["kind"], row["diagnosis"]) for row in reviews(superuser_engine)] == [("first", "MEL"), ("amendment", "BCC")]
