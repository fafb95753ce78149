"""What the eraser knows of the schema: a table that nobody has thought about makes these tests fail."""

import pytest
from sqlalchemy import Connection, Table, text

from services.records.erasure_plan import DOORS, EXPIRED, GUARD, KEPT, PLAN, eraser_sql
from services.records.tables import Base

TABLES = Base.metadata.tables
PLACES = {rule.table: place for place, rule in enumerate(PLAN)}
# Columns whose name ends so and that name no object.
NO_OBJECTS = {("batch_items", "idempotency_key")}


def leads_to_patients(table: Table, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the table refers to a patient, over any number of foreign keys."""
    if table.name == "patients":
        return True
    further = {key.column.table for key in table.foreign_keys} - {table}
    return any(leads_to_patients(other, seen | {table.name}) for other in further if other.name not in seen)


def test_every_table_is_erased_or_kept_for_a_reason() -> None:
    assert set(PLACES) | set(KEPT) == set(TABLES), "say in services/records/erasure_plan.py what becomes of the table's rows"
    assert not set(PLACES) & set(KEPT)
    assert all(KEPT.values())


def test_what_refers_to_a_patient_is_never_kept() -> None:
    assert {name for name in KEPT if leads_to_patients(TABLES[name])} == set()


def test_rows_go_before_what_they_refer_to() -> None:
    references = {(table.name, key.column.table.name) for table in TABLES.values() for key in table.foreign_keys}
    wrong = {
        (child, parent) for child, parent in references if child != parent and parent in PLACES and PLACES.get(child, 99) > PLACES[parent]
    }
    assert wrong == set()


def test_every_column_that_names_an_object_is_asked_for_its_keys() -> None:
    named = {(rule.table, key) for rule in PLAN for key in rule.keys}
    columns = {(name, column.name) for name in PLACES for column in TABLES[name].columns if column.name.endswith("_key")}
    assert columns - named == NO_OBJECTS


@pytest.mark.parametrize("definition", [EXPIRED, eraser_sql(), *DOORS, GUARD])
def test_the_database_has_the_functions_of_the_plan(behind: Connection, definition: str) -> None:
    name = definition.split("FUNCTION ", 1)[1].split("(", 1)[0]
    body = behind.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = :name"), {"name": name})
    assert body is not None
    assert body in definition, "the plan has changed: run its statements (ERASER) in a migration"


def test_only_its_own_login_opens_each_door(behind: Connection) -> None:
    query = "SELECT count(*) FROM pg_proc p, unnest(p.proacl) a WHERE p.proname = :name AND a::text LIKE :who"
    may = {
        (name, role)
        for name in ("erase_patient", "erase_expired", "erase_records", "expired_trails")
        for role in ("intake", "review", "worker", "")
        if behind.scalar(text(query), {"name": name, "who": f"dermatrail_{role}=%" if role else "=%"})
    }
    assert may == {("erase_patient", "intake"), ("erase_expired", "worker"), ("expired_trails", "worker")}
