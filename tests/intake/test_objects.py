"""One contract for every object store."""

import hashlib
import uuid
from collections.abc import Callable

import pytest

from services.objects import MemoryStore, ObjectMissing, Objects, ObjectStore, Pack, StoreUnavailable
from services.settings import Settings
from tests.conftest import SettingsFor

KINDS = ("seaweedfs", "memory")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Objects:
    if request.param == "memory":
        return MemoryStore()
    settings_for: Callable[[str], Settings] = request.getfixturevalue("settings_for")
    return ObjectStore.connect(settings_for("intake"))


@pytest.fixture
def key() -> str:
    return f"tests/{uuid.uuid4()}/original"


@pytest.mark.parametrize("size", [0, 1, 200_000, 12 * 2**20])
def test_what_is_put_is_what_is_got(store: Objects, key: str, size: int) -> None:
    data = hashlib.shake_128(b"seed").digest(size)
    store.put(key, data, "image/jpeg")
    assert store.get(key) == data


def test_a_second_put_replaces_the_first(store: Objects, key: str) -> None:
    store.put(key, b"first", "text/plain")
    store.put(key, b"second", "text/plain")
    assert store.get(key) == b"second"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (8, 10, b"89"),
        (-3, 3, b"789"),
        (-3, 2, b"78"),
        (-50, 50, b"0123456789"),
        (0, 10, b"0123456789"),
        (30, 4, b""),
    ],
)
def test_a_part_can_be_read_from_either_end(store: Objects, key: str, start: int, length: int, expected: bytes) -> None:
    store.put(key, b"0123456789", "text/plain")
    assert store.get_range(key, start=start, length=length) == expected


def test_small_files_lie_in_one_object_and_are_read_by_their_own_keys(store: Objects, key: str) -> None:
    pack = Pack.of(key, {"mask": b"0123", "heatmap": b"", "thumbnail": b"456789"})
    store.put(pack.key, pack.data, "application/octet-stream")
    assert {name: store.get(part) for name, part in pack.keys.items()} == {"mask": b"0123", "thumbnail": b"456789"}
    assert all(store.exists(part) for part in pack.keys.values())
    assert store.get(key) == b"0123456789"


@pytest.mark.parametrize("part", ["#8+3", "#10+1", "#400+4"])
def test_a_part_that_the_object_does_not_have_is_missing(store: Objects, key: str, part: str) -> None:
    store.put(key, b"0123456789", "text/plain")
    with pytest.raises(ObjectMissing):
        store.get(key + part)


def test_a_part_of_a_missing_object_is_missing(store: Objects, key: str) -> None:
    with pytest.raises(ObjectMissing):
        store.get_range(key, start=-4, length=4)


def test_a_missing_object_is_told_apart_from_a_store_that_is_away(store: Objects, key: str) -> None:
    with pytest.raises(ObjectMissing) as caught:
        store.get(key)
    assert caught.value.permanent


def test_exists_follows_put_and_delete(store: Objects, key: str) -> None:
    assert not store.exists(key)
    store.put(key, b"x", "text/plain")
    assert store.exists(key)
    store.delete(key)
    assert not store.exists(key)


def test_deleting_what_is_not_there_is_no_error(store: Objects, key: str) -> None:
    store.delete(key)
    assert not store.exists(key)


def test_a_key_and_a_key_below_it_are_two_objects(store: Objects, key: str) -> None:
    store.put(key, b"above", "text/plain")
    store.put(f"{key}/mask.png", b"below", "text/plain")
    assert (store.get(key), store.get(f"{key}/mask.png")) == (b"above", b"below")


def test_ready_when_objects_can_be_written(store: Objects) -> None:
    assert store.ready()


def test_objects_are_encrypted_at_rest_when_the_settings_say_so(settings_for: SettingsFor, key: str) -> None:
    settings = settings_for("intake")
    ObjectStore.connect(settings).put(key, b"picture", "image/jpeg")
    client = ObjectStore.connect(settings)._client
    metadata = client.stat_object(settings.s3_bucket, key).metadata or {}
    assert metadata["x-amz-server-side-encryption"] == "AES256"


@pytest.fixture
def nowhere(settings_for: SettingsFor) -> ObjectStore:
    """A store behind a port where nobody listens."""
    return ObjectStore.connect(settings_for("intake").model_copy(update={"s3_endpoint": "127.0.0.1:1"}))


def test_a_store_that_is_away_is_a_passing_error(nowhere: ObjectStore, key: str) -> None:
    for attempt in (lambda: nowhere.put(key, b"x", "text/plain"), lambda: nowhere.get(key), lambda: nowhere.exists(key)):
        with pytest.raises(StoreUnavailable) as caught:
            attempt()
        assert not caught.value.permanent
    assert not nowhere.ready()


def test_errors_do_not_repeat_addresses_or_secrets(nowhere: ObjectStore, key: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        nowhere.get(key)
    assert "127.0.0.1" not in str(caught.value)
    assert key not in str(caught.value)
