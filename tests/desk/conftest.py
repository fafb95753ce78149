"""The desk served to a real Chromium, on real servers; cases are made through the records' own functions."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright
from werkzeug.serving import make_server

from infra.local import browser as browsers
from services.objects import ObjectStore
from services.records.database import Database
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.seeds import PASSWORD, Clinic

# Its sandbox needs user namespaces, which root in a container does not have; the pages are our own.
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


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
def tenant(clinic: Clinic) -> UUID:
    """One portal."""
    return clinic.tenant()


@pytest.fixture(scope="session")
def desk_app(settings_for: SettingsFor) -> Iterator[Flask]:
    """The desk as the local stack runs it."""
    made = create_app(settings_for("review"))
    yield made
    made.extensions["dermatrail"].database.close()


@pytest.fixture(scope="session")
def address(desk_app: Flask) -> Iterator[str]:
    """Where the desk is served."""
    server = make_server("127.0.0.1", 0, desk_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Chromium]:
    """Chromium without a window and with a pretended camera. Skips where there is none, unless a browser is required."""
    executable = browsers.find()
    if executable is None:
        cure = "no Chromium: install it from your system's packages, or run python -m infra.local.browser"
        if browsers.is_required():
            pytest.fail(cure)
        pytest.skip(cure)
    running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
    yield running
    running.close()


@dataclass(frozen=True, slots=True)
class Window:
    """A browser of one person: `page` fails the test on any script error or refused resource."""

    context: BrowserContext
    page: Page
    address: str

    def sign_in(self, email: str = "reader@clinic.example", password: str = PASSWORD) -> Page:
        """Fills in the sign-in page."""
        self.page.goto(f"{self.address}/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_load_state()
        return self.page

    def open(self, path: str) -> Page:
        """Opens a page of the desk."""
        self.page.goto(f"{self.address}{path}")
        return self.page


OpenWindow = Callable[..., Window]


@pytest.fixture
def open_window(chromium: Chromium, address: str) -> Iterator[OpenWindow]:
    """`open_window(width=820, dark=True)`: a fresh profile; several are several people."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def opened(
        *, width: int = 1440, height: int = 900, dark: bool = False, permissions: tuple[str, ...] = (), forgiving: tuple[str, ...] = ()
    ) -> Window:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, permissions=list(permissions))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))

        # A refused request is an error line of the browser's own; `forgiving` names the ones that a test is about: ("409",).
        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and not any(words in message.text for words in forgiving):
                problems.append(message.text)

        page.on("console", note)
        return Window(context, page, address)

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def window(open_window: OpenWindow) -> Window:
    """One person's browser; nobody is signed in."""
    return open_window()


@pytest.fixture
def reader(clinic: Clinic, tenant: UUID, window: Window) -> Window:
    """A dermatologist of the portal, signed in."""
    clinic.user(tenant)
    window.sign_in()
    return window
