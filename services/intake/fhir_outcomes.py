"""Every error answer under /fhir is an OperationOutcome: what is wrong, where (a FHIRPath), and how to mend it."""

from typing import TYPE_CHECKING, Any

from flask import Response, json, request

from services.exchange.fhir_base import LANGUAGE, Json, Release, filled

if TYPE_CHECKING:
    from services.intake.problems import Fault, Problem

PREFIX = "/fhir"
MEDIA_TYPE = "application/fhir+json"
PROBLEMS = "urn:dermatrail:problem"
# Codes of http://hl7.org/fhir/issue-type by status, where nothing better is said.
BY_STATUS = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    503: "transient",
}
# Codes that a reason may be.
ISSUE_TYPES = frozenset(
    ("invalid", "structure", "required", "value", "invariant", "not-supported", "duplicate", "business-rule", "not-found", "too-long")
)


def concerned() -> bool:
    """Whether this request is one of FHIR's."""
    return request.path == PREFIX or request.path.startswith(f"{PREFIX}/")


def content_type(release: Release) -> str:
    """With the release, as the standard asks of a server that knows several."""
    return f"{MEDIA_TYPE}; fhirVersion={release.value}"


def answer(problem: "Problem", *, release: Release = Release.R4) -> Response:
    """The HTTP answer of a problem. An OperationOutcome is the same in both releases."""
    body = outcome(*_issues(problem))
    return Response(json.dumps(body), problem.status, headers=problem.headers, content_type=content_type(release))


def outcome(*issues: Json) -> Json:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "language": LANGUAGE, "issue": list(issues)}


def issue(code: str, text: str, *, severity: str = "error", expression: str | None = None, reason: str | None = None) -> Json:
    """One issue. ``reason``: our machine-readable word for it."""
    details = filled(coding=[{"system": PROBLEMS, "code": reason}] if reason else None, text=text)
    return filled(severity=severity, code=code, details=details, expression=[expression] if expression else None)


def _issues(problem: "Problem") -> list[Json]:
    code = BY_STATUS.get(problem.status, "exception")
    if not problem.errors:
        return [issue(_code(problem.reason, code), problem.detail, reason=problem.reason)]
    return [_fault(fault, code) for fault in problem.errors]


def _fault(fault: "Fault", code: str) -> Json:
    # A FHIRPath begins with a type; anything else is a place of ours.
    path: dict[str, Any] = {"expression": fault.location} if fault.location[:1].isupper() else {}
    text = fault.detail if path else f"{fault.location}: {fault.detail}"
    return issue(_code(fault.reason, code), text, reason=fault.reason, **path)


def _code(reason: str, otherwise: str) -> str:
    return reason if reason in ISSUE_TYPES else otherwise
