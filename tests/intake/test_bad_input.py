"""Bad input: each is a clear 4xx with a machine-readable reason, and nothing is stored half-way."""

import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from PIL import Image
from werkzeug.test import TestResponse

from services.intake.app import create_app
from services.settings import Settings
from tests.intake.conftest import CASE, Contents, Portal, Sender, close
from tests.pictures.samples import dicom, encapsulated, gradient, jpeg, png_bomb, saved
from tests.pictures.test_dicom import patched, without
from tests.pictures.test_refusals import frames

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated jpeg": (lambda: jpeg()[:-700], "truncated"),
    "text named .jpg": (lambda: b"these are words", "not_an_image"),
    "0 bytes": (lambda: b"", "empty"),
    "png bomb": (png_bomb, "too_many_pixels"),
    "animated gif": (lambda: frames("GIF"), "animated"),
    "animated webp": (lambda: frames("WEBP"), "animated"),
    "animated png": (lambda: frames("PNG"), "animated"),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not_an_image"),
    "html": (lambda: b"<!doctype html><script>alert(1)</script>", "not_an_image"),
    "dicom without pixels": (lambda: without("PixelData"), "no_pixel_data"),
    "dicom with a broken transfer syntax": (
        lambda: patched(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"),
        "unsupported_transfer_syntax",
    ),
    "dicom whose pixels are of another syntax": (lambda: encapsulated(b"nonsense", width=96, height=64), "damaged"),
    "multi-frame dicom": (lambda: dicom(NumberOfFrames=2, PixelData=gradient().tobytes() * 2), "multi_frame"),
    "two-page tiff": (lambda: frames("TIFF"), "multi_frame"),
}


def assert_problem(answer: TestResponse, status: int, reason: str) -> dict[str, Any]:
    """The answer is an RFC 9457 problem of this status and reason."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.get_json()
    assert (body["status"], body["reason"], body["type"]) == (status, reason, f"urn:dermatrail:problem:{reason}")
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_and_nothing_is_stored(sender: Sender, portal: Portal, contents: Contents, picture: bytes, name: str) -> None:
    make, reason = FILES[name]
    body = assert_problem(sender.post(("good.jpg", picture), ("bad.jpg", make())), 422, reason)
    (fault,) = body["errors"]
    assert (fault["location"], fault["reason"]) == ("images[1]", reason)
    contents.assert_nothing_stored(portal)


def test_every_bad_file_is_named(sender: Sender, portal: Portal, contents: Contents, picture: bytes) -> None:
    body = assert_problem(sender.post(("a", b""), ("b", picture), ("c", b"words")), 422, "images_refused")
    assert [(fault["location"], fault["reason"]) for fault in body["errors"]] == [("images[0]", "empty"), ("images[2]", "not_an_image")]
    contents.assert_nothing_stored(portal)


def sixteen_bits() -> bytes:
    out = io.BytesIO()
    Image.fromarray(gradient()[..., 0].astype(np.uint16) * 257).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("make", [lambda: saved(gradient(), "JPEG", mode="CMYK"), sixteen_bits])
def test_cmyk_and_16_bit_files_are_accepted(sender: Sender, make: Callable[[], bytes]) -> None:
    assert sender.post(("a", make())).status_code == 202


def test_too_many_files(sender: Sender, portal: Portal, contents: Contents, picture: bytes) -> None:
    assert_problem(sender.post(*[("a.jpg", picture)] * 21), 413, "too_many_files")
    contents.assert_nothing_stored(portal)


def test_no_files(sender: Sender, portal: Portal, contents: Contents) -> None:
    assert_problem(sender.post(), 422, "no_images")
    contents.assert_nothing_stored(portal)


@pytest.fixture
def strict(intake_settings: Settings, portal: Portal) -> Any:
    """An intake with small limits."""
    application = create_app(intake_settings.model_copy(update={"max_file_bytes": 4000, "max_files": 2}))
    yield Sender(application.test_client(), portal)
    close(application)


def test_a_file_over_the_limit(strict: Sender, portal: Portal, contents: Contents, picture: bytes) -> None:
    body = assert_problem(strict.post(("a.jpg", picture), ("b.jpg", picture + bytes(4000))), 413, "file_too_large")
    assert body["errors"][0]["location"] == "images[1]"
    contents.assert_nothing_stored(portal)


def test_a_request_over_the_limit(strict: Sender, portal: Portal, contents: Contents) -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=images; filename=a\r\n\r\n" + bytes(1_100_000) + b"\r\n--b--\r\n"
    headers = portal.headers | {"Content-Type": "multipart/form-data; boundary=b"}
    assert_problem(strict.client.post("/v1/cases", data=body, headers=headers), 413, "request_too_large")
    contents.assert_nothing_stored(portal)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Bearer dmt_000000000000_" + "A" * 43, "Basic ZG10Og=="])
def test_a_missing_or_wrong_key(app: APIFlask, portal: Portal, contents: Contents, picture: bytes, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    client = app.test_client()
    body = {"case": json.dumps(CASE), "images": [(io.BytesIO(picture), "a.jpg")]}
    answers = [client.post("/v1/cases", data=body, headers=headers), client.get("/v1/cases", headers=headers)]
    for answer in answers:
        assert_problem(answer, 401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    contents.assert_nothing_stored(portal)


def test_a_key_with_one_wrong_letter(app: APIFlask, portal: Portal) -> None:
    last = "A" if portal.key[-1] != "A" else "B"
    answer = app.test_client().get("/v1/cases", headers={"Authorization": f"Bearer {portal.key[:-1]}{last}"})
    assert_problem(answer, 401, "not_authenticated")


def test_the_same_idempotency_key_with_the_same_body_gives_the_first_answer(
    sender: Sender, portal: Portal, contents: Contents, picture: bytes
) -> None:
    first, second = (sender.post(("a.jpg", picture), headers={"Idempotency-Key": "key-1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.get_json() == first.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (contents.rows("cases"), len(contents.keys(portal))) == (1, 1)


@pytest.mark.parametrize("change", ["case", "file", "name"])
def test_the_same_idempotency_key_with_another_body(
    sender: Sender, portal: Portal, contents: Contents, picture: bytes, change: str
) -> None:
    assert sender.post(("a.jpg", picture), headers={"Idempotency-Key": "key-1"}).status_code == 202
    case = {"patient": {"reference": "other"}} if change == "case" else CASE
    data = jpeg(quality=50) if change == "file" else picture
    name = "b.jpg" if change == "name" else "a.jpg"
    assert_problem(sender.post((name, data), case=case, headers={"Idempotency-Key": "key-1"}), 422, "idempotency_key_reused")
    assert (contents.rows("cases"), len(contents.keys(portal))) == (1, 1)


def test_concurrent_requests_with_one_key_make_one_case(app: APIFlask, portal: Portal, contents: Contents, picture: bytes) -> None:
    barrier = threading.Barrier(4)

    def send(_: int) -> TestResponse:
        barrier.wait()
        return Sender(app.test_client(), portal).post(("a.jpg", picture), headers={"Idempotency-Key": "race"})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert (contents.rows("cases"), contents.rows("images"), len(contents.keys(portal))) == (1, 1, 1)


@pytest.mark.parametrize("key", ["", "x" * 201, "é", "a\tb"])
def test_an_unusable_idempotency_key(sender: Sender, portal: Portal, contents: Contents, picture: bytes, key: str) -> None:
    assert_problem(sender.post(("a.jpg", picture), headers={"Idempotency-Key": key}), 422, "invalid_idempotency_key")
    contents.assert_nothing_stored(portal)


PATIENT = {"patient": {"reference": "P"}}
BODIES: dict[str, tuple[Any, str]] = {
    "no patient": ({}, "case.patient"),
    "unknown field": (PATIENT | {"urgancy": "soon"}, "case.urgancy"),
    "unknown field inside": ({"patient": {"reference": "P", "name": "Eve"}}, "case.patient.name"),
    "unknown urgency": (PATIENT | {"urgency": "now"}, "case.urgency"),
    "empty reference": ({"patient": {"reference": ""}}, "case.patient.reference"),
    "nul in a reference": ({"patient": {"reference": "a\x00b"}}, "case.patient.reference"),
    "nul in the notes": (PATIENT | {"clinical_notes": "a\x00b"}, "case.clinical_notes"),
    "lone surrogate": (PATIENT | {"clinical_notes": "\ud800"}, "case"),
    "true for a number": ({"patient": {"reference": "P", "fitzpatrick": True}}, "case.patient.fitzpatrick"),
    "skin type 7": ({"patient": {"reference": "P", "fitzpatrick": 7}}, "case.patient.fitzpatrick"),
    "more entries than files": (PATIENT | {"images": [{}, {}]}, "case.images"),
    "a visit to come": (PATIENT | {"visited_at": "2400-01-01T00:00:00Z"}, "case.visited_at"),
    "a visit before photography": (PATIENT | {"visited_at": "1066-01-01T00:00:00Z"}, "case.visited_at"),
    "a visit without a zone": (PATIENT | {"visited_at": "2024-01-01T00:00:00"}, "case.visited_at"),
    "a magnification of nothing": (PATIENT | {"images": [{"magnification": 0}]}, "case.images.0.magnification"),
    "an absurd spacing": (PATIENT | {"images": [{"pixel_spacing_mm": 5000}]}, "case.images.0.pixel_spacing_mm"),
    "negative spacing": (PATIENT | {"images": [{"pixel_spacing_mm": -1}]}, "case.images.0.pixel_spacing_mm"),
    "a list": ([], "case"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_field_that_is_not_as_described(sender: Sender, portal: Portal, contents: Contents, picture: bytes, name: str) -> None:
    case, location = BODIES[name]
    body = assert_problem(sender.post(("a.jpg", picture), case=case), 422, "invalid_fields")
    assert body["errors"][0]["location"].startswith(location)
    contents.assert_nothing_stored(portal)


def test_rejected_values_are_not_repeated(sender: Sender, picture: bytes) -> None:
    assert "Eve Adams" not in sender.post(("a.jpg", picture), case={"patient": {"reference": "P", "sex": "Eve Adams"}}).text


@pytest.mark.parametrize("case", ["", "{", "nonsense", '{"patient": {"reference": "P"}}}'])
def test_json_that_is_none(app: APIFlask, portal: Portal, picture: bytes, case: str) -> None:
    body = {"case": case, "images": [(io.BytesIO(picture), "a.jpg")]}
    assert_problem(app.test_client().post("/v1/cases", data=body, headers=portal.headers), 422, "invalid_fields")


def test_parts_that_are_missing_or_unknown(app: APIFlask, portal: Portal, picture: bytes) -> None:
    client = app.test_client()

    def send(**parts: Any) -> dict[str, Any]:
        answer = client.post("/v1/cases", data=parts, headers=portal.headers, content_type="multipart/form-data")
        return assert_problem(answer, 422, "invalid_fields")

    file = io.BytesIO(picture)
    assert send(images=[(file, "a.jpg")])["errors"][0]["location"] == "case"
    assert send(case=json.dumps(CASE), image=[(io.BytesIO(picture), "a.jpg")])["errors"][0]["location"] == "image"
    assert send(case=json.dumps(CASE), images="no file")["errors"][0]["reason"] == "not_a_file"


def test_a_body_that_is_neither_files_nor_json(app: APIFlask, portal: Portal) -> None:
    answer = app.test_client().post("/v1/cases", data="patient=P-1", content_type="text/plain", headers=portal.headers)
    assert_problem(answer, 415, "not_multipart")


def test_json_that_names_no_uploads(app: APIFlask, portal: Portal) -> None:
    problem = assert_problem(app.test_client().post("/v1/cases", json=CASE, headers=portal.headers), 422, "invalid_fields")
    assert [fault["location"] for fault in problem["errors"]] == ["body.uploads"]


def test_unknown_addresses_methods_and_ids(app: APIFlask, sender: Sender) -> None:
    client = app.test_client()
    assert_problem(client.get("/nowhere"), 404, "not_found")
    wrong_method = client.delete("/v1/cases")
    assert_problem(wrong_method, 405, "method_not_allowed")
    assert "POST" in wrong_method.headers["Allow"]
    assert_problem(sender.get("/v1/cases/00000000-0000-4000-8000-000000000000"), 404, "case_not_found")
    assert_problem(sender.get("/v1/cases/none"), 404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"status": "open"},
        {"since": "2026-01-01T00:00:00"},
        {"since": "0001-01-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00+20:05"},
        {"cursor": "x"},
        {"page": "2"},
    ],
)
def test_queries_that_are_not_as_described(sender: Sender, query: dict[str, str]) -> None:
    body = assert_problem(sender.get("/v1/cases", **query), 422, "invalid_fields")
    assert "cursor" in query or body["errors"][0]["location"].endswith(next(iter(query)))


def test_an_offset_that_the_database_does_not_know_is_a_time_all_the_same(sender: Sender, picture: bytes) -> None:
    said = "2024-03-01T09:30:00+20:05"
    assert sender.get("/v1/cases", since=said).status_code == 200
    case = sender.post(("a.jpg", picture), case=CASE | {"visited_at": said}).get_json()
    assert sender.get(case["status_url"]).get_json()["visited_at"] == "2024-02-29T13:25:00Z"


def test_images_that_are_not_there_or_not_analysed(sender: Sender, picture: bytes) -> None:
    case = sender.post(("a.jpg", picture)).get_json()
    image = f"{case['status_url']}/images/{case['images'][0]['id']}"
    assert_problem(sender.get(f"{image}/mask"), 404, "not_analysed")
    assert_problem(sender.get(f"{case['status_url']}/images/{case['id']}/thumbnail"), 404, "image_not_found")
    assert_problem(sender.post(("a.jpg", picture), case={}, path=f"/v1/cases/{case['images'][0]['id']}/images"), 404, "case_not_found")
