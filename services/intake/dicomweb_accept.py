"""What a client accepts (RFC 9110 12.5.1 with the parameters of PS3.18 8.7): from the header, or from the query parameter `accept`."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request
from werkzeug.http import parse_accept_header, parse_options_header

from services.intake.problems import Problem

ANY = "*/*"
JSON = "application/dicom+json"
XML = "application/dicom+xml"
DICOM = "application/dicom"
RELATED = "multipart/related"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One acceptable form, lower case. ``part``: of what a multipart/related message consists. "" means not said."""

    media_type: str
    part: str = ""
    transfer_syntax: str = ""

    def admits(self, media_type: str) -> bool:
        """Whether ``media_type``, or for a message each part's, is what is wanted."""
        asked = self.part if self.media_type == RELATED else self.media_type
        return asked in (media_type, ANY) or (asked.endswith("/*") and media_type.startswith(asked[:-1]))


def wanted() -> list[Wanted]:
    """What this request accepts, the preferred first; anything where it does not say."""
    given = request.args.get("accept") or request.headers.get("Accept") or ANY
    ranges = [(value, quality) for value, quality in parse_accept_header(given) if quality > 0]
    return [_wanted(value) for value, _ in sorted(ranges, key=lambda found: -found[1])]


def _wanted(value: str) -> Wanted:
    media_type, options = parse_options_header(value)
    return Wanted(media_type.lower(), options.get("type", ANY).lower(), options.get("transfer-syntax", ""))


def choose(offered: Sequence[str]) -> str:
    """The first of what is wanted that is offered, of several the first offered.

    Raises:
        Problem: 406; nothing of it is offered.
    """
    for asked in wanted():
        for media_type in offered:
            if asked.admits(media_type):
                return media_type
    raise not_acceptable(f"This is sent as {' or '.join(offered)}.")


def not_acceptable(detail: str) -> Problem:
    """406, with what there is instead."""
    return Problem(406, "not_acceptable", f"The Accept header (or query parameter `accept`) asks for another form. {detail}")
