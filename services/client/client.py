"""One API key against one Dermatrail."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx

from services.client import model
from services.client.content import key_of, parts_of, sha256_of
from services.client.errors import ApiError, DermatrailError, ServerError
from services.client.model import Accepted, Batch, BatchItem, BatchLine, Case, CaseLine, EventPage, NewCase, Picture, PortalInfo, Upload
from services.client.transport import Retry, Transport

# A file above this goes into the store directly; the API takes up to 30 MiB in a request where nobody has changed it.
DIRECT_BYTES = 24 * 1024 * 1024
PAGE = 200
ACCEPTED = frozenset({202})
STORED = frozenset({200, 201, 204})


class Client:
    """Submits cases and reads answers. Thread-safe; use it in a ``with`` block or close it."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        retry: Retry | None = None,
        timeout: float = 60.0,
        connections: int = 8,
        direct_bytes: int = DIRECT_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connects when first used.

        Args:
            url: of Dermatrail's intake, such as ``https://derma.example``.
            key: the portal's API key, ``dmt_…``.
            retry: how patient to be while no answer comes, or only "later".
            timeout: seconds without a byte until an attempt is given up.
            direct_bytes: larger files are put into the store and named, instead of being sent in the request.
        """
        if httpx.URL(url).scheme not in ("http", "https"):
            raise DermatrailError(f"{url!r} is no address: it begins with https:// (or http://).")
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        patience = httpx.Timeout(timeout, connect=10)
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "dermatrail-client"}
        self._api = httpx.Client(base_url=url.rstrip("/"), headers=headers, limits=limits, timeout=patience)
        # Without the key: it is nothing for the store, whose addresses are signed.
        self._plain = httpx.Client(limits=limits, timeout=patience)
        self._transport = Transport(self._api, retry=retry or Retry(), sleep=sleep)
        self._store = Transport(self._plain, retry=retry or Retry(), sleep=sleep)
        self.direct_bytes = direct_bytes

    def __enter__(self) -> Self:
        """Use the connections within a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._plain.close()

    def portal(self) -> PortalInfo:
        """Whose key this is."""
        raw = self._get("/v1/portal", {})
        return PortalInfo(name=raw["name"], slug=raw["slug"], sandbox=raw["sandbox"])

    def submit(
        self, case: NewCase | Mapping[str, Any], pictures: Sequence[Picture | Path | str], *, idempotency_key: str | None = None
    ) -> Accepted:
        """Submit a case; large pictures go into the store directly. Once it returns, the case is durable and will be answered.

        Args:
            case: a NewCase, or the JSON that the API takes.
            idempotency_key: for those who have keys of their own; else it follows from the content.

        Raises:
            Refused, TooLarge: the case or a picture is refused; ``faults`` says which and why.
            Unreachable, ServerError: send it again, unchanged: it will not be accepted twice.
        """
        files = [_picture(each) for each in pictures]
        said = case.as_json(files) if isinstance(case, NewCase) else dict(case)
        key = idempotency_key or key_of(said, [(file.name, sha256_of(file.path)) for file in files])
        if any(file.path.stat().st_size > self.direct_bytes for file in files):
            return self.submit_uploaded(said, [self.upload(file).id for file in files], idempotency_key=key)
        with ExitStack() as opened:
            streams = [("images", (file.name, opened.enter_context(file.path.open("rb")))) for file in files]
            answer = self._transport.request(
                "POST",
                "/v1/cases",
                expected=ACCEPTED,
                data={"case": json.dumps(said)},
                files=streams,
                headers={"Idempotency-Key": key},
            )
        return _accepted(answer)

    def submit_uploaded(self, case: Mapping[str, Any], uploads: Sequence[UUID], *, idempotency_key: str) -> Accepted:
        """Submit a case (as JSON) whose pictures are uploads that are ready. Raises as ``submit``."""
        body = {**case, "uploads": [str(upload_id) for upload_id in uploads]}
        headers = {"Idempotency-Key": idempotency_key}
        return _accepted(self._transport.request("POST", "/v1/cases", expected=ACCEPTED, json=body, headers=headers))

    def upload(self, picture: Picture | Path | str) -> Upload:
        """Put a file into the store, a part at a time, and have it checked. Returns it ready. Raises as ``submit``."""
        file = _picture(picture)
        size = file.path.stat().st_size
        announced = {"filename": file.name, "byte_size": size, "sha256": sha256_of(file.path)}
        upload = model.upload(self._post("/v1/uploads", announced, expected=frozenset({201})))
        headers = {**upload.put_headers, "content-length": str(size)}
        try:
            self._store.request("PUT", upload.put_url or "", expected=STORED, content=lambda: parts_of(file.path), headers=headers)
        except ApiError as error:
            # An address that has run out, a clock that is wrong: nothing that is the picture's fault.
            raise ServerError(status=error.status, reason="store_refused", detail=f"The store refused the file: {error.detail}") from error
        return model.upload(self._post(upload.complete_url, None))

    def submit_batch(self, lines: Sequence[BatchLine], *, idempotency_key: str | None = None) -> Batch:
        """Submit many cases whose pictures are uploads that are ready. The same lines again are the same batch.

        Raises:
            Refused: the manifest has faults, and nothing of it was taken; ``faults`` names the lines (from 1 on).
        """
        items = [
            {**line.case, "uploads": [str(upload_id) for upload_id in line.uploads], "idempotency_key": line.idempotency_key}
            for line in lines
        ]
        headers = {"Idempotency-Key": idempotency_key or key_of({"items": items}, [])}
        return model.batch(self._post("/v1/batches", {"items": items}, expected=ACCEPTED, headers=headers))

    def batch(self, batch_id: UUID) -> Batch:
        """How a batch stands."""
        return model.batch(self._get(f"/v1/batches/{batch_id}", {}))

    def batch_items(self, batch_id: UUID, *, status: str | None = None) -> Iterator[BatchItem]:
        """The items of a batch in their order, page by page as they are asked for."""
        query = model.present({"status": status, "limit": 1000})
        return (model.batch_item(raw) for raw in self._pages(f"/v1/batches/{batch_id}/items", "items", query))

    def case(self, case_id: UUID) -> Case:
        """A case as it stands, with findings and, once taken, the decision."""
        return Case.of(self._get(f"/v1/cases/{case_id}", {}))

    def cases(self, *, status: str | None = None, since: datetime | None = None) -> Iterator[CaseLine]:
        """The portal's cases in the order of their receipt, page by page as they are asked for."""
        query = model.present({"status": status, "since": since.isoformat() if since else None, "limit": PAGE})
        return (model.case_line(raw) for raw in self._pages("/v1/cases", "cases", query))

    def events(self, *, cursor: str | None = None, kind: str | None = None) -> EventPage:
        """What has happened since ``cursor`` (None: since the beginning). Keep the answer's cursor and ask with it again."""
        return model.event_page(self._get("/v1/events", model.present({"cursor": cursor, "kind": kind, "limit": PAGE})))

    def changes(self, lesion_id: UUID) -> Mapping[str, Any]:
        """What has changed on a lesion between its visits, as the API's JSON."""
        return self._get(f"/v1/lesions/{lesion_id}/changes", {})

    def report(self, case_id: UUID, *, media_type: str = "application/pdf", language: str | None = None) -> bytes:
        """The report about a decided case. Raises Conflict or NotFound where there is none yet."""
        query, headers = model.present({"language": language}), {"Accept": media_type}
        return self._transport.request("GET", f"/v1/cases/{case_id}/report", params=query, headers=headers).content

    def download(self, url: str) -> bytes:
        """What lies at an address that an answer gave, such as a mask."""
        return self._transport.request("GET", url).content

    def _pages(self, path: str, name: str, query: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursor: str | None = None
        while True:
            page = self._get(path, {**query, **({"cursor": cursor} if cursor else {})})
            yield from page[name]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = self._transport.request("GET", path, params=query, follow_redirects=True).json()
        return body

    def _post(
        self, path: str, body: Any, *, expected: frozenset[int] = frozenset({200}), headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._transport.request("POST", path, expected=expected, json=body, headers=headers).json()
        return answer


def _picture(given: Picture | Path | str) -> Picture:
    return given if isinstance(given, Picture) else Picture(path=Path(given))


def _accepted(answer: httpx.Response) -> Accepted:
    return model.accepted(answer.json(), replayed=answer.headers.get("idempotent-replayed") == "true")
