"""FHIR: orders in, reports out. A report exists once a dermatologist's decision stands; until then the order's Task says how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy.orm import Session

from services.exchange import fhir_bundle
from services.exchange.fhir_base import Json, Release
from services.exchange.fhir_capability import EVERYTHING, capability_statement, operation_definition, versions
from services.exchange.fhir_orders import service_request, task
from services.exchange.fhir_report import diagnostic_report
from services.exchange.result import load_result
from services.intake import fhir_search
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.fhir_submit import Ordered, submit_order, transaction_response
from services.intake.fhir_wire import base, in_turn, read_body, read_json, release_sent, release_wanted, respond, site
from services.intake.metrics import UPLOADS
from services.intake.problems import Problem
from services.records.audit import Actor, Subject, record_event
from services.records.consent import require_care
from services.records.decided import DecidedCase, Sought, list_decided
from services.records.orders import OrderView, find_orders
from services.records.states import AuditAction

blueprint = APIBlueprint("fhir", __name__, url_prefix="/fhir", tag="FHIR")
READ = [400, 403, 404, 406, 503]
SEARCH = [400, 406, 422, 503]
FORM = [400, 406, 413, 415, 422, 503]
CREATE = [400, 403, 406, 409, 413, 415, 422, 503]


@contextmanager
def records() -> Iterator[tuple[Session, UUID, Actor]]:
    """A transaction of this request's portal: session, tenant, actor."""
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        yield session, portal.tenant_id, Actor.portal(portal.key_id)


@blueprint.get("/metadata")
@blueprint.doc(operation_id="fhirCapabilities", responses=[406])
def read_metadata() -> Response:
    """What is spoken here

    The CapabilityStatement, in the release that is asked for. It needs no key.
    """
    release = release_wanted()
    return respond(capability_statement(release=release, base=base()), release=release)


@blueprint.get("/$versions")
@blueprint.doc(operation_id="fhirVersions", responses=[406])
def read_versions() -> Response:
    """Which releases are spoken here

    4.0, which is the default, and 5.0. It needs no key.
    """
    return respond(versions(), release=release_wanted())


@blueprint.get(f"/OperationDefinition/{EVERYTHING}")
@blueprint.doc(operation_id="fhirOperation", responses=[406])
def read_operation() -> Response:
    """The definition of $everything of a report

    It needs no key.
    """
    return respond(operation_definition(base=base()), release=release_wanted())


@blueprint.post("", strict_slashes=False)
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirTransaction", responses=CREATE)
def create_transaction() -> Response:
    """Order a read

    A transaction Bundle of one ServiceRequest with your identifier, its Patient by pseudonym, pictures as Media or
    DocumentReference (data inline or in a Binary), and a BodyStructure where there is one. Either everything is accepted or
    nothing; the same order sent again is the same order.
    """
    wanted, ordered = _ordered("Bundle")
    return respond(transaction_response(ordered, release=wanted), release=wanted)


@blueprint.post("/ServiceRequest")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirOrder", responses=CREATE)
def create_order() -> Response:
    """Order a read by one resource

    A ServiceRequest that contains its Patient, pictures and BodyStructure.
    """
    wanted, ordered = _ordered("ServiceRequest")
    headers = {"Location": f"{base()}/ServiceRequest/{ordered.order.id}"}
    return respond(service_request(ordered.order, release=wanted), release=wanted, status=200 if ordered.replayed else 201, headers=headers)


def _ordered(kind: str) -> tuple[Release, Ordered]:
    wanted, sent, body = release_wanted(), release_sent(), read_body()
    with in_turn(body):
        ordered = submit_order(backends=backends(), portal=current_portal(), body=read_json(body), kind=kind, release=sent)
    if not ordered.replayed:
        UPLOADS.inc(ordered.pictures)
    return wanted, ordered


@blueprint.get("/ServiceRequest/<uuid:order_id>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadOrder", responses=READ)
def read_order(order_id: UUID) -> Response:
    """Read an order

    As far as it was kept: nothing of the patient, no notes, no pictures.
    """
    release = release_wanted()
    order = _order(order_id)
    if order.case_id is None:
        raise Problem(404, "not-found", f"This order was rejected: Task/{order.id} says why.")
    return respond(service_request(order, release=release), release=release)


@blueprint.get("/Task/<uuid:order_id>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadTask", responses=READ)
def read_task(order_id: UUID) -> Response:
    """Follow an order

    received, in-progress, then completed with the report as its output, failed where the pictures could not be judged, or
    rejected with the reason.
    """
    release = release_wanted()
    return respond(task(_order(order_id), release=release), release=release)


@blueprint.get("/Task")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirSearchTasks", responses=SEARCH)
def search_tasks() -> Response:
    """Search tasks

    By your identifier of the order, as system|value or value.
    """
    return _orders("Task")


@blueprint.post("/Task/_search")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirSearchTasksByForm", responses=FORM)
def search_tasks_by_form() -> Response:
    """Search tasks by a form

    The same parameters in a form instead of an address.
    """
    return _orders("Task")


@blueprint.get("/ServiceRequest")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirSearchOrders", responses=SEARCH)
def search_orders() -> Response:
    """Search orders

    By your identifier, as system|value or value. Rejected ones are Tasks only.
    """
    return _orders("ServiceRequest")


@blueprint.get("/DiagnosticReport")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirSearchReports", responses=SEARCH)
def search_reports() -> Response:
    """Search reports

    In the order of their decisions; follow the link `next`. Poll with `_lastUpdated=ge…`.
    """
    return _reports()


@blueprint.post("/DiagnosticReport/_search")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirSearchReportsByForm", responses=FORM)
def search_reports_by_form() -> Response:
    """Search reports by a form

    The same parameters in a form, and `patient.identifier`: your own reference of the patient, which belongs into no address.
    """
    return _reports()


@blueprint.get("/DiagnosticReport/<uuid:case_id>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirReadReport", responses=READ)
def read_report(case_id: UUID) -> Response:
    """Read a report

    The dermatologist's decision on a case, by the case's id.
    """
    release = release_wanted()
    with records() as (session, tenant_id, actor):
        require_care(session=session, tenant_id=tenant_id, case_id=case_id)
        found = decided_case(session, tenant_id, actor, case_id)
    return respond(diagnostic_report(found, release=release, site=site()), release=release)


@blueprint.get("/DiagnosticReport/<uuid:case_id>/$everything")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="fhirEverything", responses=READ)
def read_everything(case_id: UUID) -> Response:
    """Read everything about a report

    A Bundle (collection) of the report and all that it refers to: patient by pseudonym, lesion, observations, pictures,
    models, provenance and order.
    """
    release = release_wanted()
    found, resources = case_resources(case_id, release)
    return respond(fhir_bundle.collection(found, resources, base=base()), release=release)


def decided_case(session: Session, tenant_id: UUID, actor: Actor, case_id: UUID) -> DecidedCase:
    """The case, once it is decided. Raises Problem (404)."""
    page = list_decided(session=session, tenant_id=tenant_id, actor=actor, sought=Sought(case_ids=(case_id,)))
    if not page.cases:
        raise Problem(404, "not-found", "There is no such report: none before a dermatologist's decision stands. Follow the order's Task.")
    return page.cases[0]


def case_resources(case_id: UUID, release: Release) -> tuple[DecidedCase, list[Json]]:
    """A decided case and all resources about it. Raises Problem (404)."""
    with records() as (session, tenant_id, actor):
        require_care(session=session, tenant_id=tenant_id, case_id=case_id)
        found = decided_case(session, tenant_id, actor, case_id)
        result = load_result(session=session, tenant_id=tenant_id, case_id=case_id)
        orders = find_orders(session=session, tenant_id=tenant_id, actor=actor, order_id=found.order_id).orders if found.order_id else ()
        subject = Subject("case", case_id)
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.RESULT_READ, subject=subject)
    order = orders[0] if orders else None
    return found, fhir_bundle.everything(found, result, order=order, release=release, site=site())


def _order(order_id: UUID) -> OrderView:
    with records() as (session, tenant_id, actor):
        found = find_orders(session=session, tenant_id=tenant_id, actor=actor, order_id=order_id).orders
    if not found:
        raise Problem(404, "not-found", "There is no such order.")
    return found[0]


def _orders(kind: str) -> Response:
    release, given = release_wanted(), fhir_search.parameters(kind)
    sought = fhir_search.orders_sought(given)
    with records() as (session, tenant_id, actor):
        page = find_orders(
            session=session,
            tenant_id=tenant_id,
            actor=actor,
            order_id=sought.order_id,
            identifier=sought.identifier,
            system=sought.system,
            accepted=kind == "ServiceRequest",
            cursor=given.get(fhir_search.CURSOR),
            limit=fhir_search.count(given),
        )
    make = task if kind == "Task" else service_request
    links = fhir_search.links(kind, given, page.next_cursor)
    return _page([make(order, release=release) for order in page.orders], links, release)


def _reports() -> Response:
    release, given = release_wanted(), fhir_search.parameters("DiagnosticReport")
    sought = fhir_search.reports_sought(given)
    with records() as (session, tenant_id, actor):
        page = list_decided(
            session=session,
            tenant_id=tenant_id,
            actor=actor,
            sought=sought,
            cursor=given.get(fhir_search.CURSOR),
            limit=fhir_search.count(given),
        )
    patient_id = page.cases[0].patient_id if sought.patient_reference and page.cases else None
    links = fhir_search.links("DiagnosticReport", given, page.next_cursor, patient_id=patient_id)
    return _page([diagnostic_report(found, release=release, site=site()) for found in page.cases], links, release)


def _page(matches: list[Json], links: dict[str, str], release: Release) -> Response:
    return respond(fhir_bundle.searchset(matches, base=base(), links=links, at=datetime.now(UTC)), release=release)
