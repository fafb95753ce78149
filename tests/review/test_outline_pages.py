"""Saving a drawn outline: who may, what is stored, what the pages say of it afterwards."""

import struct
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from PIL import Image, ImageDraw
from sqlalchemy import text
from werkzeug.test import TestResponse

from services.records.claims import claim_case
from services.records.outlines import store_measures, unmeasured_outlines
from services.records.states import Role
from services.records.views import ImageView, load_case
from services.review.mask_files import MAX_BYTES, write_mask
from tests.review.conftest import Browser, token, words_of
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, mask_png

MEASURES = {**MELANOMA["measures"], "area_share": 0.061, "major_diameter_px": 88.0}


def drawn(width: int = 320, height: int = 240) -> bytes:
    """A mask as the editor sends it."""
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).rectangle((10, 20, 90, 100), fill=255)
    data = mask.tobytes()
    return write_mask(b"".join(b"\0" + data[row * width : (row + 1) * width] for row in range(height)), width, height)


def said(answer: TestResponse) -> dict[str, Any]:
    """The answer's JSON."""
    found: dict[str, Any] = answer.get_json()
    return found


class Desk:
    """A case in front of a signed-in reader."""

    def __init__(self, clinic: Clinic, tenant: UUID, browser: Browser, case_id: UUID) -> None:
        self.clinic, self.tenant, self.browser, self.case_id = clinic, tenant, browser, case_id

    @property
    def image(self) -> ImageView:
        with self.clinic.intake.transaction(tenants=[self.tenant]) as session:
            return load_case(session=session, tenant_ids=[self.tenant], case_id=self.case_id).images[0]

    @property
    def address(self) -> str:
        return f"/cases/{self.case_id}/images/{self.image.id}"

    @property
    def picture(self) -> str:
        return f"/pictures/{self.case_id}/{self.image.id}"

    def post(self, path: str, data: bytes = b"", *, csrf: bool = True) -> TestResponse:
        headers = {"X-CSRFToken": token(self.browser.get("/models").text)} if csrf else {}
        return self.browser.client.post(f"{self.address}{path}", data=data, content_type="image/png", headers=headers)

    def save(self, mask: bytes | None = None) -> TestResponse:
        return self.post("/outline", drawn() if mask is None else mask)

    def measure(self) -> None:
        with self.clinic.worker.transaction() as session:
            for outline in unmeasured_outlines(session=session, limit=10):
                store_measures(session=session, outline_id=outline.id, measures=MEASURES)


@pytest.fixture
def desk(clinic: Clinic, tenant: UUID, reader: Browser) -> Desk:
    return Desk(clinic, tenant, reader, clinic.case(tenant, Seen(MELANOMA)))


def test_what_was_drawn_is_stored_and_served_and_the_models_mask_stays(desk: Desk) -> None:
    answer = desk.save()
    assert answer.status_code == 201
    assert str(desk.image.outline and desk.image.outline.id) in said(answer)["mask"]
    assert desk.browser.get(said(answer)["mask"]).data == drawn()
    assert desk.browser.get(f"{desk.picture}/mask").data == drawn()
    assert desk.browser.get(f"{desk.picture}/model-mask").data == mask_png()


def test_the_page_names_the_author_and_shows_the_new_measures_once_they_are_there(desk: Desk) -> None:
    assert "corrected" not in words_of(desk.browser.get(f"/cases/{desk.case_id}"))
    desk.save()
    waiting = desk.browser.get(f"{desk.address}/measures")
    assert "Outline corrected by Dr Lind" in words_of(waiting)
    assert "Being measured" in words_of(waiting)
    assert f'data-waiting="{desk.address}/measures"' in waiting.text
    desk.measure()
    assert 'data-glance="in distribution · sharp · size relative"' in desk.browser.get(f"{desk.address}/measures").text
    for page in (desk.browser.get(f"{desk.address}/measures"), desk.browser.get(f"/cases/{desk.case_id}")):
        assert "6.1 % of picture" in words_of(page)
        assert "corrected by Dr Lind" in words_of(page)
        assert "data-waiting" not in page.text


def test_an_outline_that_could_not_be_measured_says_why(desk: Desk) -> None:
    desk.save()
    with desk.clinic.worker.transaction() as session:
        (outline,) = unmeasured_outlines(session=session, limit=10)
        store_measures(session=session, outline_id=outline.id, measures=None, reason="The outline is too small to be measured.")
    assert "Not measured The outline is too small" in words_of(desk.browser.get(f"{desk.address}/measures"))


def test_the_word_is_given_back_to_the_model(desk: Desk) -> None:
    desk.save()
    desk.measure()
    answer = desk.post("/outline/restore")
    assert answer.status_code == 200
    assert desk.browser.get(said(answer)["mask"]).data == mask_png()
    words = words_of(desk.browser.get(f"{desk.address}/measures"))
    assert "12.7 % of picture" in words
    assert "corrected" not in words


def test_giving_back_what_is_the_models_changes_nothing(desk: Desk) -> None:
    assert desk.post("/outline/restore").status_code == 200
    assert desk.image.outline is None


def test_an_outline_can_be_drawn_where_the_model_gave_none(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    desk = Desk(clinic, tenant, reader, clinic.case(tenant, Failed("file damaged")))
    assert desk.save().status_code == 201
    desk.measure()
    assert "6.1 % of picture" in words_of(reader.get(f"/cases/{desk.case_id}"))


@pytest.mark.parametrize(("mask", "reason"), [(b"GIF89a", "not a PNG"), (drawn(300, 300), "shape"), (mask_png(), "filter")])
def test_what_is_no_mask_is_refused_with_its_reason_and_not_stored(desk: Desk, mask: bytes, reason: str) -> None:
    answer = desk.save(mask)
    assert answer.status_code == 422
    assert reason in said(answer)["message"]
    assert desk.image.outline is None


def test_a_body_larger_than_any_mask_is_refused_unread(desk: Desk) -> None:
    assert desk.save(bytes(MAX_BYTES + 1)).status_code == 413


def test_a_mask_larger_than_a_form_is_taken(desk: Desk) -> None:
    padded = drawn()
    comment = bytes(100_000)

    chunk = struct.pack(">I", len(comment)) + b"teXt" + comment + struct.pack(">I", zlib.crc32(b"teXt" + comment))
    assert desk.save(padded[:33] + chunk + padded[33:]).status_code == 201


def test_without_the_pages_token_nothing_is_stored(desk: Desk) -> None:
    assert desk.post("/outline", drawn(), csrf=False).status_code == 400
    assert desk.image.outline is None


def test_nobody_draws_who_is_not_signed_in(desk: Desk, app: Flask) -> None:
    stranger = Browser(app.test_client())
    answer = stranger.client.post(f"{desk.address}/outline", data=drawn(), headers={"X-CSRFToken": token(stranger.get("/sign-in").text)})
    assert answer.status_code in {303, 400}
    assert desk.image.outline is None


def test_an_administrator_does_not_draw(desk: Desk, app: Flask) -> None:
    desk.clinic.user(desk.tenant, email="admin@clinic.example", role=Role.ADMIN, name="Admin")
    admin = Browser(app.test_client())
    admin.sign_in("admin@clinic.example")
    assert Desk(desk.clinic, desk.tenant, admin, desk.case_id).save().status_code == 403
    assert desk.image.outline is None


def test_another_portals_case_looks_like_none(desk: Desk, app: Flask) -> None:
    elsewhere = desk.clinic.tenant("Portal B", "portal-b")
    desk.clinic.user(elsewhere, email="b@clinic.example", name="Dr B")
    other = Browser(app.test_client())
    other.sign_in("b@clinic.example")
    theirs = Desk(desk.clinic, desk.tenant, other, desk.case_id)
    assert theirs.save().status_code == 404
    assert theirs.post("/outline/restore").status_code == 404
    assert other.get(f"{desk.address}/measures").status_code == 404
    assert other.get(f"{desk.picture}/model-mask").status_code == 404
    assert desk.image.outline is None


def test_an_image_of_another_case_is_not_found(desk: Desk) -> None:
    address = f"/cases/{desk.clinic.case(desk.tenant, Seen(MELANOMA))}/images/{desk.image.id}/outline"
    headers = {"X-CSRFToken": token(desk.browser.get("/models").text)}
    assert desk.browser.client.post(address, data=drawn(), headers=headers).status_code == 404


def test_a_case_that_somebody_else_has_is_not_drawn_on(desk: Desk) -> None:
    other = desk.clinic.user(desk.tenant, email="m@clinic.example", name="Dr Marten")
    with desk.clinic.owner.transaction(tenants=[desk.tenant]) as session:
        claim_case(
            session=session, tenant_ids=[desk.tenant], case_id=desk.case_id, user_id=other, lease=timedelta(minutes=5), take_over=True
        )
    answer = desk.save()
    assert answer.status_code == 409
    assert "Dr Marten has this case" in said(answer)["message"]
    assert desk.image.outline is None


def test_a_decided_case_keeps_its_outline(desk: Desk) -> None:
    desk.save()
    before = desk.image.outline
    desk.browser.decide(desk.case_id, "confirm")
    assert desk.save().status_code == 409
    assert desk.post("/outline/restore").status_code == 409
    assert desk.image.outline == before


def test_a_reader_who_may_not_decide_sees_no_button(desk: Desk, app: Flask) -> None:
    assert "data-draw=" in desk.browser.get(f"/cases/{desk.case_id}").text
    desk.clinic.user(desk.tenant, email="admin@clinic.example", role=Role.ADMIN, name="Admin")
    admin = Browser(app.test_client())
    admin.sign_in("admin@clinic.example")
    assert "data-draw=" not in admin.get(f"/cases/{desk.case_id}").text


def test_an_unknown_image_is_not_found(desk: Desk) -> None:
    assert desk.browser.get(f"/cases/{desk.case_id}/images/{uuid4()}/measures").status_code == 404


def test_what_a_blind_reader_must_not_see_yet_is_refused(desk: Desk) -> None:
    with desk.clinic.owner.transaction(tenants=[desk.tenant]) as session:
        session.execute(text("UPDATE tenants SET blind_first_read = true"))
    for path in (f"{desk.address}/measures", f"{desk.picture}/mask", f"{desk.picture}/model-mask"):
        assert desk.browser.get(path).status_code == 403
    assert desk.save().status_code == 403
    page = desk.browser.get(f"/cases/{desk.case_id}").text
    assert "data-draw=" not in page
    assert "% of picture" not in page


def test_a_decision_records_the_outline_that_was_shown(desk: Desk) -> None:
    desk.save()
    desk.measure()
    outline = desk.image.outline
    assert outline is not None
    desk.browser.decide(desk.case_id, "confirm")
    with desk.clinic.intake.transaction(tenants=[desk.tenant]) as session:
        (review,) = load_case(session=session, tenant_ids=[desk.tenant], case_id=desk.case_id).reviews
    (shown,) = review.shown["images"]
    assert (shown["outline_id"], shown["measures"]) == (str(outline.id), MEASURES)
