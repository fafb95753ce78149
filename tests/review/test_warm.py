"""A desk that has just started."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.review import warm


def test_it_is_ready_once_its_pages_are_compiled(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    compile_pages: Callable[[Flask], None] = warm.warm_up

    def held(warming: Flask) -> None:
        released.wait(30)
        compile_pages(warming)

    monkeypatch.setattr(warm, "warm_up", held)
    thread = warm.warm_up_beside(app)
    browser = app.test_client()
    early = browser.get("/readyz")
    assert (early.status_code, early.get_json()["pages"], browser.get("/healthz").status_code) == (503, "unavailable", 200)
    released.set()
    thread.join(60)
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.get_json()["pages"]) == (200, "ok")
    assert app.jinja_env.cache is not None
    assert len(app.jinja_env.cache) == len(app.jinja_env.list_templates()), "the cache must hold every page at once"


def test_warming_up_reads_in_nobodys_name(app: Flask, clean_database: None, superuser_engine: Engine) -> None:
    warm.warm_up(app)
    with superuser_engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM audit_events")) == 0


def test_a_page_that_does_not_compile_keeps_nobody_waiting(app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(_: Flask) -> None:
        raise RuntimeError("this page is broken")

    monkeypatch.setattr(warm, "warm_up", broken)
    warm.warm_up_beside(app).join(60)
    assert app.test_client().get("/readyz").status_code == 200
    assert "could not be warmed up" in caplog.text
