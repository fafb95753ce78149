"""Decided cases as FHIR tells them, made by hand: what a resource says needs no server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from services.exchange.fhir_base import Json, Release
from services.exchange.fhir_bundle import everything
from services.exchange.result import CaseResult
from services.records.decided import DecidedCase, DecidedInstance, DecidedPicture, ResultStatus
from services.records.orders import OrderIdentifier, OrderProgress, OrderView
from services.records.states import CaseState, InstanceKind, Modality
from tests.exchange.report_world import SIGNED, result, trail, uid

SITE = "https://derm.example"
BASE = f"{SITE}/fhir"
STUDY = "1.2.826.0.1.3680043.8.498.1"


def instance(number: int = 1, kind: InstanceKind = InstanceKind.PHOTOGRAPH, modality: str = "DMS") -> DecidedInstance:
    return DecidedInstance(kind, STUDY, f"{STUDY}.{modality}", f"{STUDY}.{number}", "1.2.840.10008.5.1.4.1.1.77.1.4", modality, uid(1))


def decided(of: CaseResult | None = None, **changed: Any) -> DecidedCase:
    """The list's view of the same case, with its picture."""
    found = of or result()
    case, decision = found.case, found.decision
    values: dict[str, Any] = {
        "case_id": case.id,
        "reference": case.reference,
        "visited_at": case.visited_at,
        "patient_id": case.patient_id,
        "patient_reference": case.patient_reference,
        "lesion_id": case.lesion_id,
        "tracking_uid": case.tracking_uid,
        "lesion_reference": case.lesion_reference,
        "body_site": case.body_site,
        "laterality": case.laterality,
        "status": ResultStatus.FINAL,
        "version": found.version,
        "review_id": decision.id,
        "user_id": decision.user_id,
        "reviewer": decision.reviewer,
        "decision": decision.decision,
        "diagnosis": decision.diagnosis,
        "reason": decision.reason,
        "management": decision.management,
        "follow_up_months": decision.follow_up_months,
        "follow_up_on": decision.follow_up_on,
        "note": decision.note,
        "signed_at": decision.created_at,
        "order_id": uid(70),
        "pictures": (DecidedPicture(uid(1), 0, Modality.DERMOSCOPIC, 320, 240, has_thumbnail=True),),
        "instances": (instance(), instance(2, InstanceKind.SEGMENTATION, "SEG")),
    }
    return DecidedCase(**{**values, **changed})


def order(**changed: Any) -> OrderView:
    """A portal's order that is completed."""
    values: dict[str, Any] = {
        "id": uid(70),
        "identifier": OrderIdentifier("https://portal.example/orders", "O-1"),
        "progress": OrderProgress.COMPLETED,
        "case_id": result().case.id,
        "case_state": CaseState.REVIEWED,
        "patient_id": uid(8),
        "resource": {
            "identifier": [{"system": "https://portal.example/orders", "value": "O-1"}],
            "code": {"text": "Read of a mole"},
            "priority": "urgent",
            "authoredOn": "2026-11-20",
        },
        "created_at": datetime(2026, 11, 20, tzinfo=UTC),
        "changed_at": SIGNED,
    }
    return OrderView(**{**values, **changed})


def resources(release: Release, of: CaseResult | None = None, **changed: Any) -> list[Json]:
    """Everything about a case with three visits."""
    found = of or result(trail=trail())
    return everything(decided(found, **changed), found, order=order(), release=release, site=SITE)


def one(found: list[Json], kind: str, ending: str = "") -> Json:
    """The only resource of a type whose id ends so."""
    (match,) = [each for each in found if each["resourceType"] == kind and each["id"].endswith(ending)]
    return match


def references(node: Any) -> Iterator[str]:
    """Every literal reference anywhere in it."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def parts(observation: Json) -> dict[str, Json]:
    """The components of an Observation by their first code."""
    return {part["code"]["coding"][0]["code"]: part for part in observation["component"]}
