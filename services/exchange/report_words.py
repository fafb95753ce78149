"""The words of a report in one language, from the catalogue ``words/<language>.toml``; numbers and dates as that language writes them.

A language is one file. Its keys are those of English, with the same names in braces; where a language is not there, English answers.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

DEFAULT = "en"
MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Words:
    """One language. A key is ``section.name``."""

    language: str
    catalogue: Mapping[str, Mapping[str, Any]]

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key, with the names in braces filled in. Raises KeyError for a key that is none."""
        section, _, name = key.partition(".")
        text = str(self.catalogue[section][name])
        return text.format(**values) if values else text

    def known(self, section: str, word: str | None, otherwise: str = "") -> str:
        """The words of a word that comes from data, else ``otherwise``, else the word itself: older records may hold any."""
        found = self.catalogue[section].get(word or "")
        return str(found) if found else otherwise or (word or "").replace("_", " ")

    def number(self, value: float, digits: int) -> str:
        """`12.5`, in German `12,5`; a true minus, and nothing is no less than nothing."""
        text = f"{value:.{digits}f}"
        return text.replace("-", MINUS if float(text) else "").replace(".", self("form.decimal"))

    def signed(self, value: float, digits: int) -> str:
        """`+12.5`; what rounds to nothing has no sign."""
        text = self.number(value, digits)
        return text if text.startswith(MINUS) or not float(f"{value:.{digits}f}") else f"+{text}"

    def percent(self, share: float, digits: int = 0) -> str:
        """A share of one as `38 %`."""
        return f"{self.number(100 * share, digits)}{NARROW}%"

    def probability(self, value: float) -> str:
        """Two decimals, and never a false certainty: `> 0.99`, `< 0.01`."""
        if value > 0.99:
            return f">{NARROW}{self.number(0.99, 2)}"
        return f"<{NARROW}{self.number(0.01, 2)}" if value < 0.01 else self.number(value, 2)

    def day(self, moment: date, *, short: bool = False) -> str:
        """`21 November 2026`; ``short``: `21 Nov 2026`. Of a moment its day in UTC."""
        day = moment.astimezone(UTC) if isinstance(moment, datetime) else moment
        months: Sequence[str] = self.catalogue["form"]["short_months" if short else "months"]
        return self("form.short_date" if short else "form.date", day=day.day, month=months[day.month - 1], year=day.year)

    def time(self, moment: datetime) -> str:
        """`21 November 2026, 14:02 UTC`."""
        return self("form.time", date=self.day(moment), clock=f"{moment.astimezone(UTC):%H:%M}")

    def listed(self, parts: Sequence[str]) -> str:
        """`a`, `a and b`, `a, b and c`."""
        if len(parts) < 2:
            return "".join(parts)
        return self("form.and", first=", ".join(parts[:-1]), last=parts[-1])


def languages() -> tuple[str, ...]:
    """The languages that there are, English first."""
    names = sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    return (DEFAULT, *(name for name in names if name != DEFAULT))


def choose_language(asked: Sequence[str]) -> str:
    """The first language of those asked for that there is: `de-CH` is answered in German; where none is there, in English."""
    known = languages()
    primary = (tag.replace("_", "-").partition("-")[0].lower() for tag in asked)
    return next((tag for tag in primary if tag in known), DEFAULT)


@cache
def words_in(language: str) -> Words:
    """The words of a language that there is. Raises FileNotFoundError for another."""
    return Words(language, tomllib.loads((_folder() / f"{language}.toml").read_text(encoding="utf-8")))


def _folder() -> Any:
    return resources.files(__package__ or "services.exchange") / "words"
