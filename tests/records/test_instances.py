"""DICOM instances in the records: who may write and see them, and that nobody changes one."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from services.records import cases
from services.records.errors import InstanceNotFound, InstanceTaken
from services.records.instance_search import Level, Match, Matching, find_instances
from services.records.instances import (
    InstanceView,
    NewInstance,
    ReceivedInstance,
    instances_of_case,
    instances_of_study,
    known_instances,
    open_case_of_study,
    store_instances,
    view_key_of,
)
from services.records.states import InstanceKind
from tests.records.worlds import Portal, Worker, new_image

STUDY = "1.2.3"


def received(uid: str = "1.2.3.1.1", **changes: Any) -> ReceivedInstance:
    attributes = {"00080018": {"vr": "UI", "Value": [uid]}, "00100020": {"vr": "LO", "Value": ["P-1"]}}
    values = {"study_uid": STUDY, "series_uid": "1.2.3.1", "sop_instance_uid": uid, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}
    values |= {"transfer_syntax_uid": "1.2.840.10008.1.2.1", "modality": "XC"}
    return ReceivedInstance(**{**values, "attributes": attributes, **changes})


def submit(portal: Portal, *instances: ReceivedInstance) -> UUID:
    images = [new_image(instance=instance) for instance in instances]
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        case = cases.NewCase(patient_reference="P-1")
        made: dict[str, Any] = {"case_id": new_image().id, "case": case, "images": images, "actor": portal.actor}
        return cases.accept_case(session=session, tenant_id=portal.tenant_id, **made).id


def of_case(portal: Portal, case_id: UUID) -> list[InstanceView]:
    with portal.logins.worker.transaction() as session:
        return instances_of_case(session=session, tenant_id=portal.tenant_id, case_id=case_id)


def result(case_id: UUID, review_id: UUID | None, **changes: Any) -> NewInstance:
    values: dict[str, Any] = {
        "case_id": case_id,
        "review_id": review_id,
        "kind": InstanceKind.SEGMENTATION,
        "study_uid": STUDY,
        "series_uid": "1.2.3.9",
        "sop_instance_uid": "1.2.3.9.1",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "SEG",
        "object_key": "result.dcm",
        "byte_size": 10,
        "sha256": "ab" * 32,
        "attributes": {},
    }
    return NewInstance(**{**values, **changes})


def test_a_case_brings_its_instances(portal: Portal) -> None:
    case_id = submit(portal, received("1.1"), received("1.2"))
    found = of_case(portal, case_id)
    assert [(each.sop_instance_uid, each.kind, each.byte_size) for each in found] == [
        ("1.1", InstanceKind.RECEIVED, 200_000),
        ("1.2", InstanceKind.RECEIVED, 200_000),
    ]
    assert all(each.image_id for each in found)


def test_results_stand_beside_them_and_are_found_by_kind(portal: Portal, worker: Worker) -> None:
    case_id = submit(portal, received())
    worker.complete(worker.claim())
    review_id = portal.review(case_id)
    with portal.logins.worker.transaction() as session:
        store_instances(session=session, tenant_id=portal.tenant_id, instances=[result(case_id, review_id)])
        kinds = [InstanceKind.SEGMENTATION]
        (made,) = instances_of_case(session=session, tenant_id=portal.tenant_id, case_id=case_id, kinds=kinds)
    assert (made.review_id, made.modality) == (review_id, "SEG")
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        asked: dict[str, Any] = {"session": session, "tenant_id": portal.tenant_id, "actor": portal.actor}
        (study,) = find_instances(**asked, level=Level.STUDY, filters=[Match(("00080061",), Matching.VALUES, ("SEG",))])
        assert (study.modalities, study.series, study.instances) == (("SEG", "XC"), 2, 2)
        # What the portal sent speaks for the study.
        assert study.attributes["00100020"]["Value"] == ["P-1"]
        assert len(instances_of_study(**asked, study_uid=STUDY, series_uid="1.2.3.9")) == 1
        with pytest.raises(InstanceNotFound):
            instances_of_study(**asked, study_uid=STUDY, sop_instance_uid="9")


def test_an_instance_is_stored_once(portal: Portal, worker: Worker) -> None:
    case_id = submit(portal, received())
    worker.complete(worker.claim())
    new = result(case_id, portal.review(case_id))
    for keep_known, added in ((False, 1), (True, 0)):
        with portal.logins.worker.transaction() as session:
            ids = store_instances(session=session, tenant_id=portal.tenant_id, instances=[new], keep_known=keep_known)
            assert len(ids) == added
    with pytest.raises(InstanceTaken), portal.logins.worker.transaction() as session:
        store_instances(session=session, tenant_id=portal.tenant_id, instances=[new])


def test_a_result_belongs_to_a_decision_and_a_picture_does_not(portal: Portal, worker: Worker) -> None:
    case_id = submit(portal, received())
    worker.complete(worker.claim())
    review_id = portal.review(case_id)
    wrong = [result(case_id, None), result(case_id, review_id, kind=InstanceKind.PHOTOGRAPH)]
    for instance in wrong:
        with pytest.raises(IntegrityError), portal.logins.worker.transaction() as session:
            store_instances(session=session, tenant_id=portal.tenant_id, instances=[instance])


def test_a_study_has_an_open_case_until_it_is_decided(portal: Portal, worker: Worker) -> None:
    case_id = submit(portal, received())

    def open_case() -> UUID | None:
        with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            found = open_case_of_study(session=session, tenant_id=portal.tenant_id, study_uid=STUDY)
        return found.case_id if found else None

    assert open_case() == case_id
    worker.complete(worker.claim())
    portal.review(case_id)
    assert open_case() is None


def test_tenants_are_apart(portal: Portal, other: Portal) -> None:
    theirs = of_case(other, submit(other, received()))
    submit(portal, received(modality="DMS"))
    # The owner's policy admits every row: what is filtered here is filtered by the query.
    with portal.logins.owner.transaction() as session:
        mine: dict[str, Any] = {"session": session, "tenant_id": portal.tenant_id}
        known = known_instances(**mine, sop_instance_uids=["1.2.3.1.1"])
        assert [each.tenant_id for each in known.values()] == [portal.tenant_id]
        assert [line.modalities for line in find_instances(**mine, actor=portal.actor, level=Level.INSTANCE)] == [("DMS",)]
        assert [each.modality for each in instances_of_study(**mine, actor=portal.actor, study_uid=STUDY)] == ["DMS"]
        with pytest.raises(InstanceNotFound):
            view_key_of(**mine, image_id=theirs[0].image_id or theirs[0].id)
    for login, seen in ((portal.logins.intake, 1), (portal.logins.review, 1)):
        with login.transaction(tenants=[portal.tenant_id]) as session:
            assert session.scalar(text("SELECT count(*) FROM dicom_instances")) == seen
        with login.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM dicom_instances")) == 0


@pytest.mark.parametrize("statement", ["UPDATE dicom_instances SET modality = 'x'", "DELETE FROM dicom_instances"])
@pytest.mark.parametrize("role", ["intake", "review", "worker"])
def test_nobody_changes_an_instance(portal: Portal, role: str, statement: str) -> None:
    login = getattr(portal.logins, role)
    with pytest.raises(ProgrammingError, match="permission denied"), login.transaction(tenants=[portal.tenant_id]) as session:
        session.execute(text(statement))


def test_a_query_takes_one_statement_beside_its_audit_event(portal: Portal, statements: list[str]) -> None:
    submit(portal, *(received(f"1.{number}") for number in range(20)))
    counts = []
    for limit in (1, 20):
        statements.clear()
        with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            find_instances(session=session, tenant_id=portal.tenant_id, actor=portal.actor, level=Level.INSTANCE, limit=limit)
        counts.append(len(statements))
    assert counts == [3, 3]
