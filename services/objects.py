"""The object store: pictures, masks and thumbnails behind the S3 interface, by key.

Small on purpose: put, get (whole or in part), exists, list, delete. Pictures are at most some ten megabytes: each travels in one request.

Small things that are born together lie in one object: storing four files of some kilobytes as one costs a quarter of four. Their keys name
the object and the bytes: ``folder/answer#0+1832``. Whoever has such a key gets its part and need not know.
"""

import hashlib
import io
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import uuid4

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from minio.helpers import ObjectWriteResult
from minio.sse import SseS3
from urllib3.exceptions import HTTPError

from services.settings import Settings

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 20
POOL_SIZE = 32
# minio's smallest part: below it a size is refused, above it the object would be cut into parts.
SMALLEST_PART = 5 * 2**20
MD5 = re.compile(r"[0-9a-f]{32}")
PART = re.compile(r"#(\d+)\+(\d+)$")
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})


class StoreError(Exception):
    """Base of what the store raises. ``permanent`` says whether the same request can ever succeed."""

    permanent = True


class ObjectMissing(StoreError):
    """There is no object with this key."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, refuses us, or lost bytes on the way; try again later."""

    permanent = False


@dataclass(frozen=True, slots=True)
class Pack:
    """Several small files as one object: ``data`` is stored under ``key``; ``keys`` are those of the files, by name."""

    key: str
    data: bytes
    keys: Mapping[str, str]

    @classmethod
    def of(cls, key: str, files: Mapping[str, bytes]) -> Self:
        """Lay the files one behind the other; empty ones are left out and have no key."""
        keys, start = {}, 0
        for name, data in files.items():
            if data:
                keys[name] = f"{key}#{start}+{len(data)}"
            start += len(data)
        return cls(key, b"".join(files.values()), keys)


class Objects(Protocol):
    """What every store can do."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store ``data``, replacing what was there. Once it returns the object is durable. Raises StoreUnavailable."""

    def get(self, key: str) -> bytes:
        """The object's bytes, or those of the part that the key names. Raises ObjectMissing, StoreUnavailable."""

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on; a negative ``start`` counts from the end. Raises ObjectMissing, StoreUnavailable."""

    def exists(self, key: str) -> bool:
        """Whether the object is there. Raises StoreUnavailable."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none. Raises StoreUnavailable."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``, in order. Raises StoreUnavailable."""

    def ready(self) -> bool:
        """Whether an object can be written now."""


class ObjectStore:
    """A bucket of an S3 server. Thread-safe; connections are kept alive."""

    def __init__(self, client: Minio, *, bucket: str, encrypt: bool) -> None:
        self._client = client
        self._bucket = bucket
        self._encryption = SseS3() if encrypt else None

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Return a store that connects when first used (so a process starts without its store)."""
        retry = urllib3.Retry(total=2, read=1, backoff_factor=0.1, status_forcelist=(500, 502, 503, 504), raise_on_status=False)
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS)
        client = Minio(
            settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=settings.s3_secure,
            http_client=urllib3.PoolManager(timeout=timeout, maxsize=POOL_SIZE, retries=retry),
        )
        return cls(client, bucket=settings.s3_bucket, encrypt=settings.s3_encrypt)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store and verify: the server answers with the MD5 of what it received."""
        part = max(len(data), SMALLEST_PART)
        try:
            result = self._client.put_object(
                self._bucket, key, io.BytesIO(data), len(data), content_type=content_type, sse=self._encryption, part_size=part
            )
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store did not take an object: {_cause(error)}.") from error
        # The server does not check the body against its signature; its ETag says what it received.
        if (expected := _received_md5(result)) and expected != hashlib.md5(data, usedforsecurity=False).hexdigest():
            self.delete(key)
            raise StoreUnavailable("The object store received other bytes than were sent.")

    def get(self, key: str) -> bytes:
        """Read the whole object, or the part that the key names."""
        return _part(self, key) if PART.search(key) else self._read(key)

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """Read a part; what lies beyond the object's end is left out."""
        wanted = f"bytes={start}-{start + length - 1}" if start >= 0 else f"bytes={start}"
        return self._read(key, {"Range": wanted})[:length]

    def _read(self, key: str, headers: dict[str, str | list[str] | tuple[str]] | None = None) -> bytes:
        try:
            response = self._client.get_object(self._bucket, key, request_headers=headers)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()
        except S3Error as error:
            if error.code == "InvalidRange":  # it begins behind the object's end
                return b""
            raise _translated(error, key) from error
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store did not give an object: {_cause(error)}.") from error

    def exists(self, key: str) -> bool:
        """Ask for the object's head."""
        try:
            self._client.stat_object(self._bucket, PART.sub("", key))
        except S3Error as error:
            if error.code in _MISSING:
                return False
            raise _translated(error, key) from error
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store does not answer: {_cause(error)}.") from error
        return True

    def delete(self, key: str) -> None:
        """Remove the object."""
        try:
            self._client.remove_object(self._bucket, key)
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store did not delete an object: {_cause(error)}.") from error

    def keys(self, prefix: str) -> list[str]:
        """List, over as many answers of the server as there are."""
        try:
            found = self._client.list_objects(self._bucket, prefix=prefix, recursive=True)
            return sorted(item.object_name for item in found if item.object_name)
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store did not list objects: {_cause(error)}.") from error

    def keys_before(self, prefix: str, moment: datetime) -> Iterator[str]:
        """The keys that begin with ``prefix`` of objects that were stored before ``moment``, as the server lists them."""
        try:
            for item in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                if item.object_name and item.last_modified and item.last_modified < moment:
                    yield item.object_name
        except (MinioException, HTTPError, OSError) as error:
            raise StoreUnavailable(f"The object store did not list objects: {_cause(error)}.") from error

    def ready(self) -> bool:
        """Write a probe: listing answers long before a volume can be written."""
        key = f"probes/{uuid4()}"
        try:
            self.put(key, b"ready", "text/plain")
            self.delete(key)
        except StoreUnavailable:
            return False
        return True


class MemoryStore:
    """A store for tests and tools that need no server; thread-safe, gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002
        """Keep a copy of the bytes."""
        with self._lock:
            self._objects[key] = bytes(data)

    def get(self, key: str) -> bytes:
        """The bytes kept."""
        if PART.search(key):
            return _part(self, key)
        with self._lock:
            if key not in self._objects:
                raise ObjectMissing(f"There is no object {key}.")
            return self._objects[key]

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """A part of the bytes kept."""
        data = self.get(key)
        first = start if start >= 0 else max(0, len(data) + start)
        return data[first : first + length]

    def exists(self, key: str) -> bool:
        """Whether the key is known."""
        with self._lock:
            return PART.sub("", key) in self._objects

    def delete(self, key: str) -> None:
        """Forget the bytes."""
        with self._lock:
            self._objects.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        """Those that are known."""
        with self._lock:
            return sorted(key for key in self._objects if key.startswith(prefix))

    def ready(self) -> bool:
        """Always."""
        return True


def _part(store: Objects, key: str) -> bytes:
    found = PART.search(key)
    if found is None:
        raise ObjectMissing(f"There is no part in {key}.")
    start, length = int(found[1]), int(found[2])
    data = store.get_range(key[: found.start()], start=start, length=length)
    if len(data) != length:
        raise ObjectMissing(f"The object {key[: found.start()]} ends before the part {start}+{length}.")
    return data


def _translated(error: S3Error, key: str) -> StoreError:
    if error.code in _MISSING:
        return ObjectMissing(f"There is no object {key}.")
    return StoreUnavailable(f"The object store refused: {error.code}.")


def _cause(error: Exception) -> str:
    """The error in a few words, without addresses, keys or signatures."""
    return error.code or "S3Error" if isinstance(error, S3Error) else type(error).__name__


def _received_md5(result: ObjectWriteResult) -> str | None:
    """The MD5 of the stored bytes; None where the ETag is something else (encryption by a key service)."""
    etag = (result.etag or "").strip('"')
    headers: Mapping[str, str] = result.http_headers or {}
    by_key_service = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return etag if MD5.fullmatch(etag) and not by_key_service else None
