"""Patients with a row in every table that knows of patients, and a look at everything that is on file."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from services.records import jobs
from services.records.erasure_plan import PLAN
from services.records.states import Management
from tests.records import identities as ids
from tests.records.worlds import Portal, Worker, result

NOTE = "Frau Müller came back from Teneriffa"
FILE = "mueller-back.jpg"
SHA = "c0ffee" + "0" * 58
# What the product writes only in processes that are not run here: table, columns with their values as SQL, and where from.
# `:name` are ids and words of the patient; every row has an `id`, and all but a few a `tenant_id`.
OF = {"case_id": ":case"}
PICTURE = {"image_id": ":image"}
BY = {"user_id": ":user"}
FILL: tuple[tuple[str, dict[str, str], str], ...] = (
    ("link_proposals", OF | {"lesion_id": ":merged", "score": "0.5", "reasons": "'{}'"}, ""),
    (
        "comparisons",
        {
            "earlier_case_id": ":case",
            "later_case_id": ":later",
            "earlier_image_id": ":image",
            "later_image_id": ":later_image",
            "basis": "'b'",
            "version": "'v'",
            "valid": "true",
            "registration": "'{}'",
            "changes": "'{}'",
            "registered_key": "'elsewhere/' || :image || '/change#0+5'",
            "difference_key": "'elsewhere/' || :image || '/change#5+5'",
        },
        "",
    ),
    (
        "alerts",
        {"case_id": ":later", "comparison_id": "id", "headline": "'grew'", "rules": "'{}'", "rule_version": "'r'"},
        "FROM comparisons WHERE earlier_case_id = :case",
    ),
    ("calibrations", PICTURE | BY | {"mm_per_px": "1", "length_mm": "1", "length_px": "1"}, ""),
    ("outlines", PICTURE | BY | {"mask_key": "concat_ws('/', :tenant, :case, 'o.png')"}, ""),
    ("visit_measures", PICTURE | {"version": "'v'", "measures": "'{}'"}, ""),
    (
        "sequence_answers",
        {
            "case_id": ":later",
            "image_ids": "ARRAY[:image, :later_image]::uuid[]",
            "digest": "'d'",
            "visits": "2",
            "malignant_probability": "0.5",
        },
        "",
    ),
    ("identity_findings", PICTURE | {"version": "'v'", "kind": "'text'", "box": "'{}'", "score": "1"}, ""),
    ("identity_verdicts", PICTURE | BY | {"verdict": "'clear'"}, ""),
    (
        "dicom_instances",
        OF
        | PICTURE
        | {
            "kind": "'received'",
            "study_uid": "'1'",
            "series_uid": "'2'",
            "sop_instance_uid": ":new",
            "sop_class_uid": "'4'",
            "transfer_syntax_uid": "'5'",
            "modality": "'XC'",
            "object_key": "concat_ws('/', :tenant, :case, 'i.dcm')",
            "byte_size": "1",
            "sha256": ":sha",
            "attributes": "'{}'",
        },
        "",
    ),
    (
        "shadow_analyses",
        PICTURE
        | {
            "model_version_id": "id",
            "pipeline_version": "'v'",
            "outcome": "'abstain'",
            "classes": "'{}'",
            "malignant_probability": "0.5",
            "flags": "'{}'",
            "finding": "'{}'",
        },
        "FROM model_versions LIMIT 1",
    ),
    ("first_opinions", OF | BY | {"assessable": "false"}, ""),
    ("case_claims", BY | {"case_id": ":later", "expires_at": "now()"}, ""),
    ("idempotency_keys", OF | {"key": ":reference || '-key'", "request_sha256": ":sha"}, ""),
    ("orders", OF | {"identifier_value": ":reference || '-order'", "state": "'accepted'", "resource": "'{}'"}, ""),
    ("reminders", {"review_id": "id", "kind": "'due'"}, "FROM reviews WHERE case_id = :case LIMIT 1"),
    ("webhook_endpoints", {"url": "'https://x.example/' || :new", "secret": "'s'", "told": "0"}, ""),
    (
        "deliveries",
        {
            "endpoint_id": "w.id",
            "event_id": "e.id",
            "kind": "e.kind",
            "sequence": "e.sequence",
            "happened_at": "now()",
            "due_at": "now()",
            "give_up_at": "now()",
        },
        "FROM portal_events e, webhook_endpoints w WHERE e.subject_id IN (:case, :lesion) LIMIT 1",
    ),
    (
        "delivery_attempts",
        {"delivery_id": "d.id", "attempted_at": "now()", "seconds": "1"},
        "FROM deliveries d JOIN portal_events e ON e.id = d.event_id WHERE e.subject_id IN (:case, :lesion)",
    ),
    (
        "uploads",
        {"id": ":upload", "filename": ":file", "byte_size": "1", "sha256": ":sha", "state": "'used'", "expires_at": "now()"},
        "",
    ),
    ("batches", {"key_id": ":key", "item_count": "2", "manifest_sha256": "repeat('d', 64)", "idempotency_key": ":new"}, ""),
    (
        "batch_items",
        OF
        | {
            "batch_id": "id",
            "line": "1",
            "upload_ids": "ARRAY[:upload]::uuid[]",
            "idempotency_key": ":reference || '-line'",
            "state": "'accepted'",
            "finished_at": "now()",
        },
        "FROM batches WHERE tenant_id = :tenant ORDER BY created_at DESC LIMIT 1",
    ),
    (
        "batch_items",
        {
            "batch_id": "id",
            "line": "2",
            "upload_ids": "'{}'",
            "idempotency_key": "'line 2'",
            "submission": "jsonb_build_object('patient', jsonb_build_object('reference', :reference::text))",
        },
        "FROM batches WHERE tenant_id = :tenant ORDER BY created_at DESC LIMIT 1",
    ),
    ("saved_views", BY | {"name": "'see ' || :reference", "query": "'{}'"}, ""),
    ("dataset_exports", {"id": ":export", "name": "'spring'", "manifest_sha256": "repeat('d', 64)"}, ""),
    ("dataset_images", PICTURE | {"export_id": ":export", "name": "left(:new, 16)"}, ""),
)
MODEL = """
    INSERT INTO model_versions (id, kind, digest, name, version, card, state)
    SELECT gen_random_uuid(), 'classifier', 'deadbeef', 'n', '1', '{}', 'candidate' WHERE NOT EXISTS (SELECT FROM model_versions)
"""
OF_NO_TENANT = {"saved_views", "dataset_exports"}


@dataclass(frozen=True, slots=True)
class Person:
    """A patient with two visits of one lesion, into which another was merged."""

    id: UUID
    reference: str
    case: UUID
    later: UUID
    lesion: UUID
    merged: UUID
    image: UUID
    later_image: UUID
    upload: UUID
    export: UUID
    sha: str

    def needles(self, behind: Connection) -> set[str]:
        """Everything by which they could be found again."""
        own = "SELECT tracking_uid FROM lesions WHERE patient_id = :id UNION SELECT id::text FROM lesions WHERE patient_id = :id"
        found = set(behind.scalars(text(own), {"id": self.id}))
        images = text("SELECT i.id::text FROM images i JOIN cases c ON c.id = i.case_id WHERE c.patient_id = :id")
        ids_ = (self.id, self.case, self.later, self.lesion, self.merged, self.upload)
        return found | set(behind.scalars(images, {"id": self.id})) | {str(each) for each in ids_} | {self.reference, self.sha, NOTE, FILE}


def new_person(portal: Portal, worker: Worker, behind: Connection, reference: str, *, sha: str = SHA) -> Person:
    """Someone of whom every table has a row."""
    names: dict[str, Any] = {"clinical_notes": NOTE, "reference": f"{reference}-case"}
    first = ids.visit(portal, worker, patient=reference, lesion_reference=f"{reference}-lesion", **names)
    later = ids.visit(portal, worker, patient=reference, lesion_reference=f"{reference}-lesion")
    other = ids.visit(portal, worker, patient=reference)
    lesion, merged = ids.lesion_of(portal, first), ids.lesion_of(portal, other)
    ids.merge(portal, lesion, merged)
    portal.review(first, note=NOTE, management=Management.FOLLOW_UP, follow_up_months=3)
    behind.execute(
        text("UPDATE images SET sha256 = :sha, filename = :file WHERE case_id = :case"), {"sha": sha, "file": FILE, "case": first}
    )
    image = text("SELECT id FROM images WHERE case_id = :case")
    images = [behind.scalar(image, {"case": case_id}) for case_id in (first, later)]
    patient = behind.scalar(text("SELECT patient_id FROM cases WHERE id = :case"), {"case": first})
    person = Person(patient, reference, first, later, lesion, merged, images[0], images[1], uuid4(), uuid4(), sha)
    fill(portal, behind, person)
    return person


def fill(portal: Portal, behind: Connection, person: Person) -> None:
    """Write what is missing, straight into the tables."""
    behind.execute(text(MODEL))
    fields = ("case", "later", "lesion", "merged", "image", "later_image", "upload", "export", "sha", "reference")
    values: dict[str, Any] = {name: str(getattr(person, name)) for name in fields}
    values |= {"tenant": str(portal.tenant_id), "user": str(portal.user_id), "key": str(portal.key_id), "file": FILE}
    for table, columns, source in FILL:
        said = {"id": ":new", **({} if table in OF_NO_TENANT else {"tenant_id": ":tenant"}), **columns}
        behind.exec_driver_sql(*_statement(f"INSERT INTO {table} ({', '.join(said)}) SELECT {', '.join(said.values())} {source}", values))


def _statement(statement: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """With literals of unknown type, which Postgres takes as whatever the place wants."""
    for name in sorted([*values, "new"], key=len, reverse=True):
        statement = re.sub(rf"(?<!:):{name}\b", f"%({name})s", statement)
    return statement, values | {"new": str(uuid4())}


def everything(behind: Connection, *, but: Iterable[str] = ()) -> dict[str, list[str]]:
    """Every row of every table as text, by table."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    names = sorted(set(behind.scalars(text(tables))) - set(but))
    return {name: sorted(behind.scalars(text(f'SELECT t::text FROM "{name}" t'))) for name in names}


def found(behind: Connection, needles: Iterable[str], *, but: Iterable[str] = ()) -> set[tuple[str, str]]:
    """Which of the needles stand in which table."""
    dump = everything(behind, but=but)
    wanted = list(needles)
    return {(table, needle) for table, lines in dump.items() for line in lines for needle in wanted if needle in line}


def rows_of(behind: Connection) -> dict[str, int]:
    """How many rows each table of the plan has."""
    return {rule.table: behind.scalar(text(f"SELECT count(*) FROM {rule.table}")) or 0 for rule in PLAN}


def settle(session: Session, worker: Worker, held: Sequence[jobs.ClaimedJob]) -> None:
    """Store the answers of jobs, in a transaction that goes on."""
    jobs.complete_jobs(session=session, owner=worker.name, results=[result(job) for job in held])
    session.flush()
