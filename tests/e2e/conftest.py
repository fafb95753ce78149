"""All processes on a stack of their own, and a real Chromium."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from infra.local import LocalStack, browser
from infra.local.seed import Access, seed
from tests.conftest import STACKS


@pytest.fixture(scope="module")
def running_stack() -> Iterator[LocalStack]:
    """Servers, intake, review, worker and beat, as `make up` runs them."""
    STACKS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=STACKS))
    with LocalStack(folder) as stack:
        stack.start_processes()
        yield stack
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def demo_access(running_stack: LocalStack) -> Access:
    """A portal's key and a dermatologist's sign-in."""
    return seed(running_stack)


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Chromium without a window. Skips where there is none, unless a browser is required."""
    executable = browser.find()
    if executable is None:
        cure = "no Chromium: install it from your system's packages, or run python -m infra.local.browser"
        if browser.is_required():
            pytest.fail(cure)
        pytest.skip(cure)
    # Its sandbox needs user namespaces, which root in a container does not have; the pages are our own.
    running = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile at the size of a small clinic screen."""
    fresh = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which any script error or refused resource fails the test."""
    opened, problems = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield opened
    assert problems == []
