"""``dermatrail erasures`` and ``dermatrail dataset prune``."""

import csv
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from services.records.audit import Actor
from services.records.erasure import Receipt, erase_patient
from tests.workers.test_dataset_export import Desk, desk, environment, exported
from workers import pruning
from workers.cli import main

__all__ = ["desk", "environment"]  # fixtures


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words])


def told(*words: str) -> str:
    ended = run(*words)
    assert ended.exit_code == 0, ended.output
    return ended.output


def patient_of(engine: Engine, case_id: UUID) -> UUID:
    with engine.connect() as connection:
        found: UUID = connection.execute(text("SELECT patient_id FROM cases WHERE id = :id"), {"id": case_id}).scalar_one()
    return found


def erase(desk: Desk, patient_id: UUID) -> Receipt:
    actor = Actor.system("test")
    return erase_patient(database=desk.clinic.intake, tenant_id=desk.portals["north"], patient_id=patient_id, actor=actor)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("environment")
class TestPrune:
    def test_a_folder_is_rid_of_whom_was_erased(self, desk: Desk, tmp_path: Path, superuser_engine: Engine) -> None:
        mine, _ = desk.case("P-1", images=2, said={}), desk.case("P-2", said={})
        out = tmp_path / "set"
        before = exported(out)
        receipt = erase(desk, patient_of(superuser_engine, mine))
        (share,) = receipt.exports
        assert (share.name, share.images, share.pruned) == ("set", 2, 0)
        refused = run("train", "desk", "--data", str(tmp_path))
        assert refused.exit_code == 1
        assert f"run dermatrail dataset prune {out} first" in refused.output
        assert "2 pictures removed, 1 left" in told("dataset", "prune", str(out), "--by", "anna")
        (left,) = rows(out)
        assert left in before
        files = {path.relative_to(out).as_posix() for kind in ("images", "masks") for path in (out / kind).iterdir()}
        assert files == {left["image"], left["mask"]}
        assert json.loads((out / "export.json").read_text())["images"] == 1
        pruning.require_pruned(folders=[out], transaction=desk.clinic.owner.transaction)
        with superuser_engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(pruned_at) FROM dataset_images").scalar() == 2
            event = connection.exec_driver_sql("SELECT actor_id, details FROM audit_events WHERE action = 'dataset.pruned'").one()
        assert event.actor_id == "dermatrail:anna"
        assert event.details["pictures"] == 2
        assert "0 pictures removed, 1 left" in told("dataset", "prune", str(out))

    def test_a_prune_that_dies_goes_on_where_it_stopped(
        self, desk: Desk, tmp_path: Path, superuser_engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, _ = desk.case("P-1", said={}), desk.case("P-2", said={})
        out = tmp_path / "set"
        exported(out)
        erase(desk, patient_of(superuser_engine, mine))

        def dies(*_: Any) -> None:
            raise OSError("power")

        with monkeypatch.context() as patch:
            patch.setattr(pruning, "_remove", dies)
            assert run("dataset", "prune", str(out)).exit_code == 1
        # No reader finds a line without its file, and the register still knows what is to be removed.
        assert len(rows(out)) == 1
        assert all((out / row["image"]).is_file() for row in rows(out))
        told("dataset", "prune", str(out))
        assert len(list((out / "images").iterdir())) == 1

    def test_who_is_erased_while_pictures_are_fetched_does_not_leave(
        self, desk: Desk, tmp_path: Path, superuser_engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, _ = desk.case("P-1", said={}), desk.case("P-2", said={})
        patient_id = patient_of(superuser_engine, mine)
        from workers import dataset

        fetched = dataset._fetched

        def then_erased(*given: Any) -> Any:
            found = fetched(*given)
            erase(desk, patient_id)
            return found

        monkeypatch.setattr(dataset, "_fetched", then_erased)
        out = tmp_path / "set"
        assert len(exported(out)) == 1
        assert len(list((out / "images").iterdir())) == 1

    def test_a_folder_that_is_no_export_is_refused(self, tmp_path: Path) -> None:
        assert "holds no export.json" in run("dataset", "prune", str(tmp_path)).output
        (tmp_path / "export.json").write_text("{}")
        assert "before exports were registered" in run("dataset", "prune", str(tmp_path)).output


@pytest.mark.usefixtures("environment")
def test_whoever_is_back_after_a_restore_is_erased_again(desk: Desk, tmp_path: Path, superuser_engine: Engine) -> None:
    mine, other = desk.case("P-1", said={}), desk.case("P-2", said={})
    patient_id, tenant = patient_of(superuser_engine, mine), desk.portals["north"]
    tables = ("patients", "lesions", "cases")
    with superuser_engine.begin() as connection:
        for table in tables:
            connection.exec_driver_sql(f"CREATE TABLE public.kept_{table} AS SELECT * FROM {table}")
    try:
        erase(desk, patient_id)
        saved = tmp_path / "receipts.jsonl"
        assert "1 receipts" in told("erasures", "save", str(saved))
        assert "P-1" not in saved.read_text()
        restore(superuser_engine, tables, patient_id)
    finally:
        with superuser_engine.begin() as connection:
            for table in tables:
                connection.exec_driver_sql(f"DROP TABLE public.kept_{table}")
    assert "1 patients erased again" in told("erasures", "replay", str(saved))
    assert "0 patients erased again, 0 objects deleted" in told("erasures", "replay", str(saved))
    assert desk.clinic.store.keys(f"{tenant}/{mine}/") == []
    assert desk.clinic.store.keys(f"{tenant}/{other}/")
    with superuser_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM patients").scalar() == 1
    assert told("erasures", "list").count("request\tpending") == 1
    assert "0 trails, 0 cases would be erased" in told("erasures", "due", "--portal", "north")
    saved.write_text("{}\n")
    assert "line 1: not a receipt" in run("erasures", "replay", str(saved)).output


def restore(engine: Engine, tables: tuple[str, ...], patient_id: UUID) -> None:
    """As if the rows, and no receipt, came from a backup of the day before."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("DELETE FROM erasures")
        for table in tables:
            column = "id" if table == "patients" else "patient_id"
            names = "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
            columns = connection.exec_driver_sql(names, (table,)).scalar()
            insert = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM kept_{table} WHERE {column} = %s"
            connection.exec_driver_sql(insert, (patient_id,))
