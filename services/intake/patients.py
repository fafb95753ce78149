"""Patients and their lesions. A portal's reference of a patient never stands in an address: addresses end up in logs and histories."""

from uuid import UUID

from apiflask import APIBlueprint

from services.intake import trail_render
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.problems import Problem
from services.intake.trail_schemas import LesionPage, PatientOut, PatientSearch, Query
from services.records.audit import Actor
from services.records.consent import require_care
from services.records.lesion_listing import find_patient, list_lesions

blueprint = APIBlueprint("patients", __name__, url_prefix="/v1/patients", tag="Lesions")


@blueprint.post("/search")
@blueprint.auth_required(auth)
@blueprint.input(PatientSearch, location="json", arg_name="wanted")
@blueprint.output(PatientOut)
@blueprint.doc(operation_id="searchPatient", responses=[400, 404, 415, 422, 503])
def search_patient(wanted: PatientSearch) -> PatientOut:
    """Find a patient

    By your own reference of them, which is sent in the body and never in an address. The answer has the id and the
    address of their lesions.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        actor = Actor.portal(portal.key_id)
        found = find_patient(session=session, tenant_id=portal.tenant_id, actor=actor, reference=wanted.reference)
    if found is None:
        raise Problem(
            404, "patient_not_found", "There is no patient of this reference: no case of theirs was sent with this portal's keys."
        )
    return trail_render.patient(found)


@blueprint.get("/<uuid:patient_id>/lesions")
@blueprint.auth_required(auth)
@blueprint.input(Query, location="query", arg_name="query")
@blueprint.output(LesionPage)
@blueprint.doc(operation_id="listLesions", responses=[403, 404, 422, 503])
def read_patient_lesions(patient_id: UUID, query: Query) -> LesionPage:
    """List a patient's lesions

    With the id of `POST /v1/patients/search`, or `patient_id` of a case.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        require_care(session=session, tenant_id=portal.tenant_id, patient_id=patient_id)
        found = list_lesions(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            patient_id=patient_id,
            cursor=query.cursor,
            limit=query.limit,
        )
    return trail_render.lesions(found)
