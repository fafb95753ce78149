"""FHIR over HTTP: which release is spoken, in what a body comes, and how an answer goes.

A client says its release in the MIME type, ``application/fhir+json; fhirVersion=5.0``; where it does not, R4 is spoken.
"""

import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from flask import Response, request
from werkzeug.http import parse_options_header

from services.exchange.fhir_base import Json, Release
from services.intake.context import backends
from services.intake.fhir_outcomes import MEDIA_TYPE, content_type
from services.intake.problems import Fault, Problem

# Pictures travel in base64, which takes a third more, and all of a body lies in memory at once: larger ones go to /v1/cases.
MAX_BODY_BYTES = 24 * 1024 * 1024
BULKY_BYTES = 4 * 1024 * 1024
_bulky = threading.Semaphore(1)
JSON_TYPES = (MEDIA_TYPE, "application/json", "text/json", "json")
ANY = ("*/*", "application/*")
RELEASES = {"4.0": Release.R4, "4.0.1": Release.R4, "5.0": Release.R5, "5.0.0": Release.R5}
OTHERS = "Ask for application/fhir+json with fhirVersion=4.0 or fhirVersion=5.0; XML and other releases are not spoken here."


def release_wanted() -> Release:
    """The release of the answer. Raises Problem (406) where none of those that are asked for is spoken."""
    if named := request.args.get("_format"):
        # An unescaped plus sign of an address arrives as a space.
        return _release(named.replace("fhir json", "fhir+json")) or _not_acceptable()
    accepted = [value for value, quality in request.accept_mimetypes if quality > 0]
    if not accepted:
        return Release.R4
    return next((release for release in map(_release, accepted) if release), None) or _not_acceptable()


def release_sent() -> Release:
    """The release of the body. Raises Problem (415)."""
    kind, parameters = parse_options_header(request.content_type or "")
    version = _parameters(parameters).get("fhirversion", "")
    if kind.lower() not in JSON_TYPES or (version and version not in RELEASES):
        raise Problem(415, "not_fhir_json", "Send application/fhir+json with fhirVersion=4.0 or fhirVersion=5.0.")
    return RELEASES[version] if version else release_wanted()


def _release(value: str) -> Release | None:
    kind, parameters = parse_options_header(value)
    version = _parameters(parameters).get("fhirversion")
    if kind.lower() not in (*JSON_TYPES, *ANY):
        return None
    return RELEASES.get(version) if version else Release.R4


def _parameters(given: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in given.items()}


def _not_acceptable() -> NoReturn:
    raise Problem(406, "release_not_spoken", OTHERS)


def read_body() -> bytes:
    """The body. Raises Problem (413) for one over the limit."""
    request.max_content_length = MAX_BODY_BYTES
    return request.get_data(cache=False)


def in_turn(body: bytes) -> AbstractContextManager[object]:
    """A large body is read as JSON and taken apart while no other one is: that takes three times its size for a moment."""
    return _bulky if len(body) > BULKY_BYTES else nullcontext()


def read_json(body: bytes) -> Any:
    """The body as JSON. Raises Problem (400)."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not_json", f"The body is no JSON of a resource ({type(error).__name__}).") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def respond(resource: Json, *, release: Release, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A resource as an answer. It is about a patient: no shared cache."""
    kept = {"Cache-Control": "private, no-cache", **_validators(resource), **(headers or {})}
    return Response(json.dumps(resource, ensure_ascii=False), status, headers=kept, content_type=content_type(release))


def _validators(resource: Json) -> dict[str, str]:
    version = resource.get("meta", {}).get("versionId")
    return {"ETag": f'W/"{version}"'} if version else {}


def site() -> str:
    """The address of this service: the one that is set, else as the client calls it."""
    return (backends().settings.public_url or request.host_url).rstrip("/")


def base() -> str:
    """The address of the FHIR service."""
    return f"{site()}/fhir"


def refused(code: str, location: str, detail: str, *, status: int = 422) -> Problem:
    """A problem at one place of a resource. ``code``: of FHIR's issue types; ``location``: a FHIRPath."""
    return Problem(status, code, detail, errors=[Fault(location=location, reason=code, detail=detail)])
