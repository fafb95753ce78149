"""A patient's consents, their erasure, and the receipts of it.

``{ref}`` is the patient's id, or the portal's own reference. The id is the better choice: addresses end up in the logs of everything
that a request passes on its way, and the id says nothing to anybody else.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import url_for

from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.erasure_schemas import (
    ConsentIn,
    ExportShareOut,
    LegalHoldIn,
    PatientRecordOut,
    ReceiptOut,
    ReceiptPageOut,
)
from services.intake.problems import RETRY_AFTER_SECONDS, Problem
from services.intake.trail_schemas import Query
from services.records import erasure
from services.records.access import Portal
from services.records.audit import Actor
from services.records.consent import PatientRecord, read_patient_record, set_consent, set_legal_hold
from services.records.errors import PatientBusy

blueprint = APIBlueprint("erasure", __name__, url_prefix="/v1", tag="Patients")
LONGEST_REF = 200


@blueprint.get("/patients/<ref>")
@blueprint.auth_required(auth)
@blueprint.output(PatientRecordOut)
@blueprint.doc(operation_id="readPatient", responses=[404, 503])
def read_patient(ref: str) -> PatientRecordOut:
    """Read a patient

    By id, or by your own reference (which then stands in an address: better search for it once and keep the id).
    """
    portal = current_portal()
    patient_id = _patient(portal, ref)
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = read_patient_record(session=session, tenant_id=portal.tenant_id, patient_id=patient_id, actor=_actor(portal))
    return _record(found)


@blueprint.put("/patients/<ref>/consent")
@blueprint.auth_required(auth)
@blueprint.input(ConsentIn, location="json", arg_name="said")
@blueprint.output(PatientRecordOut)
@blueprint.doc(operation_id="setConsent", responses=[400, 404, 415, 422, 503])
def put_consent(ref: str, said: ConsentIn) -> PatientRecordOut:
    """Say what a patient agrees to

    It counts from this moment on. Without consent to care new cases are refused and results are no longer handed out; open
    cases stay with the dermatologists, who are told.
    """
    portal = current_portal()
    words = {name: getattr(said, name) for name in said.model_fields_set}
    patient_id = _patient(portal, ref)
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = set_consent(session=session, tenant_id=portal.tenant_id, patient_id=patient_id, said=words, actor=_actor(portal))
    return _record(found)


@blueprint.put("/patients/<ref>/legal-hold")
@blueprint.auth_required(auth)
@blueprint.input(LegalHoldIn, location="json", arg_name="said")
@blueprint.output(PatientRecordOut)
@blueprint.doc(operation_id="setLegalHold", responses=[400, 404, 415, 422, 503])
def put_legal_hold(ref: str, said: LegalHoldIn) -> PatientRecordOut:
    """Keep everything of a patient, or no longer

    While a legal hold stands neither an erasure nor the end of retention takes anything away.
    """
    portal = current_portal()
    patient_id = _patient(portal, ref)
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = set_legal_hold(
            session=session, tenant_id=portal.tenant_id, patient_id=patient_id, held=said.legal_hold, actor=_actor(portal)
        )
    return _record(found)


@blueprint.delete("/patients/<ref>")
@blueprint.auth_required(auth)
@blueprint.output(ReceiptOut, status_code=202, description="The records are gone; objects in the store follow. The receipt tells when.")
@blueprint.doc(operation_id="erasePatient", responses=[404, 409, 503])
def erase_patient(ref: str) -> Any:
    """Erase a patient

    Everything that was sent, found, decided and made of them, open cases included. It cannot be undone. The answer is a
    receipt; the same request again, by the patient's id, gives it once more. A case that is sent later begins anew.
    """
    portal = current_portal()
    patient_id = _patient(portal, ref, gone=True)
    try:
        receipt = erasure.erase_patient(
            database=backends().database, tenant_id=portal.tenant_id, patient_id=patient_id, actor=_actor(portal)
        )
    except PatientBusy as busy:
        raise Problem(503, "patient_busy", str(busy), headers={"Retry-After": str(RETRY_AFTER_SECONDS)}) from busy
    body = _receipt(receipt)
    return body, 202, {"Location": body.receipt_url}


@blueprint.get("/receipts/<uuid:receipt_id>")
@blueprint.auth_required(auth)
@blueprint.output(ReceiptOut)
@blueprint.doc(operation_id="readReceipt", tags=["Receipts"], responses=[404, 503])
def read_receipt(receipt_id: UUID) -> ReceiptOut:
    """Read the receipt of an erasure"""
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = erasure.read_receipt(session=session, tenant_id=portal.tenant_id, receipt_id=receipt_id, actor=_actor(portal))
    return _receipt(found)


@blueprint.get("/receipts")
@blueprint.auth_required(auth)
@blueprint.input(Query, location="query", arg_name="query")
@blueprint.output(ReceiptPageOut)
@blueprint.doc(operation_id="listReceipts", tags=["Receipts"], responses=[422, 503])
def list_receipts(query: Query) -> ReceiptPageOut:
    """List the receipts of erasures

    The newest first: those that were asked for, and those of records whose time was over.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        page = erasure.list_receipts(
            session=session, tenant_ids=[portal.tenant_id], actor=_actor(portal), cursor=query.cursor, limit=query.limit
        )
    return ReceiptPageOut(receipts=[_receipt(receipt) for receipt in page.receipts], next_cursor=page.next_cursor)


def _actor(portal: Portal) -> Actor:
    return Actor.portal(portal.key_id)


def _patient(portal: Portal, ref: str, *, gone: bool = False) -> UUID:
    """The id that is meant; with ``gone`` also one that was erased before."""
    if len(ref) <= LONGEST_REF and ref.isprintable():
        with backends().database.transaction(tenants=[portal.tenant_id]) as session:
            found = erasure.patient_of(session=session, tenant_id=portal.tenant_id, ref=ref)
        if found is not None:
            return found
        if gone and (said := _uuid(ref)):
            return said
    raise Problem(
        404, "patient_not_found", "There is no patient of this id or reference: no case of theirs was sent with this portal's keys."
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _record(found: PatientRecord) -> PatientRecordOut:
    return PatientRecordOut(**asdict(found), lesions_url=url_for("patients.read_patient_lesions", patient_id=found.id))


def _receipt(found: erasure.Receipt) -> ReceiptOut:
    return ReceiptOut(
        id=found.id,
        status=found.state,
        reason=found.reason,
        patient_id=found.patient_id,
        whole_patient=found.whole,
        cases=found.cases,
        records=found.counts,
        objects=found.objects,
        created_at=found.created_at,
        objects_gone_at=found.objects_gone_at,
        done_at=found.done_at,
        problem=found.problem,
        exports=[ExportShareOut(**asdict(share)) for share in found.exports],
        receipt_url=url_for("erasure.read_receipt", receipt_id=found.id),
    )
