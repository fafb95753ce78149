"""axe-core finds nothing serious on any page, in light and dark, and no page scrolls sideways on a tablet."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from infra.frontend.__main__ import WORK
from services.records.states import Role
from services.records.tables import Delivery
from tests.conftest import ROOT
from tests.desk.conftest import OpenWindow, Window
from tests.review.seeds import MELANOMA, Answer, Clinic, Failed, Seen, abstention, set_of
from tests.review.test_identity_checks import WRITING
from tests.review.webhooks import told, webhook

pytestmark = pytest.mark.browser

AXE = WORK / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
PUBLIC = ("/sign-in", "/welcome", "/about", "/lesion-types")
PEOPLE = {
    Role.DERMATOLOGIST: ("/", "/?status=reviewed", "/follow-ups", "/models", "/templates"),
    Role.LEAD: ("/lead/queue", "/lead/readers", "/lead/model", "/lead/drift", "/lead/subgroups"),
    Role.ADMIN: (
        "/admin/portals",
        "/admin/users",
        "/admin/audit",
        "/admin/erasures",
        "/account",
        "/account/password",
        "/account/second-factor",
    ),
}


def findings(page: Page) -> list[str]:
    """What axe calls serious or critical: the rule, and the first place where it is broken."""
    # A colour on its way to another is judged where it arrives.
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [
        f"{found['id']}: {found['help']} at {found['nodes'][0]['target']}" for found in result["violations"] if found["impact"] in SERIOUS
    ]


def sideways(page: Page) -> int:
    """By how many CSS pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture
def cases(clinic: Clinic, tenant: UUID) -> list[UUID]:
    """One case of each kind of answer."""
    answers: tuple[Answer, ...] = (
        Seen(MELANOMA, heatmap=b"", identity=WRITING),
        Seen(set_of({"BCC": 0.5, "AK": 0.4}, "BCC", "AK")),
        Seen(abstention("out_of_distribution", "retake")),
        Failed("The file is damaged."),
    )
    return [clinic.case(tenant, answer, patient_reference=f"P-{number}") for number, answer in enumerate(answers)]


def of_webhooks(clinic: Clinic, tenant: UUID, role: Role) -> list[str]:
    """The pages about a webhook that has a log."""
    if role is not Role.ADMIN:
        return []
    hook = webhook(clinic, tenant)
    told(clinic, tenant, 200, 503)
    with clinic.worker.transaction() as session:
        delivery = session.scalars(select(Delivery.id)).first()
    pages = f"/admin/portals/{tenant}/webhooks"
    return [pages, f"{pages}/{hook}", f"{pages}/{hook}/deliveries/{delivery}"]


def everybody(role: Role, cases: list[UUID]) -> list[str]:
    return [*PEOPLE[role], *(f"/cases/{case}" for case in cases)]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("role", list(PEOPLE))
def test_no_page_has_a_serious_fault(
    *, clinic: Clinic, tenant: UUID, cases: list[UUID], open_window: OpenWindow, role: Role, dark: bool
) -> None:
    clinic.user(tenant, role=role)
    window: Window = open_window(width=1280, dark=dark)
    found = {path: findings(window.open(path)) for path in PUBLIC}
    window.sign_in()
    for path in everybody(role, cases) + of_webhooks(clinic, tenant, role):
        found[path] = findings(window.open(path))
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("role", list(PEOPLE))
def test_no_page_scrolls_sideways_on_a_tablet(clinic: Clinic, tenant: UUID, cases: list[UUID], open_window: OpenWindow, role: Role) -> None:
    clinic.user(tenant, role=role)
    window: Window = open_window(width=820, height=1180)
    window.sign_in()
    wide = {path: sideways(window.open(path)) for path in everybody(role, cases) + of_webhooks(clinic, tenant, role)}
    assert {path: by for path, by in wide.items() if by > 0} == {}


def test_axe_is_the_version_that_the_lock_names() -> None:
    assert AXE.is_file(), f"make it with: {ROOT.name}$ python -m infra.frontend"
