"""The desk without its browser libraries, and how they are served."""

import gzip
from pathlib import Path

import pytest
from flask import Flask

from infra.frontend.__main__ import LIBRARIES
from services.review import vendor
from tests.review.conftest import Browser, words_of


@pytest.fixture
def folder(app: Flask, tmp_path: Path) -> Path:
    """A folder for the libraries of this test alone; empty."""
    app.config["VENDOR_FOLDER"] = tmp_path
    return tmp_path


def fill(folder: Path) -> None:
    for name in vendor.NAMES:
        (folder / name).write_bytes(b"/* library */")


def test_pages_say_which_command_installs_missing_libraries(browser: Browser, folder: Path) -> None:
    page = browser.get("/sign-in")
    assert page.status_code == 200
    assert "run python -m infra.frontend on the server" in words_of(page)


def test_one_missing_library_is_enough_to_say_so(browser: Browser, folder: Path) -> None:
    fill(folder)
    (folder / vendor.NAMES[1]).unlink()
    assert "infra.frontend" in browser.get("/sign-in").text


def test_pages_say_nothing_when_the_libraries_are_there(browser: Browser, folder: Path) -> None:
    fill(folder)
    assert "infra.frontend" not in browser.get("/sign-in").text


def test_a_browser_that_accepts_gzip_gets_it(browser: Browser, folder: Path) -> None:
    fill(folder)
    (folder / "uplot.min.js.gz").write_bytes(gzip.compress(b"/* library */"))
    packed = browser.get("/static/vendor/uplot.min.js", headers={"Accept-Encoding": "gzip"}, buffered=True)
    plain = browser.get("/static/vendor/uplot.min.js", headers={"Accept-Encoding": "identity"}, buffered=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.mimetype == plain.mimetype == "text/javascript"
    assert gzip.decompress(packed.data) == plain.data == b"/* library */"
    assert "Content-Encoding" not in plain.headers
    assert all("max-age" in answer.headers["Cache-Control"] and answer.headers["Vary"] == "Accept-Encoding" for answer in (packed, plain))


@pytest.mark.parametrize("name", ["absent.js", "..%2F..%2Fvendor.py", "%2Fetc%2Fpasswd"])
def test_nothing_but_its_own_files_is_served(browser: Browser, folder: Path, name: str) -> None:
    assert browser.get(f"/static/vendor/{name}").status_code == 404


def test_the_set_up_installs_what_the_desk_asks_for() -> None:
    assert {name for library in LIBRARIES for _, name in library.files} == set(vendor.NAMES)
