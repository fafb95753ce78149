"""Cases: submit, add images, follow."""

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request

from services.intake import render
from services.intake.accept import Submission, submit_case, submit_images
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.incoming import Wanted, submit_uploaded
from services.intake.metrics import UPLOADS
from services.intake.schemas import Accepted, AddedIn, CaseIn, CaseOut, CasePage, ListQuery
from services.intake.upload_schemas import UploadedCaseIn, plain_case
from services.intake.uploads import idempotency_key, read_body, read_files, read_json
from services.records.audit import Actor
from services.records.cases import case_status
from services.records.instances import instances_of_case
from services.records.listing import list_cases

blueprint = APIBlueprint("cases", __name__, url_prefix="/v1/cases", tag="Cases")


@blueprint.post("")
@blueprint.auth_required(auth)
@blueprint.output(Accepted, status_code=202, description="Stored durably; it will be analysed and decided.")
@blueprint.doc(operation_id="submitCase", responses=[400, 403, 409, 413, 415, 422, 503])
def create_case() -> Any:
    """Submit a case

    Sends one case with 1 to 20 pictures, as files of the request, or as JSON that names `uploads` which lie in the store
    already. Either everything is accepted or nothing. With an `Idempotency-Key` the same request may be repeated safely:
    it is answered as the first time.
    """
    if request.mimetype == "application/json":
        named = read_json(UploadedCaseIn)
        uploads = Wanted(case=plain_case(named), upload_ids=named.uploads, idempotency_key=idempotency_key())
        return _answer(submit_uploaded(backends=backends(), portal=current_portal(), wanted=uploads))
    case = read_body(CaseIn, required=True)
    return _answer(
        submit_case(
            backends=backends(),
            portal=current_portal(),
            case=case,
            uploads=read_files(backends().settings),
            idempotency_key=idempotency_key(),
        )
    )


@blueprint.post("/<uuid:case_id>/images")
@blueprint.auth_required(auth)
@blueprint.output(Accepted, status_code=202, description="Stored durably; the new images will be analysed.")
@blueprint.doc(operation_id="addImages", responses=[400, 403, 404, 409, 413, 415, 422, 503])
def create_images(case_id: UUID) -> Any:
    """Add images to a case

    As long as no dermatologist has decided. The case then waits for the analysis of the new images.
    """
    said = read_body(AddedIn, required=False).images
    uploads = read_files(backends().settings)
    return _answer(submit_images(backends=backends(), portal=current_portal(), case_id=case_id, uploads=uploads, said=said))


@blueprint.get("/<uuid:case_id>")
@blueprint.auth_required(auth)
@blueprint.output(CaseOut)
@blueprint.doc(operation_id="readCase", responses=[403, 404, 503])
def read_case(case_id: UUID) -> CaseOut:
    """Read a case

    States, findings and, once taken, the decision.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        view = case_status(session=session, tenant_id=portal.tenant_id, case_id=case_id, actor=Actor.portal(portal.key_id))
        decided = view.final is not None
        instances = instances_of_case(session=session, tenant_id=portal.tenant_id, case_id=case_id) if decided else []
    return render.case(view, instances)


@blueprint.get("")
@blueprint.auth_required(auth)
@blueprint.input(ListQuery, location="query", arg_name="query")
@blueprint.output(CasePage)
@blueprint.doc(operation_id="listCases", responses=[422, 503])
def read_cases(query: ListQuery) -> CasePage:
    """List cases

    In the order of their receipt. Follow `next_cursor` to the end; poll with `since`.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = list_cases(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            status=query.status,
            since=query.since,
            cursor=query.cursor,
            limit=query.limit,
        )
    return render.page(found)


def _answer(submission: Submission) -> tuple[Accepted, int, dict[str, str]]:
    body = render.accepted(submission)
    headers = {"Location": body.status_url}
    if submission.case.replayed:
        headers["Idempotent-Replayed"] = "true"
    else:
        UPLOADS.inc(len(submission.images))
    return body, 202, headers
