"""The report about a decided case: a document for people, as PDF or HTML."""

import math
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, request

from services.exchange.report import Form, headers_of, make_report
from services.exchange.report_words import choose_language, languages
from services.exchange.result import CaseResult, load_result
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.problems import Problem
from services.intake.report_schemas import ReportQuery
from services.records.audit import Actor, Subject, record_event
from services.records.consent import require_care
from services.records.errors import NotDecided
from services.records.states import AuditAction

blueprint = APIBlueprint("reports", __name__, url_prefix="/v1/cases", tag="Cases")
CONTENT: dict[str, dict[str, Any]] = {form.value: {"schema": {"type": "string", "contentMediaType": form.value}} for form in Form}
ANSWERS: dict[int | str, Any] = {
    200: {"description": "The report. Its bytes, and so its `ETag`, stay the same while what it says does.", "content": CONTENT},
    403: "The patient has withdrawn their consent to care.",
    404: "There is no such case.",
    406: "A report is PDF or HTML.",
    409: "The case is not decided, or the decision can still be taken back.",
    503: "Try again.",
}


@blueprint.get("/<uuid:case_id>/report")
@blueprint.auth_required(auth)
@blueprint.input(ReportQuery, location="query", arg_name="query")
@blueprint.doc(operation_id="readReport", responses=ANSWERS)
def read_report(case_id: UUID, query: ReportQuery) -> Response:
    """Read the report of a case

    PDF, or HTML with `Accept: text/html`, in the language of `?language=` or else of `Accept-Language`; a language that there
    is not is answered in English. Only of decided cases: before, and in the seconds in which a decision can still be taken
    back, the answer is 409 with the reason `not_decided` or `decision_not_final` and, where it is a matter of seconds, `Retry-After`.
    """
    form = _form()
    asked = [query.language] if query.language else [tag for tag, _ in request.accept_languages]
    language = choose_language(asked)
    document = make_report(result=_result(case_id, form, language), store=backends().store, language=language, form=form)
    answer = Response(document.data, content_type=document.content_type, headers=headers_of(document))
    answer.headers["Vary"] = "Accept, Accept-Language"
    answer.set_etag(document.etag)
    answer.make_conditional(request)
    return answer


def _result(case_id: UUID, form: Form, language: str) -> CaseResult:
    portal = current_portal()
    try:
        with backends().database.transaction(tenants=[portal.tenant_id]) as session:
            require_care(session=session, tenant_id=portal.tenant_id, case_id=case_id)
            result = load_result(session=session, tenant_id=portal.tenant_id, case_id=case_id)
            record_event(
                session=session,
                tenant_id=portal.tenant_id,
                actor=Actor.portal(portal.key_id),
                action=AuditAction.RESULT_READ,
                subject=Subject("case", case_id),
                details={"report": form.name.lower(), "language": language, "version": result.version},
            )
    except NotDecided as error:
        raise undecided(error) from error
    return result


def undecided(error: NotDecided) -> Problem:
    """There is no result yet, and whether it is worth to wait for it."""
    if error.left is None:
        return Problem(409, "not_decided", f"{error} `GET /v1/cases/{{case_id}}` says in its status how far it is.")
    seconds = max(math.ceil(error.left.total_seconds()), 1)
    return Problem(409, "decision_not_final", str(error), headers={"Retry-After": str(seconds)})


def _form() -> Form:
    """PDF unless HTML is asked for more."""
    offered = [form.value for form in Form]
    found: Any = request.accept_mimetypes.best_match(offered) if request.accept_mimetypes else Form.PDF.value
    if found is None:
        raise Problem(406, "not_acceptable", f"Accept: a report is {' or '.join(offered)}, in {', '.join(languages())}.")
    return Form(found)
