"""Erasing a patient: nothing of them is left, nothing of anybody else is touched, and nobody else may delete."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from services.records import cases, changes
from services.records.audit import verify_chain
from services.records.erasure import Receipt, erase_patient, erased_case, list_receipts, patient_of, read_receipt
from services.records.errors import CaseNotFound, LegalHold, PatientBusy, PatientNotFound, ReceiptNotFound
from services.records.states import ErasureReason, ErasureState
from tests.records import erasures
from tests.records import identities as ids
from tests.records.erasures import Person, new_person
from tests.records.worlds import LEASE, Portal, Worker

LEFT = ("erasures", "audit_events")


@pytest.fixture
def person(portal: Portal, worker: Worker, behind: Connection) -> Person:
    return new_person(portal, worker, behind, "P-1042")


def erase(portal: Portal, patient_id: UUID) -> Receipt:
    return erase_patient(database=portal.logins.intake, tenant_id=portal.tenant_id, patient_id=patient_id, actor=portal.actor)


def test_nothing_of_the_patient_is_left_but_the_receipt_and_the_trail(portal: Portal, person: Person, behind: Connection) -> None:
    assert all(erasures.rows_of(behind).values()), "the test needs a row of the patient in every table of the plan"
    needles = person.needles(behind)
    assert {table for table, _ in erasures.found(behind, needles)} >= {
        "cases",
        "images",
        "lesions",
        "portal_events",
        "batch_items",
        "uploads",
    }
    erase(portal, person.id)
    assert erasures.found(behind, needles, but=LEFT) == set()


def test_the_trail_and_the_receipt_name_nobody(portal: Portal, person: Person, behind: Connection) -> None:
    told = {person.reference, erasures.NOTE, erasures.FILE, person.sha}
    uids = set(behind.scalars(text("SELECT tracking_uid FROM lesions")))
    assert erasures.found(behind, told | uids)
    erase(portal, person.id)
    assert erasures.found(behind, told | uids) == set()


def test_the_receipt_counts_what_went(portal: Portal, person: Person, behind: Connection) -> None:
    before = erasures.rows_of(behind)
    receipt = erase(portal, person.id)
    assert receipt.counts == before
    assert (receipt.reason, receipt.state, receipt.whole, receipt.cases) == (ErasureReason.REQUEST, ErasureState.PENDING, True, 3)
    (share,) = receipt.exports
    assert (share.name, share.images, share.pruned) == ("spring", 1, 0)


def test_the_receipt_names_every_place_in_the_store(portal: Portal, person: Person, behind: Connection) -> None:
    keys = {key for query in KEYS for key in behind.scalars(text(query)) if key}
    erase(portal, person.id)
    (prefixes,) = behind.scalars(text("SELECT prefixes FROM erasures"))
    assert f"{portal.tenant_id}/{person.case}/" in prefixes
    assert f"{portal.tenant_id}/incoming/{person.upload}" in prefixes
    assert {key for key in keys if not any(key.split("#")[0].startswith(prefix) for prefix in prefixes)} == set()


KEYS = (
    "SELECT unnest(ARRAY[original_key, view_key, tiles_key]) FROM images",
    "SELECT unnest(ARRAY[mask_key, thumbnail_key, heatmap_key, hairfree_key]) FROM analyses",
    "SELECT unnest(ARRAY[registered_key, difference_key]) FROM comparisons",
    "SELECT mask_key FROM outlines",
    "SELECT object_key FROM dicom_instances",
)


def test_others_keep_every_row(portal: Portal, worker: Worker, behind: Connection, other: Portal, person: Person) -> None:
    neighbour = new_person(portal, worker, behind, "Q-77", sha="a" * 64)
    namesake = new_person(other, worker, behind, person.reference, sha="b" * 64)
    mine = person.needles(behind) - {person.reference, erasures.NOTE, erasures.FILE}
    words = {erasures.NOTE, erasures.FILE, person.reference}
    theirs = (neighbour.needles(behind) | namesake.needles(behind)) - words
    before = erasures.everything(behind, but=("audit_events", "audit_heads"))
    erase(portal, person.id)
    after = erasures.everything(behind, but=("audit_events", "audit_heads"))
    kept = {table: [line for line in lines if any(each in line for each in theirs)] for table, lines in before.items()}
    assert sum(map(len, kept.values())) > 60
    assert {table: [line for line in after[table] if any(each in line for each in theirs)] for table in after} == kept
    assert not any(each in line for lines in kept.values() for line in lines for each in mine)


def test_the_audit_chain_stays_whole(portal: Portal, person: Person) -> None:
    erase(portal, person.id)
    with portal.logins.owner.transaction() as session:
        report = verify_chain(session=session, tenant_id=portal.tenant_id)
    assert report.intact
    assert report.events > 5


def test_the_trail_says_who_erased_whom(portal: Portal, person: Person, behind: Connection) -> None:
    receipt = erase(portal, person.id)
    row = behind.execute(text("SELECT actor_id, subject_id, details FROM audit_events WHERE action = 'patient.erased'")).one()
    assert (row.actor_id, row.subject_id) == (str(portal.key_id), person.id)
    assert row.details == {"receipt": str(receipt.id), "whole": True, "cases": 3}


def test_a_second_erasure_gives_the_receipt_of_the_first(portal: Portal, person: Person) -> None:
    assert erase(portal, person.id).id == erase(portal, person.id).id


def test_two_erasures_at_once_are_one(portal: Portal, person: Person, behind: Connection) -> None:
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda _: erase(portal, person.id), range(4)))
    assert len({receipt.id for receipt in receipts}) == 1
    assert behind.scalar(text("SELECT count(*) FROM erasures")) == 1


def test_the_same_patient_may_come_again_and_begins_anew(portal: Portal, worker: Worker, person: Person) -> None:
    first = erase(portal, person.id)
    case = portal.submit(patient=person.reference, lesion_reference=f"{person.reference}-lesion")
    again = portal.status(case.id)
    assert again.patient_id != person.id
    assert again.lesion_id != person.lesion
    worker.complete(worker.claim())
    assert erase(portal, again.patient_id).id != first.id


def test_a_patient_is_found_by_id_or_reference(portal: Portal, person: Person) -> None:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        found = {patient_of(session=session, tenant_id=portal.tenant_id, ref=ref) for ref in (str(person.id), person.reference)}
        missing = patient_of(session=session, tenant_id=portal.tenant_id, ref=str(uuid4()))
    assert found == {person.id}
    assert missing is None


def test_another_portals_patient_looks_like_none(portal: Portal, other: Portal, person: Person, behind: Connection) -> None:
    with pytest.raises(PatientNotFound):
        erase(other, person.id)
    receipt = erase(portal, person.id)
    with pytest.raises(PatientNotFound):
        erase(other, person.id)
    with other.logins.intake.transaction(tenants=[other.tenant_id]) as session:
        assert list_receipts(session=session, tenant_ids=[other.tenant_id], actor=other.actor).receipts == ()
        with pytest.raises(ReceiptNotFound):
            read_receipt(session=session, tenant_id=other.tenant_id, receipt_id=receipt.id, actor=other.actor)


@pytest.mark.parametrize("named", [True, False])
def test_the_database_itself_erases_only_patients_of_the_tenants_at_hand(
    portal: Portal, other: Portal, person: Person, *, named: bool
) -> None:
    call, said = text("SELECT erase_patient(gen_random_uuid(), :tenant, :patient)"), {"tenant": portal.tenant_id, "patient": person.id}
    tenants = [other.tenant_id] if named else None
    with pytest.raises(ProgrammingError, match="not a tenant at hand"), other.logins.intake.transaction(tenants=tenants) as session:
        session.execute(call, said)


def test_a_legal_hold_keeps_everything(portal: Portal, person: Person, behind: Connection) -> None:
    behind.execute(text("UPDATE patients SET legal_hold = true"))
    before = erasures.everything(behind)
    with pytest.raises(LegalHold):
        erase(portal, person.id)
    assert erasures.everything(behind) == before


def test_receipts_are_listed_newest_first_page_by_page(portal: Portal, worker: Worker) -> None:
    made = []
    for name in ("A", "B", "C"):
        portal.submit(patient=name)
        with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            patient_id = patient_of(session=session, tenant_id=portal.tenant_id, ref=name)
        assert patient_id
        made.append(erase(portal, patient_id).id)
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
            page = list_receipts(session=session, tenant_ids=[portal.tenant_id], actor=portal.actor, cursor=cursor, limit=2)
        seen += [receipt.id for receipt in page.receipts]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


# -- who else may delete ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["intake", "review", "worker"])
@pytest.mark.parametrize("table", ["reviews", "analyses", "portal_events", "cases", "patients", "erasures"])
def test_no_process_deletes_by_itself(portal: Portal, role: str, table: str) -> None:
    database = getattr(portal.logins, role)
    with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(tenants=[portal.tenant_id]) as session:
        session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("role", ["intake", "review", "worker"])
def test_the_function_behind_the_doors_is_nobodys(portal: Portal, role: str) -> None:
    database = getattr(portal.logins, role)
    call = text("SELECT erase_records(gen_random_uuid(), :tenant, gen_random_uuid(), NULL)")
    with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(tenants=[portal.tenant_id]) as session:
        session.execute(call, {"tenant": portal.tenant_id})


def test_a_worker_may_not_erase_what_is_not_due(portal: Portal, person: Person) -> None:
    call = text("SELECT erase_expired(gen_random_uuid(), :tenant, :patient, :lesion)")
    said = {"tenant": portal.tenant_id, "patient": person.id}
    for lesion in (person.lesion, None, uuid4()):
        with pytest.raises(DBAPIError, match="not over"), portal.logins.worker.transaction(tenants=[portal.tenant_id]) as session:
            session.execute(call, said | {"lesion": lesion})


@pytest.mark.parametrize("table", ["reviews", "analyses", "portal_events", "audit_events"])
def test_after_an_erasure_the_tables_are_append_only_again(portal: Portal, person: Person, table: str) -> None:
    call, said = text("SELECT erase_patient(gen_random_uuid(), :tenant, :patient)"), {"tenant": portal.tenant_id, "patient": person.id}
    with portal.logins.owner.transaction(tenants=[portal.tenant_id]) as session:
        session.execute(call, said)
        with pytest.raises(IntegrityError, match=f"{table} is append-only"), session.begin_nested():
            session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("change", ["DELETE FROM erasures", "TRUNCATE erasures CASCADE", "UPDATE erasures SET state = 'erasing'"])
def test_a_receipt_is_not_taken_back_even_by_the_owner(portal: Portal, person: Person, change: str) -> None:
    erase(portal, person.id)
    with pytest.raises(IntegrityError), portal.logins.owner.transaction() as session:
        session.execute(text(change))


@pytest.mark.parametrize("state", ["erasing", "pending"])
def test_a_receipt_is_not_written_by_hand_even_by_the_owner(portal: Portal, state: str) -> None:
    columns = "id, tenant_id, reason, state, patient_id, whole, case_ids, prefixes"
    insert = f"INSERT INTO erasures ({columns}) VALUES (gen_random_uuid(), :tenant, 'request', :state, :tenant, true, '{{}}', '{{}}')"
    with pytest.raises(IntegrityError, match="receipt"), portal.logins.owner.transaction() as session:
        session.execute(text(insert), {"tenant": portal.tenant_id, "state": state})


# -- what is under way at that moment ---------------------------------------------------------------------------------------------


def test_a_worker_that_answers_after_the_erasure_changes_nothing(portal: Portal, worker: Worker, behind: Connection) -> None:
    case = portal.submit(patient="P-7")
    held = worker.claim()
    erase(portal, portal.status(case.id).patient_id)
    assert worker.renew(held) == 0
    assert worker.complete(held).done == frozenset()
    assert worker.fail(held).failed == frozenset()
    assert worker.release(held) == 0
    assert erasures.found(behind, [str(case.id), str(held[0].image_id)], but=LEFT) == set()


def test_an_answer_that_is_being_stored_is_waited_for(portal: Portal, worker: Worker, behind: Connection) -> None:
    case = portal.submit(patient="P-7")
    held = worker.claim()
    patient_id = portal.status(case.id).patient_id
    with ThreadPoolExecutor(1) as pool, portal.logins.worker.transaction() as session:
        erasures.settle(session, worker, held)
        erasing = pool.submit(erase, portal, patient_id)
        assert not erasing.done()
        session.commit()
        receipt = erasing.result(timeout=10)
    assert receipt.counts["analyses"] == 1
    assert erasures.found(behind, [str(case.id)], but=LEFT) == set()


def test_an_erasure_gives_up_where_somebody_writes_all_the_time(
    portal: Portal, worker: Worker, monkeypatch: pytest.MonkeyPatch, behind: Connection
) -> None:
    monkeypatch.setattr("services.records.erasure.PATIENCE_SECONDS", 0.3)
    case = portal.submit(patient="P-7")
    patient_id = portal.status(case.id).patient_id
    before = erasures.everything(behind)
    with portal.logins.worker.transaction() as session:
        session.execute(text("SELECT 1 FROM images WHERE case_id = :case FOR KEY SHARE"), {"case": case.id})
        with pytest.raises(PatientBusy):
            erase(portal, patient_id)
    assert erasures.everything(behind) == before


def test_a_case_that_comes_at_the_same_moment_is_erased_or_begins_anew(portal: Portal, behind: Connection) -> None:
    first = portal.submit(patient="P-7")
    patient_id = portal.status(first.id).patient_id
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(portal.submit, patient="P-7") for _ in range(12)]
        erasing = pool.submit(erase, portal, patient_id)
        made = [future.result() for future in sent]
        receipt = erasing.result()
    left = {row.id: row.patient_id for row in behind.execute(text("SELECT id, patient_id FROM cases"))}
    assert receipt.cases + len(left) == len(made) + 1
    assert patient_id not in left.values()
    assert len(set(left.values())) <= 1


def test_a_dermatologist_who_has_the_case_open_decides_nothing(portal: Portal, worker: Worker, case_id: UUID) -> None:
    patient_id = portal.status(case_id).patient_id
    erase(portal, patient_id)
    with pytest.raises(CaseNotFound):
        portal.review(case_id)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert erased_case(session=session, tenant_ids=[portal.tenant_id], case_id=case_id) is not None
        assert erased_case(session=session, tenant_ids=[portal.tenant_id], case_id=uuid4()) is None


def test_images_for_an_erased_case_are_refused(portal: Portal, case_id: UUID) -> None:
    erase(portal, portal.status(case_id).patient_id)
    with pytest.raises(CaseNotFound):
        portal.add(case_id)


def test_a_trail_that_is_being_compared_is_given_up(portal: Portal, worker: Worker) -> None:
    first = ids.visit(portal, worker, lesion_reference="L-1")
    ids.visit(portal, worker, lesion_reference="L-1")
    with portal.logins.worker.transaction() as session:
        claim = changes.claim_trail(session=session, lease=LEASE, max_attempts=3)
    assert claim is not None
    erase(portal, portal.status(first).patient_id)
    with portal.logins.worker.transaction() as session:
        assert changes.renew_claim(session=session, claim=claim, lease=LEASE) is None
        changes.fail_claim(session=session, claim=claim, problem="gone", max_attempts=3)
        changes.release_claim(session=session, claim=claim)
        changes.finish_claim(session=session, claim=claim, problem=None)
        assert changes.claim_trail(session=session, lease=LEASE, max_attempts=3) is None


def test_a_request_repeated_after_the_erasure_is_a_new_one(portal: Portal) -> None:
    key = cases.Idempotency("key-1", "e" * 64)
    first = portal.submit(patient="P-7", key=key)
    assert portal.submit(patient="P-7", key=key).replayed
    erase(portal, portal.status(first.id).patient_id)
    again = portal.submit(patient="P-7", key=key)
    assert not again.replayed
    assert again.id != first.id
