"""Orders as a portal sends them by FHIR, and decided cases whose reports it reads."""

import base64
import copy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from services.records.reviews import record_review
from services.records.states import Decision, ReviewKind
from tests.intake.conftest import Backstage, Portal
from tests.pictures.samples import jpeg

JSON = "application/fhir+json"
SYSTEM = "https://portal.example/orders"
PATIENT_SYSTEM = "https://portal.example/pseudonyms"


def concept(code: str, display: str, system: str = "http://snomed.info/sct") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def picture() -> str:
    return base64.b64encode(jpeg()).decode()


def request_resource(release: str, value: str = "O-1", **changes: Any) -> dict[str, Any]:
    """A ServiceRequest as the standard's examples are made."""
    code = concept("446078004", "Dermoscopic photography")
    reason = {"text": "Grows since spring"}
    said = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": SYSTEM, "value": value}],
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "code": code if release == "4.0" else {"concept": code},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"},
        "authoredOn": "2026-03-01T10:00:00+01:00",
        "note": [{"text": "Itches."}],
        **({"reasonCode": [reason]} if release == "4.0" else {"reason": [{"concept": reason}]}),
    }
    return {**said, **changes}


def picture_resource(release: str, data: str | None = None) -> dict[str, Any]:
    attachment = {"contentType": "image/jpeg", "data": data or picture(), "title": "mole.jpg"}
    if release == "4.0":
        return {
            "resourceType": "Media",
            "status": "completed",
            "modality": concept("DMS", "Dermoscopy", "http://dicom.nema.org/resources/ontology/DCM"),
            "createdDateTime": "2026-02-28T09:00:00Z",
            "content": attachment,
        }
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "modality": [concept("DMS", "Dermoscopy", "http://dicom.nema.org/resources/ontology/DCM")],
        "date": "2026-02-28T09:00:00Z",
        "content": [{"attachment": attachment}],
    }


def structure_resource(release: str) -> dict[str, Any]:
    where, side = concept("66643007", "Skin of back"), concept("7771000", "Left")
    r4 = {"location": where, "locationQualifier": [side]}
    place = r4 if release == "4.0" else {"includedStructure": [{"structure": where, "laterality": side}]}
    return {
        "resourceType": "BodyStructure",
        "identifier": [{"system": "https://portal.example/lesions", "value": "L-7"}],
        **place,
        "patient": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"},
    }


PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": PATIENT_SYSTEM, "value": "P-1042"}],
    "gender": "female",
    "birthDate": "1970-05-01",
}


def order_bundle(release: str, value: str = "O-1", **changes: Any) -> dict[str, Any]:
    """A transaction: request, patient, one picture, where the lesion is."""
    resources = [
        request_resource(release, value, **changes),
        copy.deepcopy(PATIENT),
        picture_resource(release),
        structure_resource(release),
    ]
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for number, resource in enumerate(resources, start=1)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@dataclass(frozen=True)
class Fhir:
    """A portal that speaks FHIR."""

    client: FlaskClient
    portal: Portal
    backstage: Backstage
    superuser: Engine

    def headers(self, release: str) -> dict[str, str]:
        return {**self.portal.headers, "Accept": f"{JSON}; fhirVersion={release}"}

    def get(self, path: str, release: str = "4.0", **query: Any) -> TestResponse:
        return self.client.get(f"/fhir{path}", query_string=query, headers=self.headers(release))

    def post(self, path: str, body: Any, release: str = "4.0") -> TestResponse:
        content_type = f"{JSON}; fhirVersion={release}"
        return self.client.post(f"/fhir{path}", json=body, headers=self.headers(release), content_type=content_type)

    def order(self, release: str = "4.0", value: str = "O-1", **changes: Any) -> str:
        """An accepted order's id."""
        answer = self.post("", order_bundle(release, value, **changes), release)
        assert answer.status_code == 200, answer.text
        location: str = answer.get_json()["entry"][0]["response"]["location"]
        return location.removeprefix("ServiceRequest/")

    def case_of(self, order_id: str) -> UUID:
        with self.superuser.connect() as connection:
            return UUID(str(connection.execute(text("SELECT case_id FROM orders WHERE id = :id"), {"id": order_id}).scalar_one()))

    def amend(self, case_id: UUID, **changed: Any) -> None:
        """The case's dermatologist, or whoever decided it, changes the decision."""
        query = text("SELECT id, user_id FROM reviews WHERE case_id = :id ORDER BY created_at DESC LIMIT 1")
        with self.superuser.connect() as connection:
            last = connection.execute(query, {"id": case_id}).one()
        said: dict[str, Any] = {
            "decision": Decision.CONFIRM,
            "diagnosis": "MEL",
            "reason": None,
            "note": "",
            "shown": {},
            "rationale": "Histology is back",
        }
        with self.backstage.reviewer.transaction(tenants=[self.portal.tenant_id]) as session:
            record_review(
                session=session,
                tenant_ids=[self.portal.tenant_id],
                case_id=case_id,
                user_id=last.user_id,
                amends=last.id,
                kind=ReviewKind.AMENDMENT,
                **{**said, **changed},
            )
        self.settle()

    def settle(self) -> None:
        """Half a minute passes: no decision can be taken back any more."""
        with self.superuser.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("UPDATE reviews SET created_at = created_at - interval '30 seconds'"))

    def decided(self, release: str = "4.0", value: str = "O-1", **plan: Any) -> tuple[str, UUID]:
        """An order that was analysed and confirmed as melanoma: its id and the case's."""
        order_id = self.order(release, value)
        case_id = self.case_of(order_id)
        self.backstage.analyse()
        self.backstage.confirm(self.portal, case_id, **plan)
        self.settle()
        return order_id, case_id
