"""The portal's side, against a small HTTP server that answers what each test wants."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.demo.cases import Submission, Upload
from infra.demo.portal import Accepted, Portal, PortalError, Refused
from infra.demo.submitting import look_up, submit_all
from infra.demo.tally import Fate

CASE_ID = uuid.uuid4()
SUBMISSION = Submission(case={"patient": {"reference": "P"}}, uploads=(Upload("a.jpg", lambda: b"a"), Upload("b.jpg", lambda: b"b")))
Answer = tuple[int, dict[str, Any]]


class Scripted:
    """A server that gives the scripted answers in turn, then the last one for ever; it keeps the requests' headers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.headers: list[dict[str, str]] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.headers.append(dict(self.headers))
                status, body = scripted.answers.pop(0) if len(scripted.answers) > 1 else scripted.answers[0]
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr("infra.demo.portal.FIRST_PAUSE_SECONDS", 0.001)
    made = Scripted()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def portal(scripted: Scripted) -> Iterator[Portal]:
    with Portal(address=f"http://127.0.0.1:{scripted.server.server_port}", api_key="key") as opened:
        yield opened


def test_it_tries_again_with_the_same_idempotency_key(portal: Portal, scripted: Scripted) -> None:
    scripted.answers = [(503, {}), (503, {}), (202, {"id": str(CASE_ID)})]
    assert portal.submit(SUBMISSION) == Accepted(CASE_ID)
    assert len(scripted.headers) == 3
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 1


def test_another_submission_has_another_key(portal: Portal, scripted: Scripted) -> None:
    scripted.answers = [(202, {"id": str(CASE_ID)})]
    portal.submit(SUBMISSION)
    portal.submit(SUBMISSION)
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 2


def test_a_refusal_carries_the_reason_of_the_file(portal: Portal, scripted: Scripted) -> None:
    faults = [{"location": "images[0]", "reason": "truncated", "detail": "cut off"}]
    scripted.answers = [(422, {"reason": "images_refused", "errors": faults})]
    assert portal.submit(SUBMISSION) == Refused(422, "truncated", "cut off")


@pytest.mark.parametrize("status", [500, 503])
def test_no_clear_answer_is_an_error_and_never_a_refusal(portal: Portal, scripted: Scripted, status: int) -> None:
    scripted.answers = [(status, {})]
    with pytest.raises(PortalError, match=str(status)):
        portal.submit(SUBMISSION)


def test_the_list_is_read_to_its_last_page(portal: Portal, scripted: Scripted) -> None:
    cases = [uuid.uuid4() for _ in range(3)]
    scripted.answers = [
        (200, {"cases": [{"id": str(case)} for case in cases[:2]], "next_cursor": "more"}),
        (200, {"cases": [{"id": str(cases[2])}], "next_cursor": None}),
    ]
    assert list(portal.queued(since="2026-01-01T00:00:00+00:00")) == cases


def fates(portal: Portal, scripted: Scripted, images: list[dict[str, Any]]) -> list[Fate]:
    """What is said of two submitted images when the case lists ``images``."""
    scripted.answers = [(202, {"id": str(CASE_ID)}), (200, {"images": images})]
    receipts = submit_all(portal=portal, submissions=[SUBMISSION], advance=ignore)
    return [answer.fate for answer in look_up(portal=portal, receipts=receipts)]


ignore: Callable[[int], None] = lambda _: None  # noqa: E731


def test_an_image_is_analysed_when_the_case_shows_its_analysis(portal: Portal, scripted: Scripted) -> None:
    done = {"state": "done", "analysis": {"finding": {}}}
    assert fates(portal, scripted, [done, {"state": "failed", "reason": "why", "analysis": None}]) == [Fate.ANALYSED, Fate.FAILED]


def test_an_image_that_still_waits_is_lost(portal: Portal, scripted: Scripted) -> None:
    waiting = {"state": "queued", "analysis": None}
    assert fates(portal, scripted, [waiting, waiting]) == [Fate.LOST, Fate.LOST]


def test_an_image_that_the_case_does_not_list_has_no_answer(portal: Portal, scripted: Scripted) -> None:
    assert fates(portal, scripted, [{"state": "done", "analysis": {"finding": {}}}]) == [Fate.ANALYSED]


def test_a_submission_without_a_clear_answer_is_lost(portal: Portal, scripted: Scripted) -> None:
    scripted.answers = [(500, {})]
    receipts = submit_all(portal=portal, submissions=[SUBMISSION], advance=ignore)
    assert [answer.fate for answer in look_up(portal=portal, receipts=receipts)] == [Fate.LOST, Fate.LOST]


def test_the_receipts_are_in_the_order_of_the_submissions(portal: Portal, scripted: Scripted) -> None:
    scripted.answers = [(202, {"id": str(CASE_ID)})]
    submissions = [Submission(case={}, uploads=(Upload(f"{number}.jpg", lambda: b""),)) for number in range(30)]
    receipts = submit_all(portal=portal, submissions=iter(submissions), advance=ignore)
    assert [receipt.submission for receipt in receipts] == submissions
