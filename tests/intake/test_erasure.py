"""What a portal does with a patient: read, say what they agree to, keep, erase; and the receipts."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine

from services.records.database import Database
from services.records.states import Management
from tests.intake.conftest import Backstage, Contents, Portal, Sender
from tests.intake.test_bad_input import assert_problem
from workers.erasing import delete_leftovers

CARE = "care_consent_withdrawn"


@pytest.fixture
def case(sender: Sender, backstage: Backstage, picture: bytes) -> dict[str, Any]:
    """A case that was analysed."""
    answer = sender.post(("a.jpg", picture), case={"patient": {"reference": "P-1042"}, "lesion": {"reference": "L-1"}})
    backstage.analyse()
    found: dict[str, Any] = sender.get(answer.get_json()["status_url"]).get_json()
    return found


def send(sender: Sender, method: str, path: str, body: Any = None) -> Any:
    return sender.client.open(path, method=method, json=body, headers=sender.portal.headers)


def test_a_patient_is_erased_with_everything_in_the_store(
    sender: Sender, case: dict[str, Any], contents: Contents, backstage: Backstage, portal: Portal
) -> None:
    assert len(contents.keys(portal)) >= 4
    answer = send(sender, "DELETE", f"/v1/patients/{case['patient_id']}")
    assert answer.status_code == 202
    receipt = answer.get_json()
    assert answer.headers["Location"] == receipt["receipt_url"]
    assert (receipt["status"], receipt["whole_patient"], receipt["cases"], receipt["records"]["images"]) == ("pending", True, 1, 1)
    assert sender.get(f"/v1/cases/{case['id']}").status_code == 404
    assert sender.get(f"/v1/patients/{case['patient_id']}").status_code == 404
    delete_leftovers(database=backstage.worker, store=contents.store)
    assert contents.keys(portal) == []
    assert sender.get(receipt["receipt_url"]).get_json()["objects"] >= 4
    assert [each["id"] for each in sender.get("/v1/receipts").get_json()["receipts"]] == [receipt["id"]]
    assert send(sender, "DELETE", f"/v1/patients/{case['patient_id']}").get_json()["id"] == receipt["id"]


def test_the_portals_own_reference_is_taken_too(sender: Sender, case: dict[str, Any]) -> None:
    assert sender.get("/v1/patients/P-1042").get_json()["id"] == case["patient_id"]
    assert send(sender, "DELETE", "/v1/patients/P-1042").status_code == 202
    assert_problem(send(sender, "DELETE", "/v1/patients/P-1042"), 404, "patient_not_found")


@pytest.mark.parametrize("ref", ["P-1", "00000000-0000-4000-8000-000000000000", "%00", "x" * 300, "%0A", "é"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_who_is_not_there_is_not_found(sender: Sender, ref: str, method: str) -> None:
    assert_problem(send(sender, method, f"/v1/patients/{ref}"), 404, "patient_not_found")


def test_another_portal_finds_nobody(
    app: APIFlask, sender: Sender, case: dict[str, Any], new_portal: Callable[[], Portal], owner: Database
) -> None:
    other = Sender(app.test_client(), new_portal())
    for ref in (case["patient_id"], "P-1042"):
        assert_problem(send(other, "DELETE", f"/v1/patients/{ref}"), 404, "patient_not_found")
        assert_problem(send(other, "PUT", f"/v1/patients/{ref}/consent", {}), 404, "patient_not_found")
    receipt = send(sender, "DELETE", f"/v1/patients/{case['patient_id']}").get_json()
    assert_problem(send(other, "GET", f"/v1/receipts/{receipt['id']}"), 404, "receipt_not_found")
    assert_problem(send(other, "DELETE", f"/v1/patients/{case['patient_id']}"), 404, "patient_not_found")
    assert send(other, "GET", "/v1/receipts").get_json()["receipts"] == []


def test_a_legal_hold_refuses_the_erasure_until_it_ends(sender: Sender, case: dict[str, Any]) -> None:
    address = f"/v1/patients/{case['patient_id']}"
    held = send(sender, "PUT", f"{address}/legal-hold", {"legal_hold": True}).get_json()
    assert (held["legal_hold"], held["legal_hold_at"] is not None) == (True, True)
    assert_problem(send(sender, "DELETE", address), 409, "legal_hold")
    send(sender, "PUT", f"{address}/legal-hold", {"legal_hold": False})
    assert send(sender, "DELETE", address).status_code == 202


def test_consents_are_told_with_their_dates(sender: Sender, case: dict[str, Any]) -> None:
    address = f"/v1/patients/{case['patient_id']}"
    told = send(sender, "PUT", f"{address}/consent", {"consent_audit": False}).get_json()
    assert (told["consent_audit"], told["consent_care"], told["consent_training"]) == (False, None, None)
    assert told["consent_audit_at"]
    assert sender.get(address).get_json() == told
    assert send(sender, "PUT", f"{address}/consent", {"consent_audit": None}).get_json()["consent_audit"] is None
    assert_problem(send(sender, "PUT", f"{address}/consent", {"consent": True}), 422, "invalid_fields")


def test_without_consent_to_care_results_stay_here_and_the_receipt_does_not(
    sender: Sender, case: dict[str, Any], picture: bytes, backstage: Backstage, superuser_engine: Engine
) -> None:
    patient, lesion, image = f"/v1/patients/{case['patient_id']}", f"/v1/lesions/{case['lesion_id']}", case["images"][0]["id"]
    addresses = (
        f"{patient}/lesions",
        lesion,
        f"{lesion}/changes",
        f"/v1/cases/{case['id']}",
        f"/v1/cases/{case['id']}/images/{image}/mask",
    )
    backstage.confirm(sender.portal, uuid.UUID(case["id"]), management=Management.FOLLOW_UP, follow_up_months=3)
    with superuser_engine.begin() as connection:  # nobody can take it back any more
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("UPDATE reviews SET created_at = created_at - interval '1 minute'")
    assert [sender.get(address).status_code for address in addresses] == [200] * 5
    assert len(sender.get("/v1/follow-ups").get_json()["follow_ups"]) == 1
    send(sender, "PUT", f"{patient}/consent", {"consent_care": False})
    for address in addresses:
        assert_problem(sender.get(address), 403, CARE)
    assert sender.get("/v1/follow-ups").get_json()["follow_ups"] == []
    assert_problem(sender.post(("a.jpg", picture), case={"patient": {"reference": "P-1042"}}), 403, CARE)
    receipt = send(sender, "DELETE", patient).get_json()
    assert sender.get(receipt["receipt_url"]).status_code == 200


def test_without_consent_to_care_an_open_case_takes_no_pictures(sender: Sender, case: dict[str, Any], picture: bytes) -> None:
    send(sender, "PUT", f"/v1/patients/{case['patient_id']}/consent", {"consent_care": False})
    assert_problem(sender.post(("a.jpg", picture), case={}, path=f"/v1/cases/{case['id']}/images"), 403, CARE)


def test_a_refused_case_leaves_nothing_in_the_store(sender: Sender, picture: bytes, contents: Contents, portal: Portal) -> None:
    said = {"patient": {"reference": "P-1", "consent_care": False}}
    assert_problem(sender.post(("a.jpg", picture), case=said), 403, CARE)
    contents.assert_nothing_stored(portal)
