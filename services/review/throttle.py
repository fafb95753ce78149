"""Slows down password guessing: a bounded count of failed sign-ins per account, kept in this process.

With several processes an attacker gets the allowance once per process; each check also costs an argon2 hash. An account
is slowed, never locked for good, so that nobody can shut a dermatologist out by typing wrong passwords for long.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Failures:
    count: int
    since: float


@dataclass(slots=True)
class SignInThrottle:
    """At most `limit` failures per account in `window` seconds; then every attempt waits for the window's end."""

    limit: int = 5
    window: float = 300.0
    accounts: int = 10_000
    clock: Callable[[], float] = time.monotonic
    _failures: OrderedDict[bytes, _Failures] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, account: str) -> int:
        """Whole seconds until `account` may try again; 0 means now."""
        with self._lock:
            failures = self._current(_key(account))
            if failures is None or failures.count < self.limit:
                return 0
            return max(1, int(failures.since + self.window - self.clock()) + 1)

    def failed(self, account: str) -> None:
        """Counts one failure; the oldest account is forgotten when the table is full, so memory stays bounded."""
        key = _key(account)
        with self._lock:
            failures = self._current(key)
            if failures is None:
                self._failures[key] = _Failures(1, self.clock())
            else:
                failures.count += 1
            while len(self._failures) > self.accounts:
                self._failures.popitem(last=False)

    def succeeded(self, account: str) -> None:
        """Forgets the failures of `account`."""
        with self._lock:
            self._failures.pop(_key(account), None)

    def _current(self, key: bytes) -> _Failures | None:
        failures = self._failures.get(key)
        if failures is not None and self.clock() - failures.since >= self.window:
            del self._failures[key]
            return None
        return failures


def _key(account: str) -> bytes:
    # A digest of fixed size: a megabyte of "e-mail address" cannot fill the table.
    return hashlib.sha256(account.strip().lower().encode()).digest()
