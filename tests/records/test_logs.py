"""Log lines are JSON, say what they are about, and hold nothing about a patient."""

import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from services.logs import JsonFormatter, configure_logging, log_context
from services.records.errors import DatabaseUnavailable
from tests.records.worlds import Portal

Lines = list[dict[str, Any]]


class Sink(logging.Handler):
    """Keeps what a process would have printed."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))

    def lines(self) -> Lines:
        return [json.loads(text) for text in self.text]


@pytest.fixture
def sink() -> Iterator[Sink]:
    log = logging.getLogger("dermatrail.test")
    made = Sink()
    log.addHandler(made)
    yield made
    log.removeHandler(made)


log = logging.getLogger("dermatrail.test")


def test_a_line_is_one_json_object_with_time_level_and_message(sink: Sink) -> None:
    log.warning("two\nlines and %d", 3)
    [text] = sink.text
    assert "\n" not in text
    [line] = sink.lines()
    assert (line["level"], line["logger"], line["message"]) == ("warning", "dermatrail.test", "two\nlines and 3")
    assert line["time"].endswith("+00:00")


def test_ids_are_on_every_line_of_their_block_and_on_no_other(sink: Sink) -> None:
    case_id = uuid4()
    with log_context(request_id="r-1"):
        with log_context(case_id=case_id):
            log.warning("inner")
        log.warning("outer")
    log.warning("after")
    inner, outer, after = sink.lines()
    assert (inner["request_id"], inner["case_id"]) == ("r-1", str(case_id))
    assert outer["request_id"] == "r-1"
    assert "case_id" not in outer
    assert "request_id" not in after


def test_ids_stay_in_their_thread(sink: Sink) -> None:
    with ThreadPoolExecutor(1) as pool, log_context(job_id="j-1"):
        pool.submit(log.warning, "elsewhere").result()
    assert "job_id" not in sink.lines()[0]


def test_an_error_of_the_database_is_logged_without_the_row(sink: Sink, portal: Portal) -> None:
    try:
        portal.submit(fitzpatrick=9, patient="P-secret", clinical_notes="grows since spring")
    except Exception:
        log.exception("could not store the case")
    [text] = sink.text
    assert "P-secret" not in text
    assert "grows" not in text
    [line] = sink.lines()
    assert line["error"]["type"] == "sqlalchemy.exc.IntegrityError"
    assert line["error"]["cause"]["type"] == "psycopg2.errors.CheckViolation"
    assert any("accept_case" in frame for frame in line["error"]["trace"])


def test_an_error_of_ours_is_logged_with_its_message(sink: Sink) -> None:
    try:
        raise DatabaseUnavailable("The database is not available: try again.")
    except DatabaseUnavailable:
        log.exception("no luck")
    assert sink.lines()[0]["error"]["message"] == "The database is not available: try again."


def test_a_process_logs_json_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        configure_logging()
        log.info("ready")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert json.loads(io.StringIO(capsys.readouterr().err).readline())["message"] == "ready"
