"""Every error answer is an RFC 9457 problem: what is wrong, where, and how to mend it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, json
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.pictures.errors import PictureRefused
from services.intake import fhir_outcomes
from services.objects import ObjectMissing, StoreUnavailable
from services.records.batches import BatchNotFound
from services.records.errors import (
    CareWithdrawn,
    CaseClosed,
    CaseNotFound,
    Conflict,
    DatabaseUnavailable,
    DeliveryNotFound,
    EndpointNotFound,
    IdempotencyConflict,
    InstanceNotFound,
    InvalidRecord,
    LegalHold,
    LesionNotFound,
    PatientNotFound,
    ReceiptNotFound,
)
from services.records.uploads import UploadNotFound, UploadUsed

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    location: str = Field(description="Where: a field such as `case.patient.reference`, or a file such as `images[0]`.")
    reason: str = Field(description="Machine-readable.")
    detail: str = Field(description="What is wrong and how to mend it.")


class ProblemBody(BaseModel):
    """RFC 9457 problem details, with a machine-readable reason."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="`urn:dermatrail:problem:` and the reason.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and how to mend it.")
    reason: str = Field(description="Machine-readable.")
    errors: list[Fault] = Field(default_factory=list, description="One entry for each field or file at fault.")


TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    413: "Request too large",
    415: "Unsupported media type",
    422: "The request cannot be processed",
    500: "Internal error",
    503: "Temporarily unavailable",
}


class Problem(Exception):
    """An error answer, raised anywhere below a handler."""

    def __init__(
        self, status: int, reason: str, detail: str, *, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def refused_fault(location: str, refusal: PictureRefused) -> Fault:
    """A refused file as a fault."""
    return Fault(location=location, reason=refusal.reason, detail=str(refusal))


def invalid_fields(error: ValidationError, *, location: str) -> Problem:
    """A pydantic error as a problem. The rejected values are not repeated: they may be about a patient."""
    faults = [
        Fault(location=".".join((location, *map(str, fault["loc"]))), reason=fault["type"], detail=fault["msg"]) for fault in error.errors()
    ]
    return Problem(422, "invalid_fields", f"{len(faults)} field(s) of {location} are not as described in /openapi.json.", errors=faults)


def register(app: APIFlask) -> None:
    """Make every error of this application a problem, also those that Flask and Werkzeug raise."""
    app.error_processor(_http_error)
    app.register_error_handler(Problem, answer)
    for kind, status, reason in _DOMAIN_ERRORS:
        app.register_error_handler(kind, _domain_handler(status, reason))
    for transient in (DatabaseUnavailable, StoreUnavailable):
        app.register_error_handler(transient, _unavailable)


# Domain errors whose own sentence says everything.
_DOMAIN_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (CaseNotFound, 404, "case_not_found"),
    (LesionNotFound, 404, "lesion_not_found"),
    (PatientNotFound, 404, "patient_not_found"),
    (InstanceNotFound, 404, "instance_not_found"),
    (CaseClosed, 409, "case_closed"),
    (CareWithdrawn, 403, "care_consent_withdrawn"),
    (LegalHold, 409, "legal_hold"),
    (ReceiptNotFound, 404, "receipt_not_found"),
    (IdempotencyConflict, 422, "idempotency_key_reused"),
    (InvalidRecord, 422, "invalid_fields"),
    (UploadNotFound, 404, "upload_not_found"),
    (UploadUsed, 409, "upload_used"),
    (BatchNotFound, 404, "batch_not_found"),
    (EndpointNotFound, 404, "webhook_not_found"),
    (DeliveryNotFound, 404, "delivery_not_found"),
    (Conflict, 409, "conflict"),
    (ObjectMissing, 404, "object_missing"),
)


def reason_of(error: Exception) -> str:
    """The machine-readable reason of a domain error, as an answer would have it."""
    return next((reason for kind, _, reason in _DOMAIN_ERRORS if isinstance(error, kind)), "refused")


def answer(problem: Problem) -> Response:
    """The HTTP answer of a problem."""
    if fhir_outcomes.concerned():
        return fhir_outcomes.answer(problem)
    body: dict[str, Any] = {
        "type": f"urn:dermatrail:problem:{problem.reason}",
        "title": TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "reason": problem.reason,
        "errors": [fault.model_dump() for fault in problem.errors],
    }
    return Response(json.dumps(body), problem.status, headers=problem.headers, content_type=MEDIA_TYPE)


def _domain_handler(status: int, reason: str) -> Any:
    return lambda error: answer(Problem(status, reason, str(error)))


def _unavailable(error: Exception) -> Response:
    log.warning("backend away: %s", type(error).__name__)
    reason = "database_unavailable" if isinstance(error, DatabaseUnavailable) else "store_unavailable"
    detail = "Nothing was accepted. Send the same request again, with the same Idempotency-Key."
    return answer(Problem(503, reason, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}))


_PLAIN = {
    400: ("bad_request", "The request cannot be read as HTTP or as multipart/form-data."),
    401: ("not_authenticated", "Send the header `Authorization: Bearer dmt_…` with a valid API key."),
    404: ("not_found", "There is nothing at this address. See /docs."),
    405: ("method_not_allowed", "This address does not take this method. See the Allow header and /docs."),
    413: ("request_too_large", "The request is too large. Send fewer or smaller files."),
    500: ("internal_error", "The error is recorded. Nothing was accepted; try again later."),
}


def _http_error(error: HTTPError) -> Any:
    """Errors of Flask, Werkzeug and APIFlask (routes, methods, sizes, authentication, query fields, our own faults)."""
    if error.status_code == 422 and isinstance(error.detail, dict):
        return answer(Problem(422, "invalid_fields", "Fields are not as described in /openapi.json.", errors=_query_faults(error.detail)))
    reason, detail = _PLAIN.get(error.status_code, ("error", error.message or "The request cannot be processed."))
    return answer(Problem(error.status_code, reason, detail, headers=_kept_headers(error.headers)))


def _query_faults(detail: dict[str, Any]) -> list[Fault]:
    return [
        Fault(location=f"{place}.{name}", reason="invalid", detail=message)
        for place, fields in detail.items()
        for name, messages in fields.items()
        for message in messages
    ]


def _kept_headers(headers: Any) -> dict[str, str]:
    # Werkzeug's own Content-Type and Content-Length belong to its HTML page.
    return {name: value for name, value in dict(headers or {}).items() if name.lower() not in ("content-type", "content-length")}
