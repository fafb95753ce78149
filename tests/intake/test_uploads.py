"""Direct uploads: what is put into the store is checked, used once, and deleted when nobody uses it."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from infra.local import LocalStack
from services.intake.context import EXTENSION, Backends
from services.objects import ObjectStore
from services.records.database import Database
from tests.conftest import ROOT, SettingsFor
from tests.intake.bulk import announce, complete, put, submit, uploaded
from tests.intake.conftest import Contents, Portal, Sender
from tests.pictures.samples import gradient, jpeg
from workers.uploads import forget_uploads


@pytest.fixture
def worker(settings_for: SettingsFor) -> Iterator[Database]:
    database = Database.connect(settings_for("worker"))
    yield database
    database.close()


def test_a_case_of_uploads_is_the_case_of_the_same_files(sender: Sender, picture: bytes, contents: Contents) -> None:
    answer = submit(sender, uploaded(sender, picture, name="a.jpg"), uploaded(sender, jpeg(gradient(64, 48)), name="b.jpg"))
    assert answer.status_code == 202
    assert [image["filename"] for image in answer.get_json()["images"]] == ["a.jpg", "b.jpg"]
    images = sender.get(answer.get_json()["status_url"]).get_json()["images"]
    assert [(image["width"], image["height"]) for image in images] == [(96, 64), (64, 48)]
    assert not [key for key in contents.keys(sender.portal) if "incoming" in key]


def test_the_same_request_is_answered_as_the_first_time_whichever_way_it_comes(sender: Sender, picture: bytes, contents: Contents) -> None:
    upload = uploaded(sender, picture)
    first = submit(sender, upload, key="k-1")
    again = submit(sender, upload, key="k-1")
    other_way = sender.post(("mole.jpg", picture), headers={"Idempotency-Key": "k-1"})
    newly_sent = submit(sender, uploaded(sender, picture), key="k-1")
    assert first.headers.get("Idempotent-Replayed") is None
    assert [each.headers["Idempotent-Replayed"] for each in (again, other_way, newly_sent)] == ["true"] * 3
    assert {each.get_json()["id"] for each in (again, other_way, newly_sent)} == {first.get_json()["id"]}
    assert contents.rows("cases") == 1


def test_an_upload_belongs_to_one_case(sender: Sender, picture: bytes, contents: Contents) -> None:
    upload = uploaded(sender, picture)
    assert submit(sender, upload).status_code == 202
    second = submit(sender, upload)
    assert (second.status_code, second.get_json()["reason"]) == (409, "upload_used")
    twice = submit(sender, *[uploaded(sender, picture)] * 2)
    assert (twice.status_code, twice.get_json()["reason"]) == (422, "upload_named_twice")
    assert contents.rows("cases") == 1


def test_the_store_takes_only_what_was_announced(sender: Sender, picture: bytes) -> None:
    announced = announce(sender, picture).get_json()
    assert put(announced, picture + b"more") == 403
    missing = complete(sender, announced)
    assert (missing.status_code, missing.get_json()["reason"]) == (422, "upload_missing")
    assert put(announced, picture[:-1] + b"x") == 200
    differs = complete(sender, announced)
    assert (differs.status_code, differs.get_json()["reason"]) == (422, "upload_differs")
    assert put(announced, picture) == 200
    assert complete(sender, announced).get_json()["state"] == "ready"
    assert complete(sender, announced).get_json()["put_url"] is None


def test_what_is_put_after_the_check_is_found_out(sender: Sender, picture: bytes, contents: Contents) -> None:
    announced = announce(sender, picture).get_json()
    assert (put(announced, picture), complete(sender, announced).status_code) == (200, 200)
    assert put(announced, bytes(len(picture))) == 200
    answer = submit(sender, announced["id"])
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "upload_differs")
    assert answer.get_json()["errors"][0]["location"] == "uploads.0"
    assert contents.rows("cases") == 0


def test_an_upload_that_is_no_picture_is_refused_as_a_file_would_be(sender: Sender, contents: Contents) -> None:
    words = b"words " * 100
    answer, plain = submit(sender, uploaded(sender, words)), sender.post(("mole.jpg", words))
    assert answer.status_code == plain.status_code == 422
    assert answer.get_json() == plain.get_json()
    assert contents.rows("cases") == 0


def test_uploads_of_others_or_not_yet_sent_cannot_be_used(sender: Sender, app: APIFlask, new_portal: object, picture: bytes) -> None:
    assert callable(new_portal)
    stranger: Portal = new_portal()
    theirs = uploaded(Sender(app.test_client(), stranger), picture)
    answer = submit(sender, theirs)
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "upload_not_found")
    assert sender.client.post(f"/v1/uploads/{theirs}/complete", headers=sender.portal.headers).status_code == 404
    pending = submit(sender, announce(sender, picture).get_json()["id"])
    assert (pending.status_code, pending.get_json()["reason"]) == (409, "upload_not_ready")


def test_files_beyond_the_limits_are_refused_before_they_are_sent(sender: Sender, picture: bytes) -> None:
    answer = announce(sender, picture, byte_size=2**30)
    assert (answer.status_code, answer.get_json()["reason"]) == (413, "file_too_large")
    assert submit(sender, *["00000000-0000-4000-8000-000000000000"] * 21).get_json()["reason"] == "too_many_files"


def test_a_file_in_several_parts_is_checked_whole(sender: Sender) -> None:
    # Larger than what is read at once, and than a part that the store keeps in one piece.
    data = jpeg(gradient(64, 48)) + bytes(range(256)) * 40_000
    announced = announce(sender, data).get_json()
    assert (put(announced, data), complete(sender, announced).get_json()["state"]) == (200, "ready")


def test_what_no_case_has_used_is_deleted_in_time(
    sender: Sender, picture: bytes, contents: Contents, worker: Database, store: ObjectStore
) -> None:
    used, unused, pending = uploaded(sender, picture), uploaded(sender, picture), announce(sender, picture).get_json()
    put(pending, picture)
    submit(sender, used)
    assert forget_uploads(database=worker, store=store) == 0
    with contents.engine.begin() as connection:
        connection.execute(text("UPDATE uploads SET expires_at = now() - interval '1 second'"))
    assert submit(sender, unused).get_json()["reason"] == "upload_not_found"
    assert forget_uploads(database=worker, store=store) == 3
    assert not [key for key in contents.keys(sender.portal) if "incoming" in key]
    assert contents.rows("uploads") == 0


UPKEEP = """
from workers.app import app
import workers.upkeep
print(app.conf.beat_schedule["uploads"]["task"] in app.tasks)
"""


def test_upkeep_looks_for_them_from_time_to_time(stack: LocalStack) -> None:
    command = [sys.executable, "-c", UPKEEP]
    done = subprocess.run(command, env=os.environ | stack.environment("worker"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_of_two_equal_requests_at_once_one_makes_the_case_and_both_are_answered(
    app: APIFlask, sender: Sender, picture: bytes, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploaded(sender, picture)
    backends: Backends = app.extensions[EXTENSION]
    first: list[str] = []
    read = ObjectStore.get_range

    def overtaken(store: ObjectStore, key: str, *, start: int, length: int) -> bytes:
        # While this request reads its file, the one that was sent before it comes to its end, and takes the file away.
        monkeypatch.setattr(ObjectStore, "get_range", read)
        first.append(submit(sender, upload, key="k").get_json()["id"])
        return read(store, key, start=start, length=length)

    monkeypatch.setattr(type(backends.store), "get_range", overtaken)
    answer = submit(sender, upload, key="k")
    assert (answer.status_code, answer.get_json()["id"]) == (202, first[0])
    assert contents.rows("cases") == 1
