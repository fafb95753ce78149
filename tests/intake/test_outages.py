"""When something behind the intake is away, nothing is acknowledged and nothing stays half-way."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from apiflask import APIFlask

from services.doorbell import Doorbell
from services.intake.app import create_app
from services.settings import Settings
from tests.conftest import SettingsFor
from tests.intake.conftest import Contents, Portal, Sender, close
from tests.intake.test_bad_input import assert_problem

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def changed(intake_settings: Settings) -> Iterator[Any]:
    """``changed(s3_endpoint=…)``: an intake with other settings."""
    made: list[APIFlask] = []

    def create(**changes: Any) -> APIFlask:
        made.append(create_app(intake_settings.model_copy(update=changes)))
        return made[-1]

    yield create
    for application in made:
        close(application)


def test_without_the_store_nothing_is_acknowledged(changed: Any, portal: Portal, contents: Contents, picture: bytes) -> None:
    application = changed(s3_endpoint=NOWHERE)
    answer = Sender(application.test_client(), portal).post(("a.jpg", picture), ("b.jpg", picture))
    assert_problem(answer, 503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    contents.assert_nothing_stored(portal)
    ready = application.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["store"], ready.get_json()["database"]) == (503, False, True)


def test_without_the_database_nothing_is_acknowledged(
    changed: Any, portal: Portal, contents: Contents, picture: bytes, intake_settings: Settings
) -> None:
    url = intake_settings.database_url.get_secret_value()
    address = url.rsplit("@", 1)[1].split("/")[0]
    application = changed(database_url=type(intake_settings.database_url)(url.replace(address, NOWHERE)))
    sender = Sender(application.test_client(), portal)
    for answer in (sender.post(("a.jpg", picture)), sender.get("/v1/cases")):
        assert_problem(answer, 503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    contents.assert_nothing_stored(portal)
    ready = application.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["database"]) == (503, False)
    assert application.test_client().get("/healthz").status_code == 200


def test_when_the_transaction_fails_the_objects_are_removed(
    app: APIFlask, sender: Sender, portal: Portal, contents: Contents, picture: bytes
) -> None:
    """The database refuses the rows after the objects have been put."""
    with contents.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs ADD CONSTRAINT none_today CHECK (false) NOT VALID")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        assert_problem(sender.post(("a.jpg", picture), ("b.jpg", picture)), 500, "internal_error")
    finally:
        with contents.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs DROP CONSTRAINT none_today")
    contents.assert_nothing_stored(portal)


def test_without_the_broker_cases_are_accepted_as_ever(changed: Any, portal: Portal, picture: bytes, intake_settings: Settings) -> None:
    application = changed(broker_url=type(intake_settings.broker_url)(f"redis://{NOWHERE}/0"))
    start = time.monotonic()
    answer = Sender(application.test_client(), portal).post(("a.jpg", picture))
    assert answer.status_code == 202
    assert time.monotonic() - start < 2
    ready = application.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["ready"], ready.get_json()["broker"]) == (200, True, False)


def test_everything_is_ready_when_everything_is_there(app: APIFlask, portal: Portal) -> None:
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"ready": True, "database": True, "store": True, "broker": True}


def test_metrics_count_requests_by_route_and_never_by_address(app: APIFlask, sender: Sender, picture: bytes) -> None:
    url = sender.post(("a.jpg", picture)).get_json()["status_url"]
    sender.get(url)
    text = app.test_client().get("/metrics").text
    assert 'route="/v1/cases/<uuid:case_id>",status="200"' in text
    assert "dermatrail_intake_images_total" in text
    assert url not in text


def test_a_ring_reaches_the_queue_and_many_rings_become_few(settings_for: SettingsFor, clean_broker: None) -> None:
    settings = settings_for("intake")
    bell = Doorbell.connect(settings)
    for _ in range(100):
        bell.ring()
    with redis.Redis.from_url(settings.broker_url.get_secret_value()) as client:
        deadline = time.monotonic() + 5
        while not client.llen("analysis") and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        assert 1 <= int(client.llen("analysis")) <= 3
        body = client.lindex("analysis", 0)
    bell.close()
    assert b"workers.analysis.drain" in (body or b"")


def test_a_ring_into_nothing_neither_raises_nor_waits(intake_settings: Settings) -> None:
    nowhere = type(intake_settings.broker_url)(f"redis://{NOWHERE}/0")
    bell = Doorbell.connect(intake_settings.model_copy(update={"broker_url": nowhere}))
    start = time.monotonic()
    bell.ring()
    assert time.monotonic() - start < 0.1
    assert not bell.reachable()
    bell.close()
