"""The case page, and which case comes next."""

from uuid import UUID

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from services.records import worklist
from services.review import reader
from services.review.case_render import case_html, offered_form, offered_opinion
from services.review.case_sheet import open_sheet
from services.review.quiet import last_decision
from services.review.worklist_pages import blueprint


@blueprint.get("/cases/next")
@reader.signed_in
def next_case() -> ResponseReturnValue:
    """The case that should be read now, or the empty worklist."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        case_id = worklist.next_case(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id, role=user.role)
    if case_id is None:
        return redirect(url_for("desk.worklist_page"), 303)
    return redirect(url_for("desk.case", case_id=case_id), 303)


@blueprint.get("/cases/<uuid:case_id>")
@reader.signed_in
def case(case_id: UUID) -> ResponseReturnValue:
    """One case, which is the reader's for a while; the records note who opened it."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        sheet = open_sheet(records, user, case_id)
        decided = last_decision(records, user)
    return case_html(sheet, form=offered_form(sheet), opinion=offered_opinion(sheet), decided=decided)
