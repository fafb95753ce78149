"""A portal's side of the intake API: submit with an idempotency key and try again, follow the list, read the answers."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import httpx

from infra.demo.cases import Submission

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.25
PAGE = 200  # the most that the API gives
RETRIED = frozenset({429, 502, 503, 504})


class PortalError(Exception):
    """The intake did not answer, or not as its OpenAPI description says."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A case that the intake has promised to answer."""

    case_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Refused:
    """A clear 4xx: ``reason`` is machine-readable, ``detail`` is for people."""

    status: int
    reason: str
    detail: str


class Portal:
    """One API key against one intake. Thread-safe."""

    def __init__(self, *, address: str, api_key: str, connections: int = 8) -> None:
        """``address``: URL of the intake without a path."""
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        headers = {"Authorization": f"Bearer {api_key}"}
        self._client = httpx.Client(base_url=address, headers=headers, limits=limits, timeout=httpx.Timeout(60, connect=5), trust_env=False)

    def __enter__(self) -> Self:
        """Use the connections within a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def submit(self, submission: Submission) -> Accepted | Refused:
        """POST the case; the same idempotency key makes trying again harmless. PortalError when no clear answer comes."""
        files = [("images", (upload.filename, upload.read(), upload.media_type)) for upload in submission.uploads]
        case, headers = {"case": json.dumps(submission.case)}, {"Idempotency-Key": str(uuid.uuid4())}
        answer = self._insist("POST", "/v1/cases", data=case, files=files, headers=headers)
        if answer.status_code in (200, 201, 202):
            return Accepted(uuid.UUID(answer.json()["id"]))
        if 400 <= answer.status_code < 500:
            return _refusal(answer)
        raise PortalError(f"POST /v1/cases answered {answer.status_code}: {answer.text[:300]}")

    def case(self, case_id: uuid.UUID) -> dict[str, Any]:
        """The case with its images and answers."""
        return self._get(f"/v1/cases/{case_id}", {})

    def changes(self, lesion_id: uuid.UUID) -> dict[str, Any]:
        """What has changed on a lesion between its visits."""
        return self._get(f"/v1/lesions/{lesion_id}/changes", {})

    def queued(self, *, since: str) -> Iterator[uuid.UUID]:
        """The cases received at or after ``since`` (RFC 3339) that still wait for an analysis, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._get("/v1/cases", {"status": "queued", "since": since, "limit": PAGE} | ({"cursor": cursor} if cursor else {}))
            yield from (uuid.UUID(case["id"]) for case in page["cases"])
            cursor = page["next_cursor"]

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        answer = self._insist("GET", path, params=query)
        if answer.status_code != 200:
            raise PortalError(f"GET {path} answered {answer.status_code}: {answer.text[:300]}")
        body: dict[str, Any] = answer.json()
        return body

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer, after up to six attempts while the intake is away or says "later"."""
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, **options)
                if answer.status_code not in RETRIED or attempt == ATTEMPTS:
                    return answer
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise PortalError(f"{method} {path}: no answer ({error})") from error
            time.sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")


def _refusal(answer: httpx.Response) -> Refused:
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    # The file's own fault says more than the request's.
    fault = next(iter(problem.get("errors") or [problem]))
    return Refused(answer.status_code, str(fault.get("reason", "refused")), str(fault.get("detail", answer.text[:200])))
