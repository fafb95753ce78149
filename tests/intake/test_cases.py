"""The way of a case through the API."""

import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from sqlalchemy import text

from models.pictures.decode import decode
from models.pictures.inspect import inspect
from services.records.database import Database
from tests.intake.conftest import Backstage, Contents, Portal, Sender
from tests.pictures.samples import dicom, exif, gradient, jpeg, saved

WHOLE_CASE = {
    "patient": {"reference": "P-7", "sex": "female", "birth_year": 1961, "fitzpatrick": 2, "consent_training": True},
    "lesion": {"reference": "L-2", "body_site": "back", "laterality": "left"},
    "reference": "R-9",
    "urgency": "urgent",
    "clinical_notes": "Grew within 3 months.\nItches.",
    "images": [{"modality": "dermoscopic", "pixel_spacing_mm": 0.02}],
}


def test_a_clean_upright_jpeg_is_accepted_and_stored_once(sender: Sender, portal: Portal, contents: Contents, picture: bytes) -> None:
    answer = sender.post(("lesion.jpg", picture))
    assert answer.status_code == 202, answer.text
    body = answer.get_json()
    assert answer.headers["Location"] == body["status_url"] == f"/v1/cases/{body['id']}"
    (key,) = contents.keys(portal)
    assert key == f"{portal.tenant_id}/{body['id']}/{body['images'][0]['id']}/original"
    assert contents.store.get(key) == picture
    assert {table: contents.rows(table) for table in ("cases", "images", "jobs")} == {"cases": 1, "images": 1, "jobs": 1}


def test_the_case_can_be_read_back_as_it_was_sent(sender: Sender, picture: bytes) -> None:
    submitted = sender.post(("one.jpg", picture), ("two.png", saved(gradient(), "PNG")), case=WHOLE_CASE).get_json()
    case = sender.get(submitted["status_url"]).get_json()
    for name in ("lesion", "reference", "urgency", "clinical_notes"):
        assert case[name] == WHOLE_CASE[name], name
    sent: Any = WHOLE_CASE["patient"]
    assert case["patient"] == {"consent_care": None, "consent_audit": None, **sent}
    assert case["status"] == "queued"
    assert case["decision"] is None
    assert "Decision support" in case["disclaimer"]
    assert [(image["filename"], image["media_type"], image["modality"], image["pixel_spacing_mm"]) for image in case["images"]] == [
        ("one.jpg", "image/jpeg", "dermoscopic", 0.02),
        ("two.png", "image/png", "unknown", None),
    ]
    assert [image["id"] for image in case["images"]] == [image["id"] for image in submitted["images"]]
    assert all((image["width"], image["height"], image["state"], image["analysis"]) == (96, 64, "queued", None) for image in case["images"])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_view_is_upright_without_place_and_camera_and_the_original_is_kept(
    sender: Sender, portal: Portal, contents: Contents, orientation: int
) -> None:
    sent = jpeg(exif=exif(orientation))
    body = sender.post(("IMG_1.JPG", sent)).get_json()
    folder = f"{portal.tenant_id}/{body['id']}/{body['images'][0]['id']}"
    assert contents.keys(portal) == [f"{folder}/original", f"{folder}/view"]
    assert contents.store.get(f"{folder}/original") == sent
    view = contents.store.get(f"{folder}/view")
    shown = inspect(view)
    assert (shown.orientation, shown.has_metadata) == (1, False)
    assert b"SECRET" not in view
    image = sender.get(body["status_url"]).get_json()["images"][0]
    assert (image["width"], image["height"]) == ((64, 96) if orientation in (6, 8) else (96, 64)) == (shown.width, shown.height)


def test_a_dicom_file_brings_its_scale_and_kind_and_the_view_shows_its_colours(sender: Sender, portal: Portal, contents: Contents) -> None:
    body = sender.post(("x.dcm", dicom(PixelSpacing=[0.04, 0.04]))).get_json()
    image = sender.get(body["status_url"]).get_json()["images"][0]
    assert (image["media_type"], image["modality"], image["pixel_spacing_mm"]) == ("application/dicom", "dermoscopic", 0.04)
    view = contents.store.get(f"{portal.tenant_id}/{body['id']}/{image['id']}/view")
    assert np.abs(decode(view).rgb.astype(int) - gradient()).mean() < 1.5
    assert b"SECRET" not in view


def test_the_case_may_be_sent_as_a_file_part(app: APIFlask, portal: Portal, picture: bytes) -> None:
    parts = {"case": (io.BytesIO(b'{"patient": {"reference": "P"}}'), "case.json"), "images": [(io.BytesIO(picture), "a.jpg")]}
    answer = app.test_client().post("/v1/cases", data=parts, headers=portal.headers, content_type="multipart/form-data")
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\photos\\\\a.jpg", "a.jpg"),
        ("a\x07b.jpg", "ab.jpg"),
        ("x" * 300 + ".jpg", "x" * 255),
        ("a/", "image-1"),
    ],
)
def test_a_file_name_is_a_label_and_never_a_path(sender: Sender, picture: bytes, sent: str, kept: str) -> None:
    assert sender.post((sent, picture)).get_json()["images"][0]["filename"] == kept


def test_images_are_added_to_an_undecided_case(sender: Sender, contents: Contents, picture: bytes) -> None:
    case_id = sender.post(("a.jpg", picture)).get_json()["id"]
    answer = sender.post(("b.jpg", picture), case={"images": [{"modality": "clinical"}]}, path=f"/v1/cases/{case_id}/images")
    assert answer.status_code == 202, answer.text
    images = sender.get(f"/v1/cases/{case_id}").get_json()["images"]
    assert [(image["filename"], image["position"], image["modality"]) for image in images] == [
        ("a.jpg", 0, "unknown"),
        ("b.jpg", 1, "clinical"),
    ]
    assert answer.get_json()["images"][0]["id"] == images[1]["id"]
    assert contents.rows("jobs") == 2


def test_an_analysed_image_shows_its_finding_mask_thumbnail_and_heat_map(sender: Sender, backstage: Backstage, picture: bytes) -> None:
    submitted = sender.post(("a.jpg", picture)).get_json()
    backstage.analyse()
    case = sender.get(submitted["status_url"]).get_json()
    (image,) = case["images"]
    assert (case["status"], image["state"]) == ("awaiting_review", "done")
    assert image["analysis"]["prediction"] == "MEL"
    assert image["analysis"]["probabilities"]["MEL"] == 0.75
    assert (image["analysis"]["classes"], image["analysis"]["suspicious"], image["analysis"]["next_step"]) == (["MEL"], True, None)
    mask = sender.get(image["analysis"]["mask_url"])
    thumbnail, heatmap = (sender.get(image["analysis"][f"{name}_url"]) for name in ("thumbnail", "heatmap"))
    assert [answer.content_type for answer in (mask, thumbnail, heatmap)] == ["image/png", "image/jpeg", "image/jpeg"]
    shown = decode(mask.data).rgb
    assert shown.shape == (64, 96, 3)
    assert set(np.unique(shown)) == {0, 255}
    assert "private" in mask.headers["Cache-Control"]


def test_the_decision_of_the_dermatologist_reaches_the_portal(sender: Sender, backstage: Backstage, portal: Portal, picture: bytes) -> None:
    submitted = sender.post(("a.jpg", picture)).get_json()
    backstage.analyse()
    backstage.confirm(portal, uuid.UUID(submitted["id"]))
    case = sender.get(submitted["status_url"]).get_json()
    assert case["status"] == "reviewed"
    assert case["decision"]["decision"] == "confirm"
    assert case["decision"]["diagnosis"] == "MEL"
    closed = sender.post(("b.jpg", picture), case={}, path=f"{submitted['status_url']}/images")
    assert (closed.status_code, closed.get_json()["reason"]) == (409, "case_closed")


def test_a_read_that_is_not_final_does_not_reach_the_portal(
    sender: Sender, backstage: Backstage, portal: Portal, picture: bytes, owner: Database
) -> None:
    submitted = sender.post(("a.jpg", picture)).get_json()
    backstage.analyse()
    with owner.transaction() as session:
        session.execute(text("UPDATE tenants SET second_read_share = 1"))
    try:
        backstage.confirm(portal, uuid.UUID(submitted["id"]))
    finally:
        with owner.transaction() as session:
            session.execute(text("UPDATE tenants SET second_read_share = 0"))
    case = sender.get(submitted["status_url"]).get_json()
    assert (case["status"], case["decision"], case["reviewed_at"]) == ("awaiting_second_read", None, None)


def test_cases_are_listed_page_by_page(sender: Sender, picture: bytes) -> None:
    ids = [sender.post(("a.jpg", picture), case={"patient": {"reference": f"P-{n}"}}).get_json()["id"] for n in range(5)]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = sender.get("/v1/cases", limit=2, cursor=cursor, status="queued").get_json()
        found += [case["id"] for case in page["cases"]]
        cursor = page["next_cursor"]
    assert found == ids
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert sender.get("/v1/cases", since=later).get_json()["cases"] == []
    assert sender.get("/v1/cases", status="reviewed").get_json() == {"cases": [], "next_cursor": None}


def test_reading_and_sending_leave_traces_in_the_audit_trail(sender: Sender, contents: Contents, picture: bytes) -> None:
    url = sender.post(("a.jpg", picture)).get_json()["status_url"]
    sender.get(url)
    sender.get("/v1/cases")
    with contents.engine.connect() as connection:
        actions = list(connection.execute(text("SELECT action FROM audit_events WHERE actor_kind = 'portal' ORDER BY sequence")).scalars())
    assert actions == ["case.accepted", "case.read", "cases.listed"]


def test_a_tenant_never_sees_the_cases_of_another(sender: Sender, app: APIFlask, new_portal: Callable[[], Portal], picture: bytes) -> None:
    mine = sender.post(("a.jpg", picture)).get_json()
    stranger = Sender(app.test_client(), new_portal())
    image = f"{mine['status_url']}/images/{mine['images'][0]['id']}"
    for url in (mine["status_url"], f"{image}/mask", f"{image}/thumbnail", f"{image}/heatmap"):
        answer = stranger.get(url)
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "case_not_found")
    assert stranger.post(("b.jpg", picture), case={}, path=f"{mine['status_url']}/images").status_code == 404
    assert stranger.get("/v1/cases").get_json()["cases"] == []


def test_two_tenants_may_use_the_same_references_and_keys(
    sender: Sender, app: APIFlask, new_portal: Callable[[], Portal], contents: Contents, picture: bytes
) -> None:
    stranger = Sender(app.test_client(), new_portal())
    first = sender.post(("a.jpg", picture), headers={"Idempotency-Key": "1"}).get_json()
    second = stranger.post(("a.jpg", picture), headers={"Idempotency-Key": "1"}).get_json()
    assert first["id"] != second["id"]
    assert contents.rows("patients") == 2
