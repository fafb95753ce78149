"""What is erased with a patient, table by table, and the database function that does it.

The function is the only way to delete what is append-only, and belongs to the owner: the portals' login may have one patient of the
tenant at hand erased, the worker's login one trail whose time is over, and nobody anything else. A migration that adds a table with
something of a patient adds it here and runs `ERASER` anew; a test compares the database's function with this one.

All SQL here is made of constants of this module. In the conditions: ``the_tenant``, ``the_patient``, ``the_lesions``, ``the_cases``,
``the_images``, ``the_events``; ``the_ids``, all but the last; ``the_words``, the same as text, with the portal's own reference of the
patient. ``whole``: nothing of the patient is left.
"""

# ruff: noqa: S608
from dataclasses import dataclass

MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
# States of SQL of our own (classes that begin with a letter from I on are free).
HELD, NOT_DUE = "ZE001", "ZE002"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table that go. ``keys``: SQL of the keys of their objects. ``sets``: instead of going, the rows are emptied so."""

    table: str
    where: str
    keys: tuple[str, ...] = ()
    sets: str | None = None


COMPARED = "earlier_case_id = ANY (the_cases) OR later_case_id = ANY (the_cases)"
OF_CASE, OF_IMAGE = "case_id = ANY (the_cases)", "image_id = ANY (the_images)"
# A line of a batch keeps its place in the count of lines, and says nothing else.
BLANK_LINE = (
    "state = 'refused', reason = 'erased', detail = NULL, case_id = NULL, submission = NULL, upload_ids = '{}', "
    "idempotency_key = id::text, finished_at = coalesce(finished_at, now())"
)
OWN_UPLOADS = (
    "tenant_id = the_tenant AND (state = 'used' AND sha256 IN (SELECT i.sha256 FROM images i WHERE i.id = ANY (the_images)) "
    "OR id IN (SELECT unnest(b.upload_ids) FROM batch_items b WHERE b.tenant_id = the_tenant "
    "AND (b.case_id = ANY (the_cases) OR whole AND b.submission #>> '{patient,reference}' = the_reference)))"
)
# Whatever an event names, at any depth of its payload.
TOLD = (
    "tenant_id = the_tenant AND (subject_id = ANY (the_ids) OR review_id IN (SELECT r.id FROM reviews r WHERE r.case_id = ANY (the_cases)) "
    "OR EXISTS (SELECT FROM jsonb_path_query(payload, 'strict $.**') said WHERE said #>> '{}' = ANY (the_words)))"
)

# In this order: a row goes before what it refers to.
PLAN = (
    Rule("reminders", "review_id IN (SELECT r.id FROM reviews r WHERE r.case_id = ANY (the_cases))"),
    Rule("alerts", f"{OF_CASE} OR comparison_id IN (SELECT c.id FROM comparisons c WHERE {COMPARED})"),
    Rule("comparisons", COMPARED, keys=("registered_key", "difference_key")),
    Rule("visit_measures", OF_IMAGE),
    Rule("link_proposals", f"{OF_CASE} OR lesion_id = ANY (the_lesions)"),
    Rule("lesion_events", f"{OF_CASE} OR lesion_id = ANY (the_lesions) OR other_lesion_id = ANY (the_lesions)"),
    Rule("sequence_answers", f"{OF_CASE} OR image_ids && the_images"),
    Rule("calibrations", OF_IMAGE),
    Rule("identity_findings", OF_IMAGE),
    Rule("identity_verdicts", OF_IMAGE),
    Rule("dicom_instances", OF_CASE, keys=("object_key",)),
    Rule("outlines", OF_IMAGE, keys=("mask_key",)),
    Rule("shadow_analyses", OF_IMAGE),
    Rule("analyses", OF_IMAGE, keys=("mask_key", "thumbnail_key", "heatmap_key", "hairfree_key")),
    Rule("jobs", OF_IMAGE),
    Rule("first_opinions", OF_CASE),
    Rule("case_claims", OF_CASE),
    Rule("idempotency_keys", OF_CASE),
    Rule("orders", OF_CASE),
    Rule("delivery_attempts", "delivery_id IN (SELECT d.id FROM deliveries d WHERE d.event_id = ANY (the_events))"),
    Rule("deliveries", "event_id = ANY (the_events)"),
    Rule("portal_events", "id = ANY (the_events)"),
    Rule("reviews", OF_CASE),
    Rule("uploads", OWN_UPLOADS, keys=("concat_ws('/', tenant_id, 'incoming', id)",)),
    Rule(
        "batch_items",
        f"tenant_id = the_tenant AND ({OF_CASE} OR whole AND submission #>> '{{patient,reference}}' = the_reference)",
        sets=BLANK_LINE,
    ),
    # Views hold filters alone; but a reader may have called one by the patient that they looked for.
    Rule("saved_views", "whole AND length(the_reference) >= 3 AND strpos(lower(name), lower(the_reference)) > 0"),
    Rule("dataset_images", OF_IMAGE, sets="image_id = NULL, erasure_id = the_receipt"),
    Rule("images", "id = ANY (the_images)", keys=("original_key", "view_key", "tiles_key")),
    Rule("cases", "id = ANY (the_cases)", keys=("lead_thumbnail_key",)),
    Rule("lesions", "id = ANY (the_lesions)"),
    Rule("patients", "whole AND id = the_patient"),
)
# What stays, and why.
KEPT = {
    "api_keys": "the portal's own",
    "audit_events": "the trail of who did what: ids and counts alone, and a chain that no link may leave",
    "audit_heads": "ends of the chains",
    "batches": "counts of lines and a digest of all of them together",
    "dataset_exports": "names of folders",
    "erasures": "the receipts",
    "memberships": "of readers",
    "model_events": "of models",
    "model_versions": "of models",
    "note_templates": "words of readers to begin any note with",
    "tenants": "the portals",
    "trials": "visitors' pictures, of no patient; gone within the hour",
    "users": "readers",
    "webhook_endpoints": "addresses of portals",
}


def eraser_sql() -> str:
    """The function's definition, replacing what is there."""
    keys = " UNION ALL ".join(f"SELECT {key} FROM {rule.table} WHERE {rule.where}" for rule in PLAN for key in rule.keys)
    locks = "\n".join(f"    PERFORM 1 FROM {rule.table} WHERE {rule.where} FOR UPDATE NOWAIT;" for rule in PLAN)
    return HEAD + COLLECT + locks + RECEIPT.replace("{keys}", keys) + "\n".join(_step(rule) for rule in PLAN) + TAIL


def _step(rule: Rule) -> str:
    what = f"UPDATE {rule.table} SET {rule.sets}" if rule.sets else f"DELETE FROM {rule.table}"
    return f"""
    {what} WHERE {rule.where};
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone > 0 THEN counted := counted || jsonb_build_object('{rule.table}', gone); END IF;"""


HEAD = """
CREATE OR REPLACE FUNCTION erase_records(the_receipt uuid, the_tenant uuid, the_patient uuid, the_lesion uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    whole boolean := the_lesion IS NULL;
    held boolean; the_reference text; gone bigint; counted jsonb := '{}';
    the_lesions uuid[]; the_cases uuid[]; the_images uuid[]; the_events uuid[]; the_ids uuid[]; the_words text[];
BEGIN
"""
# Nothing here waits for a lock: who waits while holding others can be waited for, and a deadlock would take an innocent worker with it.
# The patient's row comes first: every new case of theirs locks it, too. Then whatever new rows would refer to: nobody can add one now.
COLLECT = f"""
    IF NOT coalesce(the_tenant = {MINE}, false) THEN
        RAISE EXCEPTION 'not a tenant at hand' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT p.legal_hold, p.reference INTO held, the_reference FROM patients p
        WHERE p.id = the_patient AND p.tenant_id = the_tenant FOR UPDATE NOWAIT;
    IF NOT FOUND THEN RAISE EXCEPTION 'no such patient' USING ERRCODE = 'no_data_found'; END IF;
    IF held THEN RAISE EXCEPTION 'the patient is on legal hold' USING ERRCODE = '{HELD}'; END IF;
    the_lesions := ARRAY(SELECT l.id FROM lesions l WHERE l.patient_id = the_patient);
    IF NOT whole THEN
        the_lesions := ARRAY(
            WITH RECURSIVE family (id) AS (
                SELECT the_lesion WHERE the_lesion = ANY (the_lesions)
                UNION SELECT l.id FROM lesions l JOIN family f ON l.merged_into = f.id
            ) SELECT id FROM family);
    END IF;
    PERFORM 1 FROM lesions WHERE id = ANY (the_lesions) FOR UPDATE NOWAIT;
    PERFORM 1 FROM cases WHERE lesion_id = ANY (the_lesions) OR whole AND patient_id = the_patient FOR UPDATE NOWAIT;
    the_cases := ARRAY(SELECT c.id FROM cases c WHERE c.lesion_id = ANY (the_lesions) OR whole AND c.patient_id = the_patient);
    IF NOT whole THEN
        IF NOT EXISTS (SELECT FROM expired_trails(the_tenant) e WHERE e.lesion_id = the_lesion) THEN
            RAISE EXCEPTION 'the time of this trail is not over' USING ERRCODE = '{NOT_DUE}';
        END IF;
        whole := NOT EXISTS (SELECT FROM cases c WHERE c.patient_id = the_patient AND c.id <> ALL (the_cases));
        IF whole THEN the_lesions := ARRAY(SELECT l.id FROM lesions l WHERE l.patient_id = the_patient); END IF;
    END IF;
    PERFORM 1 FROM images WHERE case_id = ANY (the_cases) FOR UPDATE NOWAIT;
    the_images := ARRAY(SELECT i.id FROM images i WHERE i.case_id = ANY (the_cases));
    the_ids := the_lesions || the_cases || the_images || CASE WHEN whole THEN ARRAY[the_patient] ELSE ARRAY[]::uuid[] END;
    the_words := the_ids::text[] || CASE WHEN whole THEN ARRAY[the_reference] ELSE ARRAY[]::text[] END;
    PERFORM 1 FROM reviews WHERE {OF_CASE} FOR UPDATE NOWAIT;
    the_events := ARRAY(SELECT id FROM portal_events WHERE {TOLD});
"""
RECEIPT = """
    INSERT INTO erasures (id, tenant_id, reason, state, patient_id, whole, case_ids, prefixes)
    VALUES (
        the_receipt, the_tenant, CASE WHEN the_lesion IS NULL THEN 'request' ELSE 'retention' END, 'erasing', the_patient, whole, the_cases,
        ARRAY(
            SELECT concat_ws('/', the_tenant, c, '') FROM unnest(the_cases) AS c
            UNION SELECT split_part(k, '#', 1) FROM ({keys}) AS own (k)
            WHERE k IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(the_cases) c WHERE starts_with(k, concat_ws('/', the_tenant, c, '')))
        )
    );
"""
TAIL = """
    UPDATE erasures SET state = 'pending', counts = counted WHERE id = the_receipt;
END $$
"""
# A trail is as old as the newest thing in it; a planned visit keeps it until its day. Undecided cases keep it for ever.
EXPIRED = """
CREATE OR REPLACE FUNCTION expired_trails(of_tenant uuid DEFAULT NULL)
    RETURNS TABLE (tenant_id uuid, patient_id uuid, lesion_id uuid, cases bigint, last_activity timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.id, p.id, l.id, count(*), max(greatest(c.received_at, c.reviewed_at, said.at))
    FROM tenants t
    JOIN lesions l ON l.tenant_id = t.id AND l.merged_into IS NULL
    JOIN patients p ON p.id = l.patient_id AND NOT p.legal_hold
    JOIN cases c ON c.lesion_id = l.id
    LEFT JOIN LATERAL (
        SELECT max(greatest(r.created_at, r.follow_up_on::timestamptz)) AS at FROM reviews r WHERE r.case_id = c.id
    ) said ON true
    WHERE t.retention_days IS NOT NULL AND (of_tenant IS NULL OR t.id = of_tenant) AND l.id IN (
        SELECT o.lesion_id FROM cases o
        WHERE o.tenant_id = t.id AND o.state = 'reviewed' AND o.reviewed_at < now() - make_interval(days => t.retention_days)
    )
    GROUP BY t.id, p.id, l.id
    HAVING bool_and(c.state = 'reviewed')
        AND max(greatest(c.received_at, c.reviewed_at, said.at)) < now() - make_interval(days => t.retention_days)
    ORDER BY 5, 3
$$
"""
# The doors: each login has its own, and none has the function behind them.
DOORS = (
    """
CREATE OR REPLACE FUNCTION erase_patient(the_receipt uuid, the_tenant uuid, the_patient uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM erase_records(the_receipt, the_tenant, the_patient, NULL);
END $$
""",
    """
CREATE OR REPLACE FUNCTION erase_expired(the_receipt uuid, the_tenant uuid, the_patient uuid, the_lesion uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM erase_records(the_receipt, the_tenant, the_patient, coalesce(the_lesion, the_patient));
END $$
""",
)
# Who is asked before anything append-only changes. A receipt that is being written exists within its own transaction only.
GUARD = f"""
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ({", ".join(repr(rule.table) for rule in PLAN)}) THEN
        IF EXISTS (SELECT FROM erasures WHERE state = 'erasing') THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
ERASER = (EXPIRED, eraser_sql(), *DOORS, GUARD)
