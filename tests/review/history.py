"""Months of cases for statistics, made in the database itself: plausible readers, a plausible model, and a portal with a new camera."""

from uuid import UUID

from sqlalchemy import text

from services.records.database import Database

# Cumulative shares of the true diagnoses, and what the model confuses each with.
SETTINGS = """
    SELECT setseed(0.4);
    CREATE TEMPORARY TABLE mix ON COMMIT DROP AS SELECT * FROM (VALUES
        ('NV', 0.0, 0.52, 'MEL', 0.04), ('BKL', 0.52, 0.68, 'NV', 0.09), ('BCC', 0.68, 0.79, 'SCC', 0.86), ('MEL', 0.79, 0.86, 'NV', 0.78),
        ('AK', 0.86, 0.93, 'BKL', 0.66), ('SCC', 0.93, 0.96, 'BCC', 0.81), ('DF', 0.96, 0.98, 'NV', 0.08), ('VASC', 0.98, 1.0, 'NV', 0.05)
    ) AS v (code, low, high, mistaken, risk);
    CREATE TEMPORARY TABLE facts ON COMMIT DROP AS
    SELECT draws.*, uuid_of('case', i) AS case_id, uuid_of('image', i) AS image_id,
        (CAST(:tenants AS uuid[]))[1 + i % :portals] AS tenant_id,
        i % :portals AS portal, m.code AS truth, m.mistaken, m.risk AS typical,
        now() - (draws.ago * interval '1 day') * :days AS received_at
    FROM (
        SELECT i, random() AS which, random() AS ago, random() AS right_model, random() AS right_reader, random() AS sure,
            random() AS noise, random() AS late, random() AS person, random() AS second, random() AS site, random() AS blind
        FROM generate_series(1, :cases) AS i
    ) AS draws JOIN mix m ON draws.which >= m.low AND draws.which < m.high;
    CREATE TEMPORARY TABLE told ON COMMIT DROP AS
    SELECT f.*, CASE outcome WHEN 'prediction' THEN ARRAY[said] WHEN 'set' THEN ARRAY[said, other] ELSE '{}' END AS classes
    FROM (SELECT f.*,
        CASE WHEN sure < 0.06 + drifted * 0.05 THEN 'abstain' WHEN sure < 0.24 THEN 'set' ELSE 'prediction' END AS outcome,
        CASE WHEN right_model < 0.83 THEN truth ELSE mistaken END AS said,
        CASE WHEN right_model < 0.83 THEN mistaken ELSE truth END AS other,
        least(0.995, greatest(0.004, typical + (noise - 0.5) * 0.5)) AS risk,
        CASE WHEN right_reader < 0.96 THEN truth ELSE mistaken END AS final,
        received_at + hours * (0.08 + 0.9 * late) * interval '1 hour' AS read_at
    FROM (
        SELECT facts.*, CASE WHEN late < 0.1 THEN 'urgent' WHEN late < 0.35 THEN 'soon' ELSE 'routine' END AS urgency,
            CASE WHEN late < 0.1 THEN 24 WHEN late < 0.35 THEN 72 ELSE 336 END AS hours,
            CASE WHEN portal = 1 AND received_at > now() - interval '16 days' THEN 1 ELSE 0 END AS drifted
        FROM facts
    ) AS f) AS f;
"""
IDENTITY = "CREATE OR REPLACE FUNCTION pg_temp.uuid_of(word text, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN md5(word || i)::uuid"
PEOPLE = """
    INSERT INTO patients (id, created_at, tenant_id, reference, sex, birth_year, fitzpatrick)
    SELECT uuid_of('patient', i), received_at, tenant_id, 'P-' || i,
        CASE WHEN person < 0.52 THEN 'female' WHEN person < 0.97 THEN 'male' END,
        CASE WHEN noise < 0.95 THEN (1935 + 75 * person)::int END, CASE WHEN site < 0.6 THEN 1 + (5.3 * person * person)::int END FROM told;
    INSERT INTO lesions (id, created_at, tenant_id, patient_id, reference, tracking_uid, body_site)
    SELECT uuid_of('lesion', i), received_at, tenant_id, uuid_of('patient', i), NULL, '2.25.' || i,
        (ARRAY['back', 'back', 'back', 'chest', 'face', 'face', 'scalp', 'arm', 'arm', 'leg', 'leg', 'hand', 'foot'])[1 + (12 * site)::int]
    FROM told;
"""
CASES = """
    INSERT INTO cases (id, created_at, tenant_id, patient_id, lesion_id, urgency, state, received_at, due_at, reviewed_at, risk, risk_level,
        lead_image_id, lead_outcome, lead_classes, lead_class, lead_probability, flags)
    SELECT case_id, received_at, tenant_id, uuid_of('patient', i), uuid_of('lesion', i), urgency,
        CASE WHEN read_at < now() THEN 'reviewed' ELSE 'awaiting_review' END, received_at, received_at + hours * interval '1 hour' * 0.86,
        CASE WHEN read_at < now() THEN read_at END, risk, round(risk * 20), image_id, outcome,
        classes,
        CASE outcome WHEN 'prediction' THEN said END, CASE outcome WHEN 'prediction' THEN 0.5 + 0.5 * sure END,
        CASE WHEN outcome <> 'abstain' AND risk >= 0.3 THEN ARRAY['suspicious'] ELSE '{}' END
    FROM told;
"""
PICTURES = """
    INSERT INTO images (id, created_at, tenant_id, case_id, position, filename, media_type, byte_size, sha256, width, height, modality,
        original_key, view_key)
    SELECT image_id, received_at, tenant_id, case_id, 0, 'lesion.jpg', 'image/jpeg', 200000, repeat('ab', 32), 1024, 768,
        CASE WHEN right_reader < 0.8 THEN 'dermoscopic' ELSE 'clinical' END, 'k', 'k' FROM told;
    INSERT INTO jobs (id, created_at, tenant_id, image_id, state, urgency_rank, due_at, finished_at)
    SELECT uuid_of('job', i), received_at, tenant_id, image_id, 'done', 1, received_at, received_at FROM told;
    INSERT INTO analyses (id, created_at, tenant_id, image_id, job_id, pipeline_version, outcome, classes, top_class, top_probability,
        malignant_probability, flags, finding)
    SELECT uuid_of('analysis', i), received_at + interval '4 seconds', tenant_id, image_id, uuid_of('job', i), 'p1', outcome, classes,
        CASE outcome WHEN 'prediction' THEN said END, CASE outcome WHEN 'prediction' THEN 0.5 + 0.5 * sure END, risk, '{}',
        jsonb_build_object(
            'reason', CASE WHEN outcome = 'abstain' THEN
                (ARRAY['out_of_distribution', 'poor_quality', 'poor_quality', 'no_lesion_found'])[1 + (3 * noise)::int] END,
            'quality', jsonb_build_object('sharpness', 10 + 8 * noise - drifted * 2 * site, 'brightness', 110 + 60 * person + drifted * 7,
                'clipped_share', greatest(0, 0.2 * late - 0.15), 'hair_share', 0.2 * site * site),
            'measures', CASE WHEN noise < 0.98 THEN jsonb_build_object('area_share', 0.02 + 0.3 * blind * (1 - 0.12 * drifted)) END)
    FROM told;
"""
REVIEWS = """
    INSERT INTO reviews (id, created_at, tenant_id, case_id, user_id, decision, diagnosis, reason, shown, kind, reading_seconds)
    SELECT uuid_of('first', i), read_at, tenant_id, case_id, (CAST(:readers AS uuid[]))[1 + (person * (:people - 1))::int],
        CASE WHEN blind > 0.97 THEN 'not_assessable' WHEN final = said AND outcome = 'prediction' THEN 'confirm' ELSE 'correct' END,
        CASE WHEN blind <= 0.97 THEN final END, CASE WHEN blind > 0.97 THEN 'out_of_focus' END, '{}', 'first',
        18 + 90 * right_reader * sure + 25 * noise FROM told WHERE read_at < now();
    INSERT INTO reviews (id, created_at, tenant_id, case_id, user_id, decision, diagnosis, shown, kind, reading_seconds)
    SELECT uuid_of('second', i), read_at + interval '2 seconds', tenant_id, case_id, (CAST(:readers AS uuid[]))[:people],
        CASE WHEN truth = said AND outcome = 'prediction' THEN 'confirm' ELSE 'correct' END,
        CASE WHEN second < 0.088 THEN truth ELSE mistaken END, '{}', 'second', 25 + 60 * right_reader
    FROM told WHERE read_at < now() AND second < 0.1 AND blind <= 0.97;
    INSERT INTO first_opinions (id, created_at, tenant_id, case_id, user_id, assessable, diagnosis)
    SELECT uuid_of('opinion', i), read_at, tenant_id, case_id, (CAST(:readers AS uuid[]))[1], true,
        CASE WHEN right_model < 0.88 THEN truth ELSE mistaken END FROM told WHERE read_at < now() AND portal = 0 AND site < 0.3;
"""


def write_history(owner: Database, *, tenants: list[UUID], readers: list[UUID], cases: int, days: int = 120) -> None:
    """Give the tenants ``cases`` cases, received over the last ``days`` days; each decided by its due time or a little later.

    The second tenant's pictures of the last 16 days are brighter and less sharp.
    """
    values = {
        "tenants": list(tenants),
        "portals": len(tenants),
        "readers": list(readers),
        "people": len(readers),
        "cases": cases,
        "days": days,
    }
    with owner.transaction(tenants=tenants) as session:
        session.execute(text(IDENTITY))
        for part in (SETTINGS, PEOPLE, CASES, PICTURES, REVIEWS):
            for statement in part.split(";\n"):
                if statement.strip():
                    session.execute(text(statement.replace("uuid_of(", "pg_temp.uuid_of(")), values)
        # The planner would otherwise think the tables empty until it looks for itself.
        session.execute(text("ANALYZE patients, lesions, cases, images, analyses, reviews"))
