"""What can go wrong between a portal and Dermatrail, as types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class DermatrailError(Exception):
    """Base of every error of this client."""


class Unreachable(DermatrailError):
    """No answer came, or only "later", in all attempts. Whether the request was accepted is not known: send it again, unchanged."""


class WebhookRefused(DermatrailError):
    """A message that claims to be a webhook of ours is none, or is too old. Answer it with 400 and do nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: where, a machine-readable reason, and how to mend it."""

    location: str
    reason: str
    detail: str


class ApiError(DermatrailError):
    """An answer that is no success (RFC 9457). ``reason`` is machine-readable, ``detail`` says how to mend it."""

    def __init__(self, *, status: int, reason: str, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(f"{status} {reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.faults = faults


class NotAuthenticated(ApiError):
    """401: the API key is not valid here."""


class NotFound(ApiError):
    """404: there is no such thing, or it belongs to another portal."""


class Conflict(ApiError):
    """409: the state of things does not allow it, such as an upload that was used."""


class TooLarge(ApiError):
    """413: too many or too large."""


class Refused(ApiError):
    """Another 4xx: the request, or a picture in it, cannot be accepted as it is."""


class ServerError(ApiError):
    """5xx: not the portal's fault; try again later."""


KINDS: Mapping[int, type[ApiError]] = {401: NotAuthenticated, 404: NotFound, 409: Conflict, 413: TooLarge}


def error_of(status: int, body: Any) -> ApiError:
    """The error that an answer tells of; ``body``: its JSON, or its text where it is none."""
    problem: Mapping[str, Any] = body if isinstance(body, dict) else {}
    faults = tuple(
        Fault(str(each.get("location", "")), str(each.get("reason", "")), str(each.get("detail", "")))
        for each in problem.get("errors") or ()
        if isinstance(each, dict)
    )
    kind = ServerError if status >= 500 else KINDS.get(status, Refused)
    detail = problem.get("detail") or (body[:200] if isinstance(body, str) else "no reason was given")
    return kind(status=status, reason=str(problem.get("reason") or "error"), detail=str(detail), faults=faults)
