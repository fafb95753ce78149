"""Tiles of large pictures: for the portal's readers alone, quick, and recorded once a reading."""

import re
import threading
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from services.review.findings import HAIRLESS_SHARE
from services.review.tiles import TILES, Readings
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Seen, finding, jpeg
from workers.tiles import TileMaker

LARGE = (2600, 1700)


@pytest.fixture
def address(clinic: Clinic, tenant: UUID, reader: Browser) -> str:
    """Where the tiles of a case's picture are, as its page says."""
    case_id = clinic.case(tenant, Seen(MELANOMA, picture=jpeg(*LARGE), size=LARGE))
    assert "data-tiles" not in reader.get(f"/cases/{case_id}").text
    TileMaker(database=clinic.worker, store=clinic.store, stopping=threading.Event()).make_all()
    found = re.search(r'data-tiles="([^"]+)"', reader.get(f"/cases/{case_id}").text)
    assert found
    return found[1]


def events(engine: Engine) -> list[str]:
    """What people did."""
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT action FROM audit_events WHERE actor_kind = 'user' ORDER BY created_at")))


def test_tiles_are_jpegs_for_this_browser_alone(reader: Browser, address: str) -> None:
    for place in ("9/0_0", "12/5_3"):
        answer = reader.get(f"{address}/{place}.jpg")
        assert (answer.status_code, answer.mimetype, answer.data[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
        assert answer.headers["Cache-Control"] == "private, max-age=600"
        assert reader.get(f"{address}/{place}.jpg", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("place", ["12/6_0", "12/0_4", "8/0_0", "13/0_0", "99/0_0"])
def test_a_place_outside_the_pyramid_is_not_found(reader: Browser, address: str, place: str) -> None:
    assert reader.get(f"{address}/{place}.jpg").status_code == 404


def test_many_tiles_are_one_reading(reader: Browser, address: str, superuser_engine: Engine) -> None:
    for x in range(6):
        reader.get(f"{address}/12/{x}_0.jpg")
    assert events(superuser_engine).count("image.read") == 1


def test_a_tile_costs_one_small_statement_beside_the_readers_own(reader: Browser, address: str, app: Flask) -> None:
    reader.get(f"{address}/9/0_0.jpg")
    asked: list[str] = []
    engine = app.extensions["dermatrail"].database.engine
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    assert reader.get(f"{address}/12/1_1.jpg").status_code == 200
    about = [statement for statement in asked if "set_config" not in statement and "FROM users" not in statement]
    assert [statement for statement in about if "FROM images" in statement] == about[-1:]
    assert len(asked) <= 6, "who the reader is, what they may see, and the picture"


def test_another_portals_reader_gets_no_tile(clinic: Clinic, reader: Browser, address: str, superuser_engine: Engine) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    clinic.user(other, email="b@clinic.example")
    stranger = Browser(reader.client.application.test_client())
    stranger.sign_in(email="b@clinic.example")
    assert reader.get(f"{address}/9/0_0.jpg").status_code == 200
    before = events(superuser_engine)
    assert stranger.get(f"{address}/9/0_0.jpg").status_code == 404
    assert events(superuser_engine) == before
    nobody = Browser(reader.client.application.test_client())
    assert nobody.get(f"{address}/9/0_0.jpg").status_code == 303


def test_tiles_are_not_served_under_another_case(clinic: Clinic, tenant: UUID, reader: Browser, address: str) -> None:
    other = clinic.case(tenant, Seen(MELANOMA))
    parts = address.split("/")
    parts[2] = str(other)
    assert reader.get(f"{'/'.join(parts)}/9/0_0.jpg").status_code == 404


def test_an_object_that_is_no_pyramid_is_not_found(clinic: Clinic, reader: Browser, address: str, superuser_engine: Engine) -> None:
    with superuser_engine.connect() as connection:
        key = connection.scalars(text("SELECT tiles_key FROM images WHERE tiles_key IS NOT NULL")).one()
    clinic.store.put(key, b"something else", "application/zip")
    assert reader.get(f"{address}/9/0_0.jpg").status_code == 404


def test_a_reading_that_could_not_be_recorded_is_tried_again() -> None:
    readings, user, image = Readings(), UUID(int=1), UUID(int=2)

    def fail() -> None:
        with readings.beginning(user, image) as first:
            assert first
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with readings.beginning(user, image) as again:
        assert again
    with readings.beginning(user, image) as later:
        assert not later
    with readings.beginning(UUID(int=3), image) as another:
        assert another


def test_what_is_remembered_is_bounded(app: Flask) -> None:
    readings = Readings(kept=2)
    for number in (1, 2, 3):
        with readings.beginning(UUID(int=number), UUID(int=0)) as first:
            assert first
    with readings.beginning(UUID(int=1), UUID(int=0)) as forgotten:
        assert forgotten
    assert TILES in app.extensions


def test_the_page_says_whether_hair_was_found(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    def page(share: float, hairfree: bytes = b"") -> str:
        quality = {**MELANOMA["quality"], "hair_share": share}
        answer = Seen(finding({"MEL": 1.0}, quality=quality), hairfree=hairfree)
        return words_of(reader.get(f"/cases/{clinic.case(tenant, answer)}"))

    assert "little hair" in page(HAIRLESS_SHARE / 2)
    assert "No hair 3" in page(HAIRLESS_SHARE, jpeg())
    # An analysis from before this view existed: nothing is claimed.
    assert "little hair" not in page(HAIRLESS_SHARE)


def test_the_picture_without_hair_is_streamed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA, hairfree=jpeg(64, 48)))}").text
    found = re.search(r'data-hair="([^"]+)"', page)
    assert found
    assert reader.get(found[1]).data == jpeg(64, 48)
