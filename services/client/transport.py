"""Requests that are tried again while the other side is away or says "later". Every request of this client may be repeated safely."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from services.client.errors import Unreachable, error_of

RETRIED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient to be: ``attempts`` in all, pauses that double from ``first`` to ``longest`` seconds, each shortened by chance.

    A longer ``Retry-After`` is waited for, up to ``patience`` seconds.
    """

    attempts: int = 7
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0

    def pause(self, attempt: int, answer: httpx.Response | None) -> float:
        """Seconds to wait after the attempt of this number (from 1 on)."""
        # By chance, so that many clients that were cut off together do not come back together.
        drawn = min(self.longest, self.first * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        asked = retry_after(answer) if answer is not None else 0.0
        return max(drawn, min(asked, self.patience))


class Transport:
    """Sends requests. Thread-safe; ``sleep`` is replaced by tests."""

    def __init__(self, http: httpx.Client, *, retry: Retry, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._retry = retry
        self._sleep = sleep

    def request(self, method: str, url: str, *, expected: frozenset[int] = frozenset({200}), **options: Any) -> httpx.Response:
        """The answer, whose status is one of ``expected``. ``content`` may be a callable that begins anew with each attempt.

        Raises:
            ApiError: the answer is another; its type says which.
            Unreachable: no answer, or only "later", in all attempts.
        """
        answer = self._insisted(method, url, options)
        if answer.status_code in expected:
            return answer
        raise error_of(answer.status_code, body_of(answer))

    def _insisted(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        last = ""
        for attempt in range(1, self._retry.attempts + 1):
            answer, last = self._once(method, url, options)
            if answer is not None and answer.status_code not in RETRIED:
                return answer
            if attempt < self._retry.attempts:
                self._sleep(self._retry.pause(attempt, answer))
        # The path and not the whole address: a presigned one holds a signature.
        raise Unreachable(f"{method} {httpx.URL(url).path}: {last} ({self._retry.attempts} attempts)")

    def _once(self, method: str, url: str, options: dict[str, Any]) -> tuple[httpx.Response | None, str]:
        content = options.get("content")
        given = {**options, "content": content()} if callable(content) else options
        try:
            answer = self._http.request(method, url, **given)
        except httpx.TransportError as error:
            return None, str(error) or type(error).__name__
        return answer, f"answered {answer.status_code}"


def body_of(answer: httpx.Response) -> Any:
    """The JSON of an answer, or its text."""
    if "json" not in answer.headers.get("content-type", ""):
        return answer.text
    try:
        return answer.json()
    except ValueError:
        return answer.text


def retry_after(answer: httpx.Response) -> float:
    """Seconds that the answer asks to wait (RFC 9110, 10.2.3: a number or a date); 0 where it does not say."""
    said = answer.headers.get("retry-after", "")
    if said.isascii() and said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
