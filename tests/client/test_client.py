"""The client against the real application, and against servers that behave badly."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.client import (
    ApiError,
    BatchLine,
    Client,
    Conflict,
    DermatrailError,
    NewCase,
    NotAuthenticated,
    NotFound,
    Patient,
    Picture,
    Refused,
    ServerError,
    Unreachable,
)
from services.client.content import key_of, sha256_of
from services.client.transport import Retry, retry_after
from tests.client.conftest import HASTY, Live, draw
from tests.intake.conftest import Backstage, Contents, Portal

CASE = NewCase(Patient("P-1"), reference="C-1", urgency="soon")


def test_a_case_is_submitted_followed_and_decided(client: Client, backstage: Backstage, portal: Portal, tmp_path: Path) -> None:
    (file,) = draw(tmp_path, 1).iterdir()
    accepted = client.submit(CASE, [Picture(path=file, modality="dermoscopic", pixel_spacing_mm=0.02)])
    assert not accepted.replayed
    case = client.case(accepted.case_id)
    assert (case.status, case.reference, case.patient_reference, case.decision) == ("queued", "C-1", "P-1", None)
    backstage.analyse()
    backstage.confirm(portal, accepted.case_id)
    case = client.case(accepted.case_id)
    assert case.decision is not None
    assert (case.status, case.decision.decision, case.decision.diagnosis) == ("reviewed", "confirm", "MEL")
    (image,) = case.images
    assert image.analysis is not None
    assert client.download(image.mask_url or "").startswith(b"\x89PNG")
    (line,) = client.cases(status="reviewed")
    assert (line.id, line.image_count) == (accepted.case_id, 1)


def test_the_same_content_is_one_case_in_every_run_and_either_way(client: Client, contents: Contents, tmp_path: Path) -> None:
    files = sorted(draw(tmp_path, 2).iterdir())
    first = client.submit(CASE, files)
    again = client.submit(CASE, [str(file) for file in files])
    client.direct_bytes = 10
    directly = client.submit(CASE, files)
    assert {first.case_id, again.case_id, directly.case_id} == {first.case_id}
    assert [first.replayed, again.replayed, directly.replayed] == [False, True, True]
    assert client.submit(CASE, files[:1]).case_id != first.case_id
    assert contents.rows("cases") == 2


def test_a_big_file_goes_into_the_store_in_parts(client: Client, tmp_path: Path) -> None:
    (file,) = draw(tmp_path, 1).iterdir()
    with file.open("ab") as stream:
        stream.write(bytes(9_000_000))
    client.direct_bytes = 1_000_000
    accepted = client.submit(CASE, [file])
    assert client.case(accepted.case_id).raw["images"][0]["byte_size"] == file.stat().st_size


@pytest.mark.usefixtures("attended")
def test_a_batch_is_submitted_and_its_items_are_listed(client: Client, tmp_path: Path) -> None:
    files = sorted(draw(tmp_path, 2).iterdir())
    files[1].write_bytes(b"words" * 20)
    lines = [BatchLine(CASE.as_json(), [client.upload(file).id], key_of(CASE.as_json(), [(file.name, sha256_of(file))])) for file in files]
    batch = client.submit_batch(lines)
    assert client.submit_batch(lines).id == batch.id
    while batch.waiting:
        batch = client.batch(batch.id)
    assert (batch.accepted, batch.refused) == (1, 1)
    good, bad = client.batch_items(batch.id)
    assert good.case_id is not None
    assert (bad.status, bad.reason) == ("refused", "not_an_image")
    assert [item.line for item in client.batch_items(batch.id, status="refused")] == [2]
    with pytest.raises(Refused) as refusal:
        client.submit_batch([BatchLine(CASE.as_json(), [uuid4()], "k")])
    assert refusal.value.faults[0].location == "line 1: uploads"


def test_errors_have_types_and_say_how_to_mend_them(client: Client, live: Live, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"words" * 20)
    with pytest.raises(Refused) as refusal:
        client.submit(CASE, [tmp_path / "words.jpg"])
    assert (refusal.value.status, refusal.value.faults[0].location) == (422, "images[0]")
    with pytest.raises(NotFound):
        client.case(uuid4())
    with pytest.raises(Conflict):
        client.submit_uploaded(CASE.as_json(), [pending(client)], idempotency_key="k")
    with Client(live.url, "dmt_wrong", retry=HASTY) as stranger, pytest.raises(NotAuthenticated):
        stranger.case(uuid4())
    with pytest.raises(DermatrailError, match="https://"):
        Client("derma.example", "dmt_x")


def pending(client: Client) -> UUID:
    said = {"filename": "a.jpg", "byte_size": 5, "sha256": "ab" * 32}
    return UUID(client._post("/v1/uploads", said, expected=frozenset({201}))["id"])


def test_lists_are_followed_over_their_pages(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.client.client.PAGE", 2)
    made = [client.submit(CASE, [file]).case_id for file in sorted(draw(tmp_path, 5).iterdir())]
    assert [line.id for line in client.cases()] == made
    page = client.events()
    assert (page.more, client.events(cursor=page.cursor).events) == (False, ())


Answer = tuple[int, dict[str, str], bytes]


class Stub:
    """A server that gives the answers of a list, one after another; None: it breaks the connection off."""

    def __init__(self, answers: list[Answer | None]) -> None:
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                stub.keys.append(self.headers["Idempotency-Key"])
                answer = answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815  (as the base class has it)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def stub() -> Iterator[Callable[[list[Answer | None]], Stub]]:
    made: list[Stub] = []

    def make(answers: list[Answer | None]) -> Stub:
        made.append(Stub(answers))
        return made[-1]

    yield make
    for each in made:
        each.close()


ACCEPTED = (
    b'{"id": "6a0e6a58-6f0e-4a39-9a56-08f1c0f9b1c3", "received_at": "2026-01-01T00:00:00+00:00", '
    b'"due_at": "2026-01-02T00:00:00+00:00", "status_url": "/x"}'
)
JSON = {"Content-Type": "application/json"}


def test_it_tries_again_with_the_same_key_and_the_whole_body(stub: Callable[[list[Answer | None]], Stub], tmp_path: Path) -> None:
    (file,) = draw(tmp_path, 1).iterdir()
    answers: list[Answer | None] = [None, (503, {"Retry-After": "7"}, b""), (429, {}, b"later"), (502, {}, b""), (202, JSON, ACCEPTED)]
    server, pauses = stub(answers), list[float]()
    with Client(server.url, "dmt_x", retry=Retry(attempts=5, first=0.5, longest=1.0), sleep=pauses.append) as client:
        assert client.submit(CASE, [file]).case_id
    assert len(set(server.keys)) == 1
    assert server.keys[0] == key_of(CASE.as_json(), [(file.name, sha256_of(file))])
    assert all(file.read_bytes() in body for body in server.bodies)
    assert 0.25 <= pauses[0] <= 0.5
    assert pauses[1] == 7.0
    assert 0.5 <= pauses[2] <= 1.0


def test_it_gives_up_at_last_and_says_what_to_do(stub: Callable[[list[Answer | None]], Stub], tmp_path: Path) -> None:
    (file,) = draw(tmp_path, 1).iterdir()
    server = stub([(503, {}, b"")] * 4)
    with Client(server.url, "dmt_x", retry=HASTY) as client, pytest.raises(Unreachable, match="answered 503"):
        client.submit(CASE, [file])
    with Client("http://127.0.0.1:9", "dmt_x", retry=HASTY) as client, pytest.raises(Unreachable):
        client.submit(CASE, [file])


def test_what_cannot_get_better_is_not_tried_again(stub: Callable[[list[Answer | None]], Stub], tmp_path: Path) -> None:
    (file,) = draw(tmp_path, 1).iterdir()
    server = stub([(500, JSON, b'{"reason": "internal_error", "detail": "recorded"}'), (400, {"Content-Type": "text/html"}, b"<p>no")])
    with Client(server.url, "dmt_x", retry=HASTY) as client:
        with pytest.raises(ServerError, match="recorded"):
            client.submit(CASE, [file])
        with pytest.raises(ApiError, match="<p>no"):
            client.submit(CASE, [file])


@pytest.mark.parametrize(("said", "seconds"), [("12", 12.0), ("", 0.0), ("soon", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_retry_after_is_a_number_or_a_date(said: str, seconds: float) -> None:
    assert retry_after(httpx.Response(503, headers={"Retry-After": said})) == seconds
    later = httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"})
    assert Retry(patience=60).pause(1, later) == 60
