"""A clinic of many cases, drawn inside Postgres: patients, lesions, pictures, answers and decisions, as rows alone.

Everything follows from the number of a case and a fixed seed. Objects in the store are not made: no page of the benchmark opens one.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from services.records.diagnoses import DIAGNOSES

TENANT_SHARES = (0.35, 0.20, 0.15, 0.10, 0.08, 0.06, 0.04, 0.02)
READERS = 20
SITES = ("back", "chest", "abdomen", "face", "scalp", "neck", "upper arm", "forearm", "hand", "thigh", "lower leg", "foot")
# Cumulative shares of the leading class, the benign ones mostly.
CLASSES = (("NV", 0.55), ("BKL", 0.70), ("BCC", 0.80), ("MEL", 0.87), ("AK", 0.93), ("SCC", 0.96), ("DF", 0.98), ("VASC", 1.0))
MALIGNANT = tuple(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant)
FINDING = {
    "outcome": "prediction",
    "ood": {"in_distribution": True, "max_softmax": 0.71, "entropy": 0.4, "max_softmax_threshold": 0.46, "entropy_threshold": 0.72},
    "quality": {"acceptable": True, "issues": [], "sharpness": 14.0, "brightness": 141.0, "clipped_share": 0.0, "hair_share": 0.02},
    "measures": {
        "area_px": 98000.0,
        "area_share": 0.127,
        "area_mm2": None,
        "major_diameter_px": 431.0,
        "major_diameter_mm": None,
        "asymmetry": 0.31,
        "border_irregularity": 0.22,
        "colour_count": 4,
        "touches_border": False,
        "scale_source": None,
    },
    "reason": None,
    "next_step": None,
    "taxonomy": [{"code": d.code, "name": d.name, "malignant": d.malignant} for d in DIAGNOSES],
    "licence": "CC-BY-NC-4.0",
    "pipeline_version": "p1-5f0c2a71-9be4d310",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Clinic:
    """What to draw. ``readers``: who has decided the closed cases."""

    cases: int
    open_cases: int
    tenants: tuple[UUID, ...]
    readers: tuple[UUID, ...]


# Two draws decide the class and the risk; the newest cases are the open ones, and urgent ones are younger.
DRAWN = """
CREATE UNLOGGED TABLE drawn AS
SELECT n, md5('case' || n)::uuid AS id, t.tenant_id, md5('patient' || t.tenant_no || '-' || patient)::uuid AS patient_id,
    t.tenant_no || '-' || patient AS patient, md5('lesion' || t.tenant_no || '-' || patient || '-' || n % 2)::uuid AS lesion_id,
    n % 2 AS lesion, u.urgency, u.hours, c.code, a.outcome, n > :cases - :open AS is_open, second,
    CASE WHEN n > :cases - :open THEN :now - make_interval(secs => u.hours * 3600 * 1.12 * wait)
         ELSE :now - make_interval(secs => 86400.0 * (20 + 1075.0 * (:cases - :open - n) / greatest(:cases - :open, 1))) END AS received_at,
    CASE WHEN c.code = ANY (:malignant) THEN 0.45 + 0.54 * sure ELSE 0.32 * sure * sure END AS risk,
    CASE WHEN place < 0.05 THEN 'blurred' WHEN place < 0.07 THEN 'dark' WHEN place < 0.08 THEN 'overexposed' END AS issue
FROM (
    SELECT n, random() AS tenant, random() AS kind, random() AS class, random() AS sure, random() AS wait, random() AS place,
        random() AS answered, random() AS second, floor(random() * :cases / 20)::int AS patient
    FROM generate_series(1, :cases) AS n
) d
JOIN LATERAL (SELECT * FROM tenant_shares s WHERE d.tenant < s.upto ORDER BY s.upto LIMIT 1) t ON true
JOIN LATERAL (SELECT * FROM class_shares s WHERE d.class < s.upto ORDER BY s.upto LIMIT 1) c ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN kind < 0.08 THEN 'urgent' WHEN kind < 0.28 THEN 'soon' ELSE 'routine' END AS urgency,
           CASE WHEN kind < 0.08 THEN 24 WHEN kind < 0.28 THEN 72 ELSE 336 END AS hours
) u
CROSS JOIN LATERAL (
    SELECT CASE WHEN answered < 0.82 THEN 'prediction' WHEN answered < 0.93 THEN 'set' WHEN answered < 0.98 THEN 'abstain' END AS outcome
) a
"""
PATIENTS = """
INSERT INTO patients (id, tenant_id, reference, sex, birth_year, fitzpatrick)
SELECT DISTINCT ON (patient_id) patient_id, tenant_id, 'P-' || patient, CASE WHEN n % 2 = 0 THEN 'female' ELSE 'male' END,
    1930 + n % 80, 1 + n % 6
FROM drawn ORDER BY patient_id
"""
LESIONS = """
INSERT INTO lesions (id, tenant_id, patient_id, reference, body_site, laterality, tracking_uid)
SELECT DISTINCT ON (lesion_id) lesion_id, tenant_id, patient_id, 'L-' || lesion, (:sites)[1 + n % cardinality(:sites)],
    CASE WHEN n % 3 = 0 THEN 'left' WHEN n % 3 = 1 THEN 'right' END,
    '2.25.' || ('x' || left(md5(lesion_id::text), 15))::bit(60)::bigint
FROM drawn ORDER BY lesion_id
"""
CASES = """
INSERT INTO cases (id, tenant_id, patient_id, lesion_id, reference, urgency, clinical_notes, state, received_at, due_at, reviewed_at,
    risk, risk_level, lead_image_id, lead_outcome, lead_classes, lead_class, lead_probability, lead_thumbnail_key, flags,
    not_analysed, body_site, visited_at)
SELECT id, tenant_id, patient_id, lesion_id, 'C-' || n, urgency, 'Has grown since spring.',
    CASE WHEN NOT is_open THEN 'reviewed' WHEN second < 0.05 THEN 'awaiting_second_read' WHEN second < 0.06 THEN 'awaiting_adjudication'
         ELSE 'awaiting_review' END,
    received_at, received_at + make_interval(hours => hours),
    CASE WHEN NOT is_open THEN received_at + make_interval(secs => hours * 2700 * second) END,
    ranked, round(ranked * 20), CASE WHEN outcome IS NOT NULL THEN md5('image' || n)::uuid END, outcome,
    CASE outcome WHEN 'prediction' THEN ARRAY[code] WHEN 'set' THEN ARRAY[code, CASE WHEN code = 'NV' THEN 'MEL' ELSE 'NV' END]
         ELSE '{}' END,
    CASE WHEN outcome = 'prediction' THEN code END, CASE WHEN outcome = 'prediction' THEN 0.5 + risk / 2.1 END,
    CASE WHEN outcome IS NOT NULL THEN tenant_id || '/' || id || '/thumbnail.jpg' END,
    array_remove(ARRAY[CASE WHEN risk > 0.5 AND outcome = 'prediction' THEN 'suspicious' END, issue,
        CASE WHEN outcome = 'abstain' THEN 'out_of_distribution' END, CASE WHEN outcome IS NULL THEN 'not_analysed' END], NULL),
    CASE WHEN outcome IS NULL THEN 'the file is damaged' END,
    (:sites)[1 + n % cardinality(:sites)], received_at
FROM (
    SELECT *, CASE WHEN coalesce(outcome, 'abstain') = 'abstain' THEN greatest(risk, 0.5) ELSE risk END AS ranked FROM drawn
) d ORDER BY n
"""
IMAGES = """
INSERT INTO images (id, tenant_id, case_id, position, filename, media_type, byte_size, sha256, width, height, modality, original_key,
    view_key)
SELECT md5(CASE position WHEN 0 THEN 'image' ELSE 'second' END || n)::uuid, tenant_id, id, position, 'lesion.jpg', 'image/jpeg', 204800,
    md5('a' || n) || md5('b' || n), 1024, 768, 'dermoscopic', tenant_id || '/' || id || '/original', tenant_id || '/' || id || '/view'
FROM drawn JOIN generate_series(0, 1) AS position ON position = 0 OR n % 5 = 0 ORDER BY n
"""
JOBS = """
INSERT INTO jobs (id, tenant_id, image_id, state, urgency_rank, due_at, attempts, reason, finished_at)
SELECT md5('job' || image)::uuid, tenant_id, image::uuid, CASE WHEN outcome IS NULL AND NOT extra THEN 'failed' ELSE 'done' END, 2,
    received_at + make_interval(hours => hours), 1, CASE WHEN outcome IS NULL AND NOT extra THEN 'the file is damaged' END,
    received_at + interval '2 minutes'
FROM drawn_images ORDER BY n
"""
ANALYSES = """
INSERT INTO analyses (id, created_at, tenant_id, image_id, job_id, pipeline_version, outcome, classes, top_class, top_probability,
    malignant_probability, flags, finding, mask_key, thumbnail_key)
SELECT md5('analysis' || image)::uuid, received_at + interval '2 minutes', tenant_id, image::uuid, md5('job' || image)::uuid,
    'p1-5f0c2a71-9be4d310', coalesce(outcome, 'abstain'),
    CASE outcome WHEN 'prediction' THEN ARRAY[code] WHEN 'set' THEN ARRAY[code, CASE WHEN code = 'NV' THEN 'MEL' ELSE 'NV' END]
         ELSE '{}' END,
    CASE WHEN outcome = 'prediction' THEN code END, CASE WHEN outcome = 'prediction' THEN 0.5 + risk / 2.1 END, risk,
    array_remove(ARRAY[issue], NULL),
    CASE WHEN is_open THEN CAST(:finding AS jsonb) ELSE '{}' END || jsonb_build_object(
        'outcome', coalesce(outcome, 'abstain'), 'prediction', CASE WHEN outcome = 'prediction' THEN code END,
        'malignant_probability', risk, 'probabilities', CAST(:rest AS jsonb) || jsonb_build_object(code, 0.5 + risk / 2.1)),
    tenant_id || '/' || id || '/mask.png', tenant_id || '/' || id || '/thumbnail.jpg'
FROM drawn_images WHERE outcome IS NOT NULL OR extra ORDER BY n
"""
DRAWN_IMAGES = """
CREATE VIEW drawn_images AS
SELECT d.*, position = 1 AS extra, md5(CASE position WHEN 0 THEN 'image' ELSE 'second' END || n) AS image
FROM drawn d JOIN generate_series(0, 1) AS position ON position = 0 OR n % 5 = 0
"""
REVIEWS = """
INSERT INTO reviews (id, created_at, tenant_id, case_id, user_id, decision, diagnosis, shown, management, reading_seconds)
SELECT md5('review' || n)::uuid, received_at + make_interval(secs => hours * 2700 * second), tenant_id, id,
    (:readers)[1 + n % cardinality(:readers)], CASE WHEN n % 5 = 0 THEN 'correct' ELSE 'confirm' END, code, '{}',
    CASE WHEN risk > 0.5 THEN 'urgent_referral' ELSE 'discharge' END, 20 + n % 60
FROM drawn WHERE NOT is_open OR second < 0.05 ORDER BY n
"""
STEPS = (
    ("cases are drawn", DRAWN),
    ("pictures are drawn", DRAWN_IMAGES),
    ("patients", PATIENTS),
    ("lesions", LESIONS),
    ("cases", CASES),
    ("pictures", IMAGES),
    ("jobs", JOBS),
    ("answers", ANALYSES),
    ("decisions", REVIEWS),
)


def fill(*, connection: Connection, clinic: Clinic, say: Say) -> None:
    """Write the whole clinic through the superuser's connection, then vacuum, as autovacuum would have done over the years."""
    parameters = {
        "cases": clinic.cases,
        "open": clinic.open_cases,
        "malignant": list(MALIGNANT),
        "sites": list(SITES),
        "readers": list(clinic.readers),
        "finding": json.dumps(FINDING),
        "rest": json.dumps({code: 0.02 for code, _ in CLASSES}),
        "now": connection.scalar(text("SELECT now()")),
    }
    # The rows are made to fit: constraint triggers would check each of them once more.
    connection.exec_driver_sql("SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '256MB'")
    connection.exec_driver_sql("SET maintenance_work_mem = '256MB'; SELECT setseed(0.5)")
    _shares(connection, clinic)
    for name, statement in STEPS:
        say(f"seeding: {name}")
        wanted = {key: value for key, value in parameters.items() if f":{key}" in statement}
        connection.execute(text(statement), wanted)
    connection.exec_driver_sql("DROP VIEW drawn_images; DROP TABLE drawn, tenant_shares, class_shares")
    say("seeding: vacuum and statistics")
    connection.exec_driver_sql("VACUUM ANALYZE")


def _shares(connection: Connection, clinic: Clinic) -> None:
    upto, shares = 0.0, []
    for number, (tenant, share) in enumerate(zip(clinic.tenants, TENANT_SHARES, strict=False)):
        upto += share
        shares.append({"upto": upto, "tenant_no": number, "tenant_id": tenant})
    shares[-1]["upto"] = 1.0
    connection.exec_driver_sql("CREATE UNLOGGED TABLE tenant_shares (upto float, tenant_no int, tenant_id uuid)")
    connection.execute(text("INSERT INTO tenant_shares VALUES (:upto, :tenant_no, :tenant_id)"), shares)
    connection.exec_driver_sql("CREATE UNLOGGED TABLE class_shares (upto float, code text)")
    connection.execute(text("INSERT INTO class_shares VALUES (:upto, :code)"), [{"code": code, "upto": upto} for code, upto in CLASSES])
