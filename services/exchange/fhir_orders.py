"""FHIR ServiceRequest and Task of an order: what the portal asked for, and how far it is.

A Task is ``received`` once the order is stored, ``in-progress`` from the first analysis to the dermatologist's decision, then
``completed``; ``failed`` where the dermatologist could not judge the pictures (there is a report that says so), ``rejected`` where the
order was refused.
"""

from services.exchange.fhir_base import Json, Release, concept, filled, identifier, identifiers, instant, reference, references, resource
from services.records.orders import OrderProgress, OrderView
from services.records.states import Management

FULFIL = {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill", "display": "Fulfill the focal request"}
# What is told again of a request, in both releases; ``code`` is a concept here.
TOLD = ("category", "priority", "authoredOn", "requisition")


def echo(request: Json, *, release: Release) -> Json:
    """Of a ServiceRequest what is kept to be told again: no patient, no notes, no reasons, nothing in free text of a person."""
    code = request.get("code")
    code = code.get("concept") if code and release is Release.R5 else code
    return filled(identifier=request.get("identifier"), code=code, **{name: request.get(name) for name in TOLD})


def service_request(order: OrderView, *, release: Release) -> Json:
    """The order as the portal sent it, as far as it was kept; ``completed`` once there is a result. Only of an accepted order."""
    said = dict(order.resource)
    code = said.pop("code", None)
    return resource(
        "ServiceRequest",
        order.id,
        meta={"versionId": "1", "lastUpdated": instant(order.changed_at)},
        status="completed" if order.decided else "active",
        intent="order",
        code=code if code is None or release is Release.R4 else {"concept": code},
        subject=reference("Patient", order.patient_id),
        **said,
    )


def task(order: OrderView, *, release: Release) -> Json:
    """How far the order is, by an id that does not change; the report is its output."""
    accepted = order.case_id is not None
    report = {"type": concept(text="report"), "valueReference": reference("DiagnosticReport", order.case_id)}
    reason = concept(text=_reason(order))
    return resource(
        "Task",
        order.id,
        meta={"lastUpdated": instant(order.changed_at)},
        identifier=identifiers(identifier(order.identifier.system or None, order.identifier.value)),
        basedOn=references("ServiceRequest", [order.id]) if accepted else None,
        status=order.progress.value,
        statusReason=reason if reason is None or release is Release.R4 else {"concept": reason},
        businessStatus=concept(text=order.case_state.value) if order.case_state else None,
        intent="order",
        code={"coding": [FULFIL]},
        focus=reference("ServiceRequest", order.id) if accepted else None,
        for_=reference("Patient", order.patient_id) if order.patient_id else None,
        authoredOn=instant(order.created_at),
        lastModified=instant(order.changed_at),
        output=[report] if order.decided else None,
    )


def _reason(order: OrderView) -> str | None:
    if order.progress is OrderProgress.REJECTED:
        return order.reason
    if order.progress is not OrderProgress.FAILED:
        return None
    again = " A new picture is asked for." if order.management is Management.RETAKE else ""
    return f"Not assessable: {order.reason or 'no reason given'}.{again}"
