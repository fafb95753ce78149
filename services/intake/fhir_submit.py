"""Orders in: checked by the standard's rules, read as a case, and accepted by the same function as every other case."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from services.exchange.fhir_base import Json, Release
from services.exchange.fhir_orders import service_request
from services.intake.accept import submit_case
from services.intake.context import Backends
from services.intake.fhir_outcomes import issue, outcome
from services.intake.fhir_parts import Part, Parts, read_parts
from services.intake.fhir_reading import OrderIn, order_identifier, read_order
from services.intake.problems import Fault, Problem
from services.records.access import Portal
from services.records.audit import Actor
from services.records.cases import AcceptedCase
from services.records.errors import IdempotencyConflict
from services.records.orders import OrderIdentifier, OrderView, find_orders, reject_order, store_order

# What is wrong with the order itself, and so will be the next time: worth telling to who follows it.
REJECTING = (413, 422)
TAKEN = "An order of this identifier was accepted before, and it was another one. Send a new identifier for a new order."


@dataclass(frozen=True, slots=True)
class Ordered:
    """An accepted order. ``replayed``: it was accepted before. ``left``: what was sent and is not kept, in words."""

    parts: Parts
    order: OrderView
    pictures: int
    left: tuple[str, ...]
    replayed: bool


def submit_order(*, backends: Backends, portal: Portal, body: Any, kind: str, release: Release) -> Ordered:
    """Accept an order; once it returns, everything is durable and will be answered. An equal one is the same order.

    Args:
        kind: Bundle or ServiceRequest.

    Raises:
        Problem: it is refused; where it has an identifier, its Task says why.
        StoreUnavailable, DatabaseUnavailable: nothing was accepted; try again.
    """
    parts = read_parts(body, release=release, kind=kind)
    try:
        order = read_order(parts, backends.settings)
        replayed = _submit(backends, portal, order)
    except Problem as problem:
        _keep_refusal(backends, portal, parts, problem)
        raise
    return Ordered(parts, _find(backends, portal, order.identifier), len(order.files), order.left, replayed)


def _submit(backends: Backends, portal: Portal, order: OrderIn) -> bool:
    def keep(session: Session, accepted: AcceptedCase) -> None:
        store_order(
            session=session,
            tenant_id=portal.tenant_id,
            order_id=uuid4(),
            identifier=order.identifier,
            case_id=accepted.id,
            resource=order.told,
        )

    try:
        submission = submit_case(
            backends=backends,
            portal=portal,
            case=order.case,
            uploads=order.files,
            idempotency_key=_key(order.identifier),
            within=keep,
        )
    except IdempotencyConflict as error:
        raise Problem(409, "duplicate", TAKEN) from error
    except Problem as problem:
        raise _placed(problem, order) from problem
    return submission.case.replayed


def _key(identifier: OrderIdentifier) -> str:
    """An order's identifier as an idempotency key, of a length that any may have."""
    return f"fhir:{hashlib.sha256(f'{identifier.system}|{identifier.value}'.encode()).hexdigest()}"


def _placed(problem: Problem, order: OrderIn) -> Problem:
    """The same problem with the places of the pictures as the portal sent them."""
    faults = [Fault(location=_place(fault.location, order), reason=fault.reason, detail=fault.detail) for fault in problem.errors]
    return Problem(problem.status, problem.reason, problem.detail, errors=faults, headers=problem.headers)


def _place(location: str, order: OrderIn) -> str:
    found = re.fullmatch(r"images\[(\d+)\]", location)
    return order.places[int(found[1])] if found else location


def _keep_refusal(backends: Backends, portal: Portal, parts: Parts, problem: Problem) -> None:
    if problem.status not in REJECTING:
        return
    try:
        (request,) = parts.of("ServiceRequest")
        identifier = order_identifier(request)
    except (Problem, ValueError):  # nobody could ask for it
        return
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        actor = Actor.portal(portal.key_id)
        reason = " ".join(dict.fromkeys(fault.detail for fault in problem.errors)) or problem.detail
        reject_order(session=session, tenant_id=portal.tenant_id, actor=actor, identifier=identifier, reason=reason[:500])


def _find(backends: Backends, portal: Portal, identifier: OrderIdentifier) -> OrderView:
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        (order,) = find_orders(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            identifier=identifier.value,
            system=identifier.system,
        ).orders
    return order


def transaction_response(ordered: Ordered, *, release: Release) -> Json:
    """One entry for each that was sent, in the same order."""
    entries = [part for part in ordered.parts.parts if ".contained[" not in part.path]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": [_entry(part, ordered, release) for part in entries]}


def _entry(part: Part, ordered: Ordered, release: Release) -> Json:
    """Pictures and lesion became parts of the case: they are read with its report."""
    order = ordered.order
    status = "200 OK" if ordered.replayed else "201 Created"
    if part.kind == "ServiceRequest":
        follow = issue("informational", f"Follow the order by Task/{order.id}.", severity="information")
        told = outcome(follow, *(issue("informational", text, severity="warning") for text in ordered.left))
        response = {"status": status, "location": f"ServiceRequest/{order.id}", "outcome": told}
        return {"resource": service_request(order, release=release), "response": response}
    places = {"Patient": f"Patient/{order.patient_id}", "Task": f"Task/{order.id}"}
    return {"response": {"status": status, **({"location": places[part.kind]} if part.kind in places else {})}}
