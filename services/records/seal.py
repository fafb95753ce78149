"""Encrypts what must not be readable in a copy of the database: second factors and the secrets of webhooks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from services.records.errors import RecordError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class SealBroken(RecordError):
    """A stored secret was encrypted with another DERMATRAIL_DATA_KEY: give the process the key it had, or make the secret anew."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One or several keys (Fernet): the first encrypts, all decrypt. The library costs 6 MB and is loaded with the first seal."""

    keys: "MultiFernet"

    @classmethod
    def of(cls, text: str) -> Self:
        """The seal of one or several Fernet keys, separated by commas.

        Raises:
            ValueError: one is not a Fernet key.
        """
        from cryptography.fernet import Fernet, MultiFernet

        return cls(MultiFernet([Fernet(key.strip()) for key in text.split(",")]))

    def close(self, plain: str) -> str:
        """Encrypt."""
        return self.keys.encrypt(plain.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt.

        Raises:
            SealBroken: none of the keys made it.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self.keys.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealBroken("A stored secret cannot be decrypted: DERMATRAIL_DATA_KEY is not the key it was stored with.") from error
