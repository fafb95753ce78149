"""The resources that a report refers to, each by its own address. Those of a case have its id as the beginning of theirs."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from services.exchange.fhir_base import Release
from services.exchange.fhir_device import device
from services.exchange.fhir_images import picture_kind
from services.exchange.fhir_lesion import body_structure, patient
from services.intake.access import auth
from services.intake.fhir import READ, case_resources, records
from services.intake.fhir_outcomes import issue, outcome
from services.intake.fhir_wire import base, release_wanted, respond
from services.intake.problems import Problem
from services.records.consent import require_care
from services.records.decided import find_reference
from services.records.history import used_models
from services.records.lesion_listing import read_lesion
from services.records.lesions import surviving_lesion

blueprint = APIBlueprint("fhir_reads", __name__, url_prefix="/fhir", tag="FHIR")
OF_CASE = ("Observation", "ImagingStudy", "Media", "DocumentReference", "Provenance")
UUID_LETTERS = 36


@blueprint.get(f"/<any({', '.join(OF_CASE)}):kind>/<string(maxlength=64):identity>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadPart", responses=READ)
def read_part(kind: str, identity: str) -> Response:
    """Read what a report refers to

    Observation, ImagingStudy, Provenance, and the pictures: Media in R4, DocumentReference in R5.
    """
    release = release_wanted()
    _, resources = case_resources(_case_id(kind, identity, release), release)
    found = next((one for one in resources if (one["resourceType"], one["id"]) == (kind, identity)), None)
    if found is None:
        raise _nothing(kind)
    return respond(found, release=release)


@blueprint.get("/BodyStructure/<uuid:lesion_id>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadLesion", responses=[308, *READ])
def read_body_structure(lesion_id: UUID) -> Response:
    """Read a lesion

    Where it is, and the DICOM Tracking UID by which it is known over all visits. A lesion that was found to be the same as
    another one answers 308 with the address of that one.
    """
    release = release_wanted()
    with records() as (session, tenant_id, actor):
        survivor = surviving_lesion(session=session, tenant_ids=[tenant_id], lesion_id=lesion_id)
        if survivor != lesion_id:
            return _moved(survivor, release)
        require_care(session=session, tenant_id=tenant_id, lesion_id=lesion_id)
        found = read_lesion(session=session, tenant_id=tenant_id, actor=actor, lesion_id=lesion_id).lesion
    told = body_structure(
        release=release,
        lesion_id=found.id,
        patient_id=found.patient_id,
        tracking_uid=found.tracking_uid,
        lesion_reference=found.reference,
        body_site=found.body_site,
        laterality=found.laterality,
    )
    return respond(told, release=release)


@blueprint.get("/Patient/<uuid:patient_id>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadPatient", responses=READ)
def read_patient(patient_id: UUID) -> Response:
    """Read a patient

    Your own pseudonym of them, and nothing else.
    """
    release = release_wanted()
    with records() as (session, tenant_id, actor):
        reference = find_reference(session=session, tenant_id=tenant_id, actor=actor, patient_id=patient_id)
    if reference is None:
        raise _nothing("Patient")
    return respond(patient(patient_id=patient_id, patient_reference=reference), release=release)


@blueprint.get("/Device/<string(maxlength=64):identity>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadDevice", responses=READ)
def read_device(identity: str) -> Response:
    """Read which models answered

    One version of the analysis, by its name. It is about no patient.
    """
    release = release_wanted()
    with records() as (session, _, _actor):
        models = used_models(session=session, pipeline_versions=[identity])
    if not models:
        raise _nothing("Device")
    return respond(device(pipeline_version=identity, models=models, release=release), release=release)


def _moved(survivor: UUID, release: Release) -> Response:
    place = f"{base()}/BodyStructure/{survivor}"
    told = outcome(issue("informational", f"This lesion was found to be the same as BodyStructure/{survivor}.", severity="information"))
    return respond(told, release=release, status=308, headers={"Location": place})


def _case_id(kind: str, identity: str, release: Release) -> UUID:
    """The case's id, from that of something about it. Raises Problem (404)."""
    other = picture_kind(Release.R5 if release is Release.R4 else Release.R4)
    if kind == other:
        raise Problem(404, "not-supported", f"Pictures are {picture_kind(release)} in FHIR {release.number}: ask for the other release.")
    try:
        return UUID(identity[:UUID_LETTERS])
    except ValueError as error:
        raise _nothing(kind) from error


def _nothing(kind: str) -> Problem:
    return Problem(404, "not-found", f"There is no such {kind}.")
