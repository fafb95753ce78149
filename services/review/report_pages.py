"""The report of a decided case, as its portal gets it."""

from uuid import UUID

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from services.exchange.report import Form, headers_of, make_report
from services.exchange.report_words import choose_language
from services.exchange.result import CaseResult, load_result
from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction
from services.records.views import load_case
from services.review import reader

blueprint = Blueprint("reports", __name__)


@blueprint.get("/cases/<uuid:case_id>/report")
@reader.signed_in
def report(case_id: UUID) -> ResponseReturnValue:
    """As HTML, or with ``form=pdf`` as PDF; ``language`` as for portals. The reading is audited."""
    form = Form.PDF if request.args.get("form") == "pdf" else Form.HTML
    language = choose_language([request.args.get("language", "")])
    document = make_report(result=_result(case_id, form, language), store=reader.desk().objects, language=language, form=form)
    answer = Response(document.data, content_type=document.content_type, headers=headers_of(document))
    # The desk keeps nothing about a patient in the browser.
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _result(case_id: UUID, form: Form, language: str) -> CaseResult:
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        tenant_id = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id).tenant_id
        result = load_result(session=records, tenant_id=tenant_id, case_id=case_id)
        record_event(
            session=records,
            tenant_id=tenant_id,
            actor=Actor.user(user.user_id),
            action=AuditAction.RESULT_READ,
            subject=Subject("case", case_id),
            details={"report": form.name.lower(), "language": language, "version": result.version},
        )
    return result
