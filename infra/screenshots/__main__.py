"""`python -m infra.screenshots`: run a clinic, photograph its pages, write docs/screenshots."""

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from infra.local import LocalStack, browser
from infra.local.seed import seed
from infra.screenshots.clinic import fill_clinic
from services.records.states import Role

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local" / "screenshots"
PAGES = ROOT / "docs" / "screenshots"
QUALITY = 90
COMPARED_WITHIN_S = 120

Act = Callable[[Page], None]


def _nothing(_: Page) -> None:
    """The page as it opens."""


def _open_melanoma(page: Page) -> None:
    page.get_by_role("row").filter(has_text="Melanoma").first.locator(".row-link").click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)


def _heat(page: Page) -> None:
    _open_melanoma(page)
    page.keyboard.press("2")
    page.wait_for_timeout(800)


def _open_grown(page: Page) -> None:
    # Visits are compared after they are analysed: the alert comes a little later than the case.
    grown = page.get_by_role("row").filter(has_text="grew")
    for _ in range(COMPARED_WITHIN_S):
        if grown.count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    grown.first.locator(".row-link").click()
    page.wait_for_load_state("networkidle")


def _compare(page: Page) -> None:
    _open_grown(page)
    page.keyboard.press("v")
    page.wait_for_url("**/compare*")
    page.wait_for_timeout(1500)
    page.keyboard.press("1")
    page.wait_for_timeout(800)


def _overlay(page: Page) -> None:
    _compare(page)
    page.keyboard.press("o")
    page.wait_for_timeout(800)


def _lesion(page: Page) -> None:
    _open_grown(page)
    page.get_by_role("link", name="trail", exact=True).click()
    page.wait_for_load_state("networkidle")


def _patient(page: Page) -> None:
    _open_grown(page)
    page.locator(".case-title a").click()
    page.wait_for_load_state("networkidle")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: who looks at which page, after doing what."""

    name: str
    path: str
    role: Role | None = None
    act: Act = field(default=_nothing)
    dark: bool = False
    width: int = 1440
    height: int = 900


SHOTS = (
    Shot("home", "/welcome"),
    Shot("lesion-types", "/lesion-types"),
    Shot("try", "/try"),
    Shot("worklist", "/", Role.DERMATOLOGIST),
    Shot("worklist-dark", "/", Role.DERMATOLOGIST, dark=True),
    Shot("case", "/", Role.DERMATOLOGIST, _open_melanoma),
    Shot("case-heat-map-dark", "/", Role.DERMATOLOGIST, _heat, dark=True),
    Shot("case-tablet", "/", Role.DERMATOLOGIST, _open_melanoma, width=820, height=1180),
    Shot("lesion", "/", Role.DERMATOLOGIST, _lesion),
    Shot("compare", "/", Role.DERMATOLOGIST, _compare),
    Shot("patient", "/", Role.DERMATOLOGIST, _patient),
    Shot("compare-overlay-dark", "/", Role.DERMATOLOGIST, _overlay, dark=True),
    Shot("lead-queue", "/lead", Role.LEAD),
    Shot("models", "/models", Role.LEAD),
    Shot("admin-portals", "/admin/portals", Role.ADMIN),
    Shot("admin-trail", "/admin/audit", Role.ADMIN),
)


def main() -> int:
    """Write every picture; 1 with the reason where there is no browser."""
    executable = browser.find()
    if executable is None:
        print("no Chromium: install it from your system's packages, or run python -m infra.local.browser", file=sys.stderr)
        return 1
    shutil.rmtree(STATE, ignore_errors=True)
    with LocalStack(STATE) as stack, sync_playwright() as driver:
        stack.start_processes()
        people = fill_clinic(stack)
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        PAGES.mkdir(parents=True, exist_ok=True)
        for shot in SHOTS:
            picture = photograph(chromium, shot, address=stack.address("review"), people=people, password=seed(stack).password)
            file = PAGES / f"{shot.name}.webp"
            picture.save(file, quality=QUALITY, method=6)
            print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} kB", flush=True)
        chromium.close()
    shutil.rmtree(STATE)
    return 0


def photograph(chromium: Browser, shot: Shot, *, address: str, people: dict[Role, str], password: str) -> Image.Image:
    """Open the page as its reader does, and return what is on the screen."""
    size: ViewportSize = {"width": shot.width, "height": shot.height}
    context = chromium.new_context(viewport=size, color_scheme="dark" if shot.dark else "light")
    page = context.new_page()
    if shot.role is not None:
        page.goto(f"{address}/sign-in")
        page.get_by_label("E-mail").fill(people[shot.role])
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_load_state("networkidle")
    answer = page.goto(f"{address}{shot.path}")
    if answer is None or not answer.ok:
        raise RuntimeError(f"{shot.path} answers {answer.status if answer else 'nothing'}: there is nothing to photograph")
    page.wait_for_load_state("networkidle")
    shot.act(page)
    page.wait_for_timeout(500)
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())
