"""A moment as the templates need it: for machines and, exactly, for the hover."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from services.review import words


@dataclass(frozen=True, slots=True)
class Moment:
    """One point in time."""

    iso: str
    exact: str

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Both spellings of `moment` (timezone-aware)."""
        return cls(iso=moment.isoformat(timespec="seconds"), exact=words.exact(moment))
