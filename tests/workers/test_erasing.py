"""The objects of an erased patient: deleted until none is left, whatever happens on the way."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.objects import MemoryStore, ObjectStore, StoreUnavailable
from services.records.access import create_api_key, create_tenant
from services.records.audit import Actor
from services.records.cases import NewCase, NewImage, accept_case
from services.records.database import Database
from services.records.erasure import Receipt, erase_patient, read_receipt
from services.records.states import ErasureState
from services.settings import Settings
from tests.conftest import SettingsFor
from tests.records.worlds import new_image
from workers.erasing import delete_leftovers, orphans

OBJECTS = ("original", "view", "tiles.zip", "abc/answer", "change/x-1", "outlines/1.png", "instances/2.dcm")


class Records:
    """One portal whose patients have objects in a store."""

    def __init__(self, logins: dict[str, Database], store: MemoryStore | ObjectStore, engine: Engine) -> None:
        self.logins, self.store, self.engine = logins, store, engine
        with logins["owner"].transaction() as session:
            self.tenant = create_tenant(session=session, name="North", slug="north").id
            self.key = create_api_key(session=session, tenant_id=self.tenant, name="test")[0].id

    def patient(self, reference: str, *, elsewhere: bool = False) -> UUID:
        """A patient with a case, and all of its objects in the store."""
        case_id = UUID(int=abs(hash(reference)) % 2**100)
        image = new_image()
        folder = f"{self.tenant}/{case_id}/{image.id}"
        for name in OBJECTS:
            self.store.put(f"{folder}/{name}", b"x", "text/plain")
        keys = {"original_key": f"{folder}/original", "view_key": f"{folder}/view"}
        if elsewhere:
            keys["view_key"] = f"old/{image.id}"
            self.store.put(keys["view_key"], b"x", "text/plain")
            self.store.put(keys["view_key"] + "-another-patients", b"x", "text/plain")
        fields = {name: getattr(image, name) for name in NewImage.__dataclass_fields__} | keys
        with self.logins["intake"].transaction(tenants=[self.tenant]) as session:
            accept_case(
                session=session,
                tenant_id=self.tenant,
                case_id=case_id,
                case=NewCase(patient_reference=reference),
                images=[NewImage(**fields)],
                actor=Actor.portal(self.key),
            )
            found = session.execute(text("SELECT patient_id FROM cases WHERE id = :case"), {"case": case_id}).scalar_one()
        return UUID(str(found))

    def erase(self, patient_id: UUID) -> Receipt:
        actor = Actor.portal(self.key)
        return erase_patient(database=self.logins["intake"], tenant_id=self.tenant, patient_id=patient_id, actor=actor)

    def receipt(self, receipt: Receipt) -> Receipt:
        with self.logins["intake"].transaction(tenants=[self.tenant]) as session:
            return read_receipt(session=session, tenant_id=self.tenant, receipt_id=receipt.id, actor=Actor.portal(self.key))

    def an_hour_passes(self) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE erasures SET created_at = created_at - interval '61 minutes'")

    def tend(self) -> int:
        return delete_leftovers(database=self.logins["worker"], store=self.store)


@pytest.fixture
def logins(settings_for: SettingsFor, clean_database: None) -> Iterator[dict[str, Database]]:
    made = {role: Database.connect(settings_for(role)) for role in ("owner", "intake", "worker")}
    yield made
    for database in made.values():
        database.close()


@pytest.fixture
def records(logins: dict[str, Database], superuser_engine: Engine) -> Records:
    return Records(logins, MemoryStore(), superuser_engine)


def test_every_object_of_the_patient_goes_and_no_other(records: Records) -> None:
    mine, other = records.patient("P-1"), records.patient("P-2")
    receipt = records.erase(mine)
    assert records.tend() == len(OBJECTS)
    assert len(records.store.keys("")) == len(OBJECTS)
    told = records.receipt(receipt)
    assert (told.state, told.objects, told.problem) == (ErasureState.PENDING, len(OBJECTS), None)
    assert told.objects_gone_at is not None
    records.erase(other)
    records.tend()
    assert records.store.keys("") == []


def test_an_object_that_lies_elsewhere_goes_by_its_whole_key(records: Records) -> None:
    receipt = records.erase(records.patient("P-1", elsewhere=True))
    assert records.tend() == len(OBJECTS) + 1
    (left,) = records.store.keys("")
    assert left.endswith("-another-patients")
    assert records.receipt(receipt).objects == len(OBJECTS) + 1


def test_it_is_done_when_nothing_can_come_late_any_more(records: Records) -> None:
    receipt = records.erase(records.patient("P-1"))
    records.tend()
    assert records.tend() == 0
    assert records.receipt(receipt).state is ErasureState.PENDING
    records.an_hour_passes()
    records.tend()
    told = records.receipt(receipt)
    assert (told.state, told.done_at is not None) == (ErasureState.DONE, True)
    with records.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT prefixes FROM erasures").scalars().all() == [[]]


def test_what_a_worker_stores_late_goes_with_the_last_look(records: Records) -> None:
    receipt = records.erase(records.patient("P-1"))
    with records.engine.connect() as connection:
        (prefixes,) = connection.exec_driver_sql("SELECT prefixes FROM erasures").scalars()
    records.tend()
    records.store.put(f"{prefixes[0]}late/answer", b"x", "text/plain")
    records.an_hour_passes()
    assert records.tend() == 1
    assert records.receipt(receipt).state is ErasureState.PENDING
    assert records.tend() == 0
    assert records.receipt(receipt).state is ErasureState.DONE


class Failing(MemoryStore):
    """Deletes so many objects, and then is away."""

    def __init__(self, deletes: int) -> None:
        super().__init__()
        self.left = deletes

    def delete(self, key: str) -> None:
        if self.left == 0:
            raise StoreUnavailable("The object store did not delete an object: MaxRetryError.")
        self.left -= 1
        super().delete(key)


@pytest.mark.parametrize("deletes", [0, 3])
def test_while_the_store_is_away_the_receipt_waits_and_says_why(
    logins: dict[str, Database], superuser_engine: Engine, deletes: int
) -> None:
    store = Failing(deletes)
    records = Records(logins, store, superuser_engine)
    receipt = records.erase(records.patient("P-1"))
    assert records.tend() == deletes
    told = records.receipt(receipt)
    assert (told.state, told.objects, told.objects_gone_at) == (ErasureState.PENDING, deletes, None)
    assert "did not delete" in str(told.problem)
    store.left = 100
    records.tend()
    told = records.receipt(receipt)
    assert (told.objects, told.problem) == (len(OBJECTS), None)
    assert store.keys("") == []


def _tend_slowly(settings: Settings, url: str) -> None:
    """A worker's upkeep whose store takes its time."""

    class Slow(ObjectStore):
        def delete(self, key: str) -> None:
            super().delete(key)
            time.sleep(0.25)

    delete_leftovers(database=Database.open(url), store=Slow.connect(settings))


def test_an_upkeep_that_is_killed_is_taken_up_where_it_died(
    logins: dict[str, Database], superuser_engine: Engine, settings_for: SettingsFor
) -> None:
    settings = settings_for("worker")
    store = ObjectStore.connect(settings)
    records = Records(logins, store, superuser_engine)
    receipt = records.erase(records.patient("P-1"))
    folder = f"{records.tenant}/"
    url = settings.database_url.get_secret_value()
    process = multiprocessing.get_context("fork").Process(target=_tend_slowly, args=(settings, url))
    process.start()
    until = time.monotonic() + 20
    while len(store.keys(folder)) > len(OBJECTS) - 2 and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    left = len(store.keys(folder))
    assert 0 < left < len(OBJECTS)
    assert records.receipt(receipt).state is ErasureState.PENDING
    # The dead worker's transaction ends with its connection, which the server notices in its own time.
    while store.keys(folder) and time.monotonic() < until:
        records.tend()
    assert store.keys(folder) == []
    assert records.receipt(receipt).objects_gone_at is not None


def test_what_a_request_left_that_died_half_way_is_found(
    logins: dict[str, Database], superuser_engine: Engine, settings_for: SettingsFor
) -> None:
    store = ObjectStore.connect(settings_for("worker"))
    records = Records(logins, store, superuser_engine)
    records.patient("P-1")
    left = f"{records.tenant}/{UUID(int=7)}/{UUID(int=8)}/original"
    for key in (left, f"{records.tenant}/incoming/{UUID(int=9)}"):
        store.put(key, b"x", "text/plain")
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert list(orphans(database=logins["worker"], store=store, before=now)) == [left]
    assert list(orphans(database=logins["worker"], store=store, before=now - timedelta(days=1))) == []
