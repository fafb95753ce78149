"""The Chromium of the browser tests: one on PATH, else Playwright's own below .local/browsers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.applications import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSERS = ROOT / ".local" / "browsers"


def find() -> Path | None:
    """A Chromium that Playwright can start, or None."""
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    return _playwrights_own()


def is_required() -> bool:
    """Whether a missing browser is a failure: where nobody reads the list of skipped tests."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def fetch() -> bool:
    """Let Playwright fetch its Chromium; False when it cannot."""
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    return subprocess.run(command, env={**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}, check=False).returncode == 0


def _playwrights_own() -> Path | None:
    from playwright.sync_api import sync_playwright

    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = str(BROWSERS)
    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


def main() -> int:
    """Find a browser or fetch one; 1 when there is none and one is required."""
    found = find()
    if found is None and fetch():
        found = find()
    if found is not None:
        print(f"browser for the tests: {found}", file=sys.stderr)
        return 0
    cure = "install your system's chromium package, or let `playwright install chromium` reach its download server"
    print(f"WARNING: no Chromium: the browser tests will be SKIPPED. Cure: {cure}.", file=sys.stderr)
    return 1 if is_required() else 0


if __name__ == "__main__":
    sys.exit(main())
