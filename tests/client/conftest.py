"""A live intake over real HTTP, folders of drawn pictures, and the command line as another process."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from werkzeug.serving import make_server

from services.client import Client
from services.client.transport import Retry
from services.intake.batch_work import ATTENDANT, Attendant
from tests.conftest import ROOT
from tests.intake.conftest import (  # noqa: F401
    Contents,
    Portal,
    app,
    backstage,
    contents,
    intake_settings,
    new_portal,
    owner,
    picture,
    portal,
    sender,
    store,
)
from tests.pictures.samples import jpeg

HASTY = Retry(attempts=4, first=0.01, longest=0.05)


@dataclass
class Live:
    """The application behind an address. ``before``, ``after``: called with the WSGI environment around each request."""

    url: str
    before: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)
    after: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)


@pytest.fixture(scope="session")
def server(app: APIFlask) -> Iterator[Live]:  # noqa: F811
    live = Live("")

    def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
        for step in live.before:
            step(environ)
        body = b"".join(app.wsgi_app(environ, start_response))
        for step in live.after:
            step(environ)
        return [body]

    http = make_server("127.0.0.1", 0, wrapped, threaded=True)
    live.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield live
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def live(server: Live) -> Iterator[Live]:
    yield server
    server.before.clear()
    server.after.clear()


@pytest.fixture
def attended(app: APIFlask) -> Iterator[None]:  # noqa: F811
    """Batches are worked off."""
    attendant = Attendant(app.extensions["dermatrail"])
    kept = app.extensions[ATTENDANT]
    app.extensions[ATTENDANT] = attendant
    attendant.start()
    yield
    attendant.close()
    app.extensions[ATTENDANT] = kept


@pytest.fixture
def client(live: Live, portal: Portal) -> Iterator[Client]:  # noqa: F811
    with Client(live.url, portal.key, retry=HASTY) as made:
        yield made


def draw(folder: Path, count: int, *, prefix: str = "P") -> Path:
    """So many small pictures, each different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rgb = np.full((48, 64, 3), (200, 150, 120), np.uint8)
        rgb[8:40, 8:56] = (number % 256, number // 256, 90)
        (folder / f"{prefix}-{number:04d}.jpg").write_bytes(jpeg(rgb))
    return folder


@dataclass(frozen=True)
class Command:
    """``dermatrail …`` against the live intake."""

    url: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DERMATRAIL_PORTAL_URL": self.url, "DERMATRAIL_PORTAL_KEY": self.key}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from workers.cli import main; main()", *map(str, arguments)],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=120)
        return process.returncode, out, errors


@pytest.fixture
def command(live: Live, portal: Portal) -> Command:  # noqa: F811
    return Command(live.url, portal.key)
