"""``dermatrail watch`` and ``dermatrail results``."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from services.client import Client, NewCase, Patient
from tests.client.conftest import Command, draw
from tests.intake.conftest import Backstage, Contents, Portal


@pytest.fixture
def decided(client: Client, backstage: Backstage, portal: Portal, contents: Contents, tmp_path: Path) -> list[UUID]:
    """Two cases, of which the first is decided for good."""
    made = [client.submit(NewCase(Patient("P-1")), [file]).case_id for file in sorted(draw(tmp_path / "pictures", 2).iterdir())]
    backstage.analyse()
    backstage.confirm(portal, made[0])
    return made


def test_results_are_written_once_and_again_where_they_have_changed(
    command: Command, decided: list[UUID], contents: Contents, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, said, errors = command.run("results", out, "--masks")
    assert (code, errors) == (0, "")
    assert said.startswith("results: 1 written, 0 as before, 1 not decided yet: ")
    (line,) = (out / "results.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], json.loads(line)["decision"]["diagnosis"]) == (str(decided[0]), "MEL")
    assert (out / "masks" / f"{decided[0]}-1.png").read_bytes().startswith(b"\x89PNG")
    assert "0 written, 1 as before, 1 not decided yet" in command.run("results", out)[1]
    assert "1 written, 1 as before, 0 not decided yet" in command.run("results", out, "--undecided")[1]
    with contents.engine.begin() as connection:
        connection.execute(text("UPDATE patients SET consent_care = false"))
    assert "0 written, 0 as before, 0 not decided yet, 2 not handed out" in command.run("results", out, "--undecided")[1]


def test_reports_come_once_the_decision_can_no_longer_be_taken_back(
    command: Command, decided: list[UUID], contents: Contents, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert "0 written, 0 as before, 2 not decided yet" in command.run("results", out, "--reports")[1]
    with contents.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # reviews are append-only
        connection.execute(text("UPDATE reviews SET created_at = created_at - interval '1 minute'"))
    code, said, errors = command.run("results", out, "--reports", "--language", "de")
    assert (code, errors) == (0, "")
    assert "1 written, 0 as before, 1 not decided yet" in said
    assert (out / "reports" / f"{decided[0]}.pdf").read_bytes().startswith(b"%PDF")


def test_watch_tells_how_the_cases_of_a_submission_stand(
    command: Command, backstage: Backstage, contents: Contents, tmp_path: Path
) -> None:
    command.run("submit", draw(tmp_path / "clinic", 3))
    journal = tmp_path / "clinic.dermatrail.jsonl"
    assert command.run("watch", "--journal", journal, "--once")[1] == "3 queued\n"
    backstage.analyse()
    counts = json.loads(command.run("watch", "--journal", journal, "--once", "--json")[1])
    assert counts["awaiting_review"] == 3


def test_watch_shows_each_event_once_and_keeps_its_place(command: Command, portal: Portal, contents: Contents, tmp_path: Path) -> None:
    def happen(kind: str) -> None:
        insert = "INSERT INTO portal_events (id, tenant_id, kind, subject_kind, subject_id, payload) VALUES "
        values = "(gen_random_uuid(), :tenant, :kind, 'case', gen_random_uuid(), '{}')"
        with contents.engine.begin() as connection:
            connection.execute(text(insert + values), {"tenant": portal.tenant_id, "kind": kind})

    place = tmp_path / "cursor"
    happen("followup.due")
    first = command.run("watch", "--once", "--cursor-file", place, "--json")[1]
    assert json.loads(first)["kind"] == "followup.due"
    assert command.run("watch", "--once", "--cursor-file", place)[1] == ""
    happen("lesion.alert")
    assert "  lesion.alert  case " in command.run("watch", "--once", "--cursor-file", place)[1]
