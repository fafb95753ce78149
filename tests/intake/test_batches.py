"""Batches: a manifest is valid as a whole, and every line of it ends as a case or with a reason."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from services.intake import batch_work
from services.intake.batch_work import Attendant, work_off
from services.intake.context import EXTENSION, Backends
from services.intake.incoming import submit_uploaded
from services.intake.manifests import COLUMNS
from services.objects import ObjectStore, StoreUnavailable
from services.records.batches import waiting_tenants
from tests.intake.bulk import announce, batch, item, submit, uploaded
from tests.intake.conftest import Contents, Portal, Sender
from tests.pictures.samples import jpeg


@pytest.fixture
def backends(app: APIFlask) -> Backends:
    found: Backends = app.extensions[EXTENSION]
    return found


@pytest.fixture
def end_leases(contents: Contents) -> Callable[[], None]:
    """Call it: every claimed line may be claimed again."""

    def forget() -> None:
        with contents.engine.begin() as connection:
            connection.execute(text("UPDATE batch_items SET not_before = now() - interval '1 second' WHERE state = 'waiting'"))

    return forget


def items(sender: Sender, answer: Any, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sender.get(answer.get_json()["items_url"], **query).get_json()["items"]
    return found


def counts(sender: Sender, answer: Any) -> dict[str, int]:
    found: dict[str, int] = sender.get(answer.get_json()["status_url"]).get_json()["counts"]
    return found


def test_each_item_becomes_a_case_or_is_refused_with_its_reason(
    sender: Sender, backends: Backends, picture: bytes, contents: Contents
) -> None:
    good, words, also = uploaded(sender, picture), uploaded(sender, b"words" * 50), uploaded(sender, picture)
    answer = batch(sender, item(good, reference="C-1"), item(words), item(also, patient={"reference": "P-2"}))
    assert (answer.status_code, answer.get_json()["counts"]) == (202, {"waiting": 3, "accepted": 0, "refused": 0})
    assert answer.get_json()["finished_at"] is None
    assert work_off(backends) == 3
    assert counts(sender, answer) == {"waiting": 0, "accepted": 2, "refused": 1}
    assert sender.get(answer.get_json()["status_url"]).get_json()["finished_at"]
    first, second, third = items(sender, answer)
    assert [each["line"] for each in (first, second, third)] == [1, 2, 3]
    assert sender.get(first["case_url"]).get_json()["reference"] == "C-1"
    assert sender.get(third["case_url"]).get_json()["patient"]["reference"] == "P-2"
    assert (second["status"], second["reason"], second["case_id"]) == ("refused", "not_an_image", None)
    # What the portal said of its patients is not kept twice.
    with contents.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM batch_items WHERE submission IS NOT NULL")).scalar_one() == 0


def test_the_items_are_listed_by_cursor_and_by_status(sender: Sender, backends: Backends, picture: bytes) -> None:
    answer = batch(sender, *[item(uploaded(sender, data)) for data in (picture, b"words" * 9, picture, b"words" * 8)])
    work_off(backends)
    page = sender.get(answer.get_json()["items_url"], status="refused", limit=1).get_json()
    rest = sender.get(answer.get_json()["items_url"], status="refused", limit=1, cursor=page["next_cursor"]).get_json()
    assert [each["line"] for each in (*page["items"], *rest["items"])] == [2, 4]
    assert rest["next_cursor"] is None
    assert sender.get(answer.get_json()["items_url"], cursor="nonsense").status_code == 422


def test_the_same_manifest_is_one_batch(sender: Sender, backends: Backends, picture: bytes, contents: Contents) -> None:
    line, key = item(uploaded(sender, picture)), "b-1"
    first, second = batch(sender, line, key=key), batch(sender, line, key=key)
    work_off(backends)
    third = batch(sender, line, key=key)
    assert {each.get_json()["id"] for each in (first, second, third)} == {first.get_json()["id"]}
    assert third.headers["Idempotent-Replayed"] == "true"
    assert contents.rows("cases") == 1
    other = batch(sender, item(uploaded(sender, picture)), key=key)
    assert (other.status_code, other.get_json()["reason"]) == (422, "idempotency_key_reused")


def test_nothing_of_a_manifest_with_a_fault_is_taken(sender: Sender, picture: bytes, contents: Contents) -> None:
    good, pending = uploaded(sender, picture), announce(sender, picture).get_json()["id"]
    used = uploaded(sender, picture)
    submit(sender, used)
    gone = "00000000-0000-4000-8000-000000000000"
    answer = batch(sender, item(good), item(good), item(pending), item(used), item(gone))
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "invalid_manifest")
    faults = {fault["location"]: fault["reason"] for fault in answer.get_json()["errors"]}
    assert faults == {
        "line 2: uploads": "upload_named_twice",
        "line 3: uploads": "upload_not_ready",
        "line 4: uploads": "upload_used",
        "line 5: uploads": "upload_not_found",
    }
    wrong = batch(sender, item(good), item(good, patient={"reference": ""}, urgency="at once"))
    assert {fault["location"] for fault in wrong.get_json()["errors"]} == {"line 2: patient.reference", "line 2: urgency"}
    assert (contents.rows("batches"), contents.rows("batch_items")) == (0, 0)
    assert submit(sender, good).status_code == 202


def test_a_manifest_may_be_a_csv_file(sender: Sender, backends: Backends, picture: bytes) -> None:
    one, two, three = (uploaded(sender, picture) for _ in range(3))
    text_ = (
        "uploads;patient_reference;birth_year;consent_training;body_site;clinical_notes;modality;pixel_spacing_mm\r\n"
        f'{one} {two};P-1;1970;yes;back;"itches;\nbleeds";dermoscopic;0.02\r\n'
        "\r\n"
        f"{three};P-2;;;;;;\r\n"
    )
    answer = post_csv(sender, "\ufeff" + text_)
    assert answer.status_code == 202, answer.text
    work_off(backends)
    first, second = items(sender, answer)
    assert (first["line"], second["line"]) == (2, 5)
    case = sender.get(first["case_url"]).get_json()
    assert (case["patient"]["birth_year"], case["patient"]["consent_training"], case["lesion"]["body_site"]) == (1970, True, "back")
    assert case["clinical_notes"] == "itches;\nbleeds"
    assert [image["pixel_spacing_mm"] for image in case["images"]] == [0.02, 0.02]
    assert sender.get(second["case_url"]).get_json()["patient"]["reference"] == "P-2"


@pytest.mark.parametrize(
    ("manifest", "location", "reason"),
    [
        ("uploads,patient_reference,colour\nx,P,red\n", "line 1: colour", "unknown_column"),
        ("uploads\nx\n", "line 1", "missing_column"),
        ("uploads,patient_reference,uploads\nx,P,x\n", "line 1: uploads", "column_twice"),
        ("uploads,patient_reference,birth_year\n\nx,P-1,old\n", "line 3: birth_year", "not_readable"),
        ("uploads,patient_reference,consent_training\nx,P-1,maybe\n", "line 2: consent_training", "not_readable"),
        ("uploads,patient_reference\nx,P,1\n", "line 2", "too_many_cells"),
        ("uploads,patient_reference\nx,P\n", "line 2: uploads.0", "uuid_parsing"),
        ("uploads,patient_reference\n,P\n", "line 2: uploads", "too_short"),
        ('uploads,patient_reference\n"x\n', "line 2", "not_csv"),
    ],
)
def test_a_fault_in_a_csv_file_is_told_with_its_line(sender: Sender, manifest: str, location: str, reason: str) -> None:
    answer = post_csv(sender, manifest)
    assert answer.status_code == 422
    assert (location, reason) in {(fault["location"], fault["reason"]) for fault in answer.get_json()["errors"]}, answer.text
    assert "P-1" not in answer.text


def test_other_manifests_are_refused(sender: Sender) -> None:
    assert post_csv(sender, b"\xff\xfe").get_json()["reason"] == "not_utf8"
    assert post_csv(sender, ",".join(COLUMNS)).get_json()["reason"] == "no_items"
    other = sender.client.post("/v1/batches", data=b"<x/>", content_type="text/xml", headers=sender.portal.headers)
    assert other.status_code == 415
    assert sender.get("/v1/batches/00000000-0000-4000-8000-000000000000").status_code == 404


def test_raw_sql_of_the_intake_sees_only_the_tenant_at_hand(
    app: APIFlask, sender: Sender, new_portal: Callable[[], Portal], backends: Backends, picture: bytes
) -> None:
    other = Sender(app.test_client(), new_portal())
    for each in (sender, other):
        batch(each, item(uploaded(each, picture)))
    for table in ("uploads", "batches", "batch_items"):
        with backends.database.transaction(tenants=[sender.portal.tenant_id]) as session:
            assert set(session.scalars(text(f"SELECT tenant_id FROM {table}"))) == {sender.portal.tenant_id}
        with backends.database.transaction() as session:
            assert session.scalars(text(f"SELECT 1 FROM {table}")).all() == []
            assert set(waiting_tenants(session=session)) == {sender.portal.tenant_id, other.portal.tenant_id}


def test_another_portals_batch_looks_like_none(sender: Sender, app: APIFlask, new_portal: Callable[[], Portal], picture: bytes) -> None:
    answer = batch(sender, item(uploaded(sender, picture)))
    stranger = Sender(app.test_client(), new_portal())
    for name in ("status_url", "items_url"):
        assert stranger.get(answer.get_json()[name]).status_code == 404


def test_a_process_that_dies_over_a_line_leaves_it_to_the_next_one_and_the_case_is_one(
    sender: Sender, backends: Backends, contents: Contents, monkeypatch: pytest.MonkeyPatch, end_leases: Callable[[], None]
) -> None:
    answer = batch(sender, item(uploaded(sender, jpeg())))

    class Killed(BaseException):
        """As if the process had ended."""

    def die(**_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(batch_work, "settle_item", die)  # the case is committed, and its line does not know
        with pytest.raises(Killed):
            work_off(backends)
    assert (contents.rows("cases"), counts(sender, answer)["waiting"]) == (1, 1)
    assert work_off(backends) == 0
    end_leases()
    assert work_off(backends) == 1
    assert (contents.rows("cases"), counts(sender, answer)) == (1, {"waiting": 0, "accepted": 1, "refused": 0})
    assert contents.rows("images") == 1


def test_a_line_waits_while_the_store_is_away(
    sender: Sender, backends: Backends, picture: bytes, monkeypatch: pytest.MonkeyPatch, end_leases: Callable[[], None]
) -> None:
    answer = batch(sender, item(uploaded(sender, picture)))

    def away(*_: Any, **__: Any) -> bytes:
        raise StoreUnavailable("The object store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "get_range", away)
        for _ in range(batch_work.MOST_ATTEMPTS + 2):
            assert work_off(backends) == 0
            end_leases()
    assert counts(sender, answer)["waiting"] == 1
    assert work_off(backends) == 1
    assert counts(sender, answer)["accepted"] == 1


def test_a_line_over_which_something_breaks_each_time_is_given_up_at_last(
    sender: Sender, backends: Backends, picture: bytes, monkeypatch: pytest.MonkeyPatch, end_leases: Callable[[], None]
) -> None:
    bad, good = uploaded(sender, picture), uploaded(sender, picture)
    answer = batch(sender, item(bad, clinical_notes="poison"), item(good))
    accept = submit_uploaded

    def broken(*, wanted: Any, **rest: Any) -> Any:
        if wanted.case.clinical_notes == "poison":
            raise RuntimeError("a fault of ours")
        return accept(wanted=wanted, **rest)

    monkeypatch.setattr(batch_work, "submit_uploaded", broken)
    for _ in range(batch_work.MOST_ATTEMPTS + 1):
        work_off(backends)
        end_leases()
    first, second = items(sender, answer)
    assert (first["status"], first["reason"]) == ("refused", "given_up")
    assert second["status"] == "accepted"


def test_an_equal_case_of_an_earlier_batch_is_the_case_of_the_line(
    sender: Sender, backends: Backends, picture: bytes, contents: Contents
) -> None:
    first = batch(sender, item(uploaded(sender, picture), idempotency_key="c-1"))
    again = batch(sender, item(uploaded(sender, picture), idempotency_key="c-1"))
    assert first.get_json()["id"] != again.get_json()["id"]
    work_off(backends)
    assert items(sender, first)[0]["case_id"] == items(sender, again)[0]["case_id"]
    assert contents.rows("cases") == 1
    twice = batch(sender, *[item(uploaded(sender, picture), idempotency_key="c-2") for _ in range(2)])
    assert twice.get_json()["errors"][0]["reason"] == "key_named_twice"


def test_portals_take_turns(
    app: APIFlask, sender: Sender, new_portal: Callable[[], Portal], picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends: Backends = app.extensions[EXTENSION]
    other = Sender(app.test_client(), new_portal())
    order: list[str] = []
    monkeypatch.setattr(batch_work, "TURN", 1)
    accept = submit_uploaded

    def noted(**rest: Any) -> Any:
        order.append(str(rest["portal"].tenant_id))
        return accept(**rest)

    monkeypatch.setattr(batch_work, "submit_uploaded", noted)
    batch(sender, *[item(uploaded(sender, picture)) for _ in range(3)])
    batch(other, item(uploaded(other, picture)))
    assert work_off(backends) == 4
    assert str(other.portal.tenant_id) in order[:2]


def test_the_thread_works_when_it_is_woken(app: APIFlask, sender: Sender, backends: Backends, picture: bytes) -> None:
    attendant = Attendant(backends)
    answer = batch(sender, item(uploaded(sender, picture)))
    attendant.start()
    try:
        deadline = time.monotonic() + 20
        while counts(sender, answer)["waiting"] and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        attendant.close()
    assert counts(sender, answer)["accepted"] == 1


def post_csv(sender: Sender, manifest: str | bytes) -> Any:
    return sender.client.post("/v1/batches", data=manifest, content_type="text/csv; charset=utf-8", headers=sender.portal.headers)
