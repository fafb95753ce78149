"""The guide for portals: every address in it exists, and it names every scenario of a sandbox as it is."""

import re
from pathlib import Path

import pytest
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from services.intake.app import create_app
from services.records.sandbox import SCRIPTS
from tests.conftest import ROOT, SettingsFor

GUIDE: Path = ROOT / "docs" / "portals.md"
ADDRESS = re.compile(r"^derma(?P<options>.*?)\"?\$DERMATRAIL_PORTAL_URL(?P<path>/[^\s\"?]*)(?P<rest>.*)$", re.MULTILINE)
ID = "00000000-0000-4000-8000-000000000000"


def requests() -> list[tuple[str, str]]:
    """Method and path of each request, with an id in place of each variable."""
    found = []
    for match in ADDRESS.finditer(GUIDE.read_text(encoding="utf-8")):
        told = re.search(r"-X (\w+)", match["options"])
        sends = re.search(r"--json|-F |-d |--data-binary", match["rest"])
        path = re.sub(r"(?<!\\)\$[A-Z]+", ID, match["path"]).replace("\\$", "$")
        found.append((told[1] if told else "POST" if sends else "GET", path))
    return found


def test_it_is_full_of_requests() -> None:
    assert len(requests()) >= 25


def test_every_address_exists(settings_for: SettingsFor) -> None:
    routes = create_app(settings_for("intake")).url_map.bind("derma.example")
    for method, path in requests():
        try:
            routes.match(path, method=method)
        except RequestRedirect:
            continue
        except HTTPException as error:
            pytest.fail(f"{method} {path}: {error}")


def test_it_names_every_scenario_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)`[^|]* \| ([^|]+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {scenario.value: script.about for scenario, script in SCRIPTS.items()}
