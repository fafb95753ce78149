"""Names that lead back to nobody without the secret: the same patient, UID or day always gets the same one under the same secret."""

import hashlib
import hmac
from base64 import b32encode
from datetime import timedelta
from pathlib import Path

SHORTEST = 32  # bytes
NAME_LETTERS = 16  # of 5 bits
# Days that a patient's dates move back: far enough that a date says nothing, near enough that the age of a device still fits.
NEAREST_DAYS, FARTHEST_DAYS = 30, 1_095


class SecretTooShort(ValueError):
    """The secret could be guessed. The message says how to make one."""


class Secret:
    """A key from which every replacement is derived (HMAC-SHA-256)."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """``key``: 32 bytes or more that nobody can guess. Raises SecretTooShort."""
        if len(key) < SHORTEST:
            raise SecretTooShort(f"The secret has {len(key)} bytes; {SHORTEST} are needed. Make one: openssl rand -hex 32")
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "Secret":
        """The secret in a file; white space around it does not count. Raises OSError, SecretTooShort."""
        return cls(path.read_bytes().strip())

    def __repr__(self) -> str:
        return "Secret(…)"

    def name(self, kind: str, what: str) -> str:
        """16 letters and digits for ``what``."""
        return b32encode(self._digest(kind, what)).decode()[:NAME_LETTERS]

    def uid(self, uid: str) -> str:
        """A UID in the place of ``uid`` (PS3.5 B.2: 2.25. and a version 8 UUID as one decimal number; 44 characters or less)."""
        number = int.from_bytes(self._digest("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) | (8 << 76)
        return f"2.25.{number & ~(0x3 << 62) | (0x2 << 62)}"

    def shift(self, patient: str) -> timedelta:
        """By how much a patient's dates move: whole days, back."""
        number = int.from_bytes(self._digest("days", patient)[:8], "big")
        return -timedelta(days=NEAREST_DAYS + number % (FARTHEST_DAYS - NEAREST_DAYS))

    def fingerprint(self) -> str:
        """Tells two secrets apart without saying anything about either."""
        return self._digest("fingerprint", "").hex()[:16]

    def _digest(self, kind: str, what: str) -> bytes:
        return hmac.new(self._key, f"{kind}/{what}".encode(), hashlib.sha256).digest()
