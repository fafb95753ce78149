"""Large pictures get their tiles once, whatever happens in between."""

import io
import threading
import zipfile
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.objects import ObjectStore, StoreUnavailable
from services.records.database import Database
from services.records.tiling import any_untiled
from tests.conftest import SettingsFor
from tests.review.seeds import MELANOMA, Clinic, Failed, Pending, Seen, jpeg
from workers.tiles import TileMaker

LARGE = (2600, 1700)


@pytest.fixture
def clinic(owner: Database, worker_database: Database, settings_for: SettingsFor) -> Iterator[Clinic]:
    """A clinic on an empty database."""
    intake = Database.connect(settings_for("intake"))
    yield Clinic(owner=owner, intake=intake, worker=worker_database, store=ObjectStore.connect(settings_for("worker")))
    intake.close()


@pytest.fixture
def tenant(clinic: Clinic) -> UUID:
    """One portal."""
    return clinic.tenant()


def large(**changes: object) -> Seen:
    """An analysed picture that is worth tiles."""
    return Seen(MELANOMA, **{"picture": jpeg(*LARGE), "size": LARGE, **changes})  # type: ignore[arg-type]


def maker(clinic: Clinic, store: object = None) -> TileMaker:
    """The worker's maker, on the clinic's store or on another one."""
    return TileMaker(database=clinic.worker, store=store or clinic.store, stopping=threading.Event())  # type: ignore[arg-type]


def keys(engine: Engine) -> list[str]:
    """Where tiles are said to lie."""
    with engine.connect() as connection:
        return [key for key in connection.scalars(text("SELECT tiles_key FROM images")) if key]


def untiled(clinic: Clinic) -> bool:
    """Whether the sweep would ring."""
    with clinic.worker.transaction() as session:
        return any_untiled(session=session)


def test_a_large_picture_gets_one_object_with_all_its_tiles(clinic: Clinic, tenant: UUID, superuser_engine: Engine) -> None:
    clinic.case(tenant, large())
    assert untiled(clinic)
    assert maker(clinic).make_all() == 1
    (key,) = keys(superuser_engine)
    assert key.startswith(str(tenant))
    with zipfile.ZipFile(io.BytesIO(clinic.store.get(key))) as archive:
        assert len(archive.namelist()) == 6 * 4 + 3 * 2 + 2 * 1 + 1
    assert not untiled(clinic)


def test_a_repeat_makes_nothing(clinic: Clinic, tenant: UUID) -> None:
    clinic.case(tenant, large())
    first = maker(clinic)
    assert (first.make_all(), first.make_all(), maker(clinic).make_all()) == (1, 0, 0)


def test_small_pictures_and_those_still_being_analysed_wait_for_nothing(clinic: Clinic, tenant: UUID) -> None:
    clinic.case(tenant, Seen(MELANOMA), Pending(), Failed("broken"))
    assert not untiled(clinic)
    assert maker(clinic).make_all() == 0


def test_a_picture_that_cannot_be_cut_holds_up_no_other(clinic: Clinic, tenant: UUID, superuser_engine: Engine) -> None:
    clinic.case(tenant, large(picture=b"not a picture"))
    clinic.case(tenant, large())
    tiles = maker(clinic)
    assert tiles.make_all() == 1
    assert tiles.make_all() == 0
    assert len(keys(superuser_engine)) == 1


class Away:
    """A store that is away for the first ``times`` puts."""

    def __init__(self, store: ObjectStore, times: int) -> None:
        self.store, self.times = store, times

    def get(self, key: str) -> bytes:
        return self.store.get(key)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.times -= 1
        if self.times >= 0:
            raise StoreUnavailable("The object store did not take an object.")
        self.store.put(key, data, content_type)


def test_a_store_that_is_away_costs_delay_only(clinic: Clinic, tenant: UUID, superuser_engine: Engine) -> None:
    clinic.case(tenant, large())
    tiles = maker(clinic, Away(clinic.store, 1))
    assert tiles.make_all() == 0
    assert keys(superuser_engine) == []
    assert untiled(clinic)
    assert tiles.make_all() == 1


def test_two_workers_do_not_make_the_same_tiles(clinic: Clinic, tenant: UUID) -> None:
    for _ in range(3):
        clinic.case(tenant, large())
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(maker(clinic).make_all())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 3


def test_a_ring_makes_the_thread_look_and_stopping_ends_it(clinic: Clinic, tenant: UUID) -> None:
    stopping = threading.Event()
    tiles = TileMaker(database=clinic.worker, store=clinic.store, stopping=stopping)
    thread = tiles.start()
    clinic.case(tenant, large())
    tiles.ring()
    deadline = threading.Event()
    for _ in range(200):
        if not untiled(clinic):
            break
        deadline.wait(0.1)
    assert not untiled(clinic)
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()
