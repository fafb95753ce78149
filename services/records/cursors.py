"""Places in a list as opaque text: a portal sends it back unchanged. Holds times, numbers and our own ids, nothing about a patient."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from services.records.errors import InvalidCursor

NOT_OURS = "cursor: use the next_cursor of the page before, unchanged."


def write_cursor(name: str, *parts: object) -> str:
    """Return a place in the list ``name`` as text; no part may hold a "|"."""
    return base64.urlsafe_b64encode("|".join((name, *map(str, parts))).encode()).decode()


def read_cursor(cursor: str, name: str, *kinds: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the parts of a place in the list ``name``, each read by its kind, which raises ValueError where it is none.

    Raises:
        InvalidCursor: the text is no place in this list.
    """
    try:
        found, *parts = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split("|")
        if found != name or len(parts) != len(kinds):
            raise InvalidCursor(NOT_OURS)
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor(NOT_OURS) from error


def bounded(text: str) -> int:
    """A number that Postgres can hold: 0 to 2⁶³ - 1. Raises ValueError."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 2**63):
        raise ValueError("not a number of ours")
    return int(text)
