"""``dermatrail submit``: killed at any moment and run again, every picture is one case."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.client.conftest import Command, Live, draw
from tests.conftest import ROOT
from tests.intake.conftest import Contents
from workers.commands.portal_lines import LineFile, LinesInUse, read_lines
from workers.commands.portal_plan import ManifestError, plan_manifest

PICTURES = {"single": 60, "batch": 30}


def last(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def references(contents: Contents) -> list[str]:
    with contents.engine.connect() as connection:
        return list(connection.execute(text("SELECT reference FROM cases ORDER BY reference")).scalars())


def kill_when(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
    """Kill -9 as soon as it is so."""
    deadline = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("mode", ["single", "batch"])
@pytest.mark.usefixtures("attended")
def test_a_folder_that_is_killed_twice_becomes_each_case_once(mode: str, command: Command, contents: Contents, tmp_path: Path) -> None:
    folder, journal = draw(tmp_path / "clinic", PICTURES[mode]), tmp_path / "clinic.dermatrail.jsonl"
    options = ["--json", *(["--batch", "--batch-size", 8] if mode == "batch" else [])]

    def reached(count: int) -> Callable[[], bool]:
        return lambda: contents.rows("cases") >= count

    kill_when(command.start("submit", folder, *options), reached(PICTURES[mode] // 4))
    kill_when(command.start("submit", folder, *options), reached(PICTURES[mode] * 2 // 3))
    code, out, errors = command.run("submit", folder, *options)
    assert (code, errors) == (0, "")
    assert references(contents) == sorted(path.name for path in folder.iterdir())
    assert contents.rows("images") == PICTURES[mode]
    said = last(out)
    assert said["accepted"] + said["before"] == PICTURES[mode]
    assert (said["refused"], said["unsent"]) == (0, 0)
    cases = [line["case"] for line in read_lines(journal) if "case" in line]
    assert len(cases) == len(set(cases)) == PICTURES[mode]
    assert last(command.run("submit", os.path.relpath(folder, ROOT), *options)[1])["before"] == PICTURES[mode]


def test_killed_between_the_commit_and_the_journal_it_is_answered_with_the_same_case(
    command: Command, live: Live, contents: Contents, tmp_path: Path
) -> None:
    folder, running = draw(tmp_path / "clinic", 6), list[int]()

    def kill(environ: dict[str, Any]) -> None:
        if environ["REQUEST_METHOD"] == "POST" and running and contents.rows("cases") == 4:
            os.kill(running.pop(), signal.SIGKILL)

    live.after.append(kill)  # the case is committed, and its answer never arrives
    process = command.start("submit", folder, "--json", "--senders", 1)
    running.append(process.pid)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert contents.rows("cases") == 4
    code, out, _ = command.run("submit", folder, "--json")
    said = last(out)
    assert (code, said["before"], said["accepted"], said["replayed"]) == (0, 3, 3, 1)
    assert contents.rows("cases") == 6


def test_what_is_refused_stops_nothing_and_is_sent_again_when_asked(command: Command, contents: Contents, tmp_path: Path) -> None:
    folder = draw(tmp_path / "clinic", 3)
    (folder / "P-0001.jpg").write_bytes(b"words" * 30)
    (folder / "notes.txt").write_text("no picture")
    code, out, errors = command.run("submit", folder)
    assert code == 3
    assert "P-0001.jpg: refused: " in errors
    assert out.startswith("submit: 2 accepted, 0 before, 1 refused, 0 not sent in ")
    assert command.run("submit", folder)[0] == 3
    draw(folder, 3)  # the file is mended
    code, out, _ = command.run("submit", folder, "--json")
    assert (code, last(out)["accepted"]) == (0, 1 + last(out)["replayed"])
    assert contents.rows("cases") == 3


def test_each_folder_can_be_a_case(command: Command, contents: Contents, tmp_path: Path) -> None:
    for patient in ("Q-1", "Q-2"):
        draw(tmp_path / "clinic" / patient, 2, prefix=patient)
    assert command.run("submit", tmp_path / "clinic", "--by-folder")[0] == 0
    assert (references(contents), contents.rows("images")) == (["Q-1", "Q-2"], 4)


def test_a_manifest_says_what_belongs_to_each_case(command: Command, contents: Contents, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 3)
    manifest = tmp_path / "cases.csv"
    manifest.write_text(
        "files,patient_reference,birth_year,consent_training,body_site,visited_at,modality\n"
        "P-0000.jpg|P-0001.jpg,R-1,1960,no,back,2026-01-02T10:00:00+01:00,dermoscopic\n"
        "P-0002.jpg,R-2,,,,,\n"
    )
    code, out, errors = command.run("submit", tmp_path / "pictures", "--manifest", manifest, "--json")
    assert (code, errors) == (0, "")
    # Two senders: either line may be the first to be answered.
    assert sorted(json.loads(line)["name"] for line in out.splitlines()[:2]) == ["line 2", "line 3"]
    with contents.engine.connect() as connection:
        query = "SELECT p.reference, p.birth_year, p.consent_training, count(*) FROM images i JOIN cases c ON c.id = i.case_id "
        query += "JOIN patients p ON p.id = c.patient_id WHERE i.modality IN ('dermoscopic', 'unknown') GROUP BY 1, 2, 3 ORDER BY 1"
        assert [tuple(row) for row in connection.execute(text(query))] == [("R-1", 1960, False, 2), ("R-2", None, None, 1)]


@pytest.mark.usefixtures("attended")
def test_a_batch_goes_on_without_the_lines_that_the_server_refuses(command: Command, contents: Contents, tmp_path: Path) -> None:
    draw(tmp_path, 4)
    (tmp_path / "P-0003.jpg").write_bytes(b"words" * 30)
    rows = ["P-0000.jpg,R-0,soon", "P-0001.jpg,R-1,at once", "P-0002.jpg,R-2,", "P-0003.jpg,R-3,"]
    (tmp_path / "cases.csv").write_text("\n".join(["files,patient_reference,urgency", *rows]))
    code, out, _ = command.run("submit", "--manifest", tmp_path / "cases.csv", "--batch", "--json")
    told = {line["name"]: line.get("reason") for line in map(json.loads, out.splitlines()[:-1])}
    assert (code, told) == (3, {"line 2": None, "line 3": "enum", "line 4": None, "line 5": "not_an_image"})
    assert contents.rows("cases") == 2


def test_every_fault_of_a_manifest_is_told_before_anything_is_sent(command: Command, contents: Contents, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("files,patient_reference,birth_year\nnone.jpg,P-1,old\n,P-2,\nx,y,1,2\n")
    with pytest.raises(ManifestError) as faults:
        plan_manifest(tmp_path / "cases.csv", root=tmp_path)
    assert [line.split(":")[0] for line in str(faults.value).splitlines()] == ["line 2", "line 2", "line 3", "line 4"]
    (tmp_path / "head.csv").write_text("file,patient\nx,y\n")
    code, _, errors = command.run("submit", "--manifest", tmp_path / "head.csv")
    assert code == 2
    assert "there is no column 'file'" in errors
    assert contents.rows("cases") == 0


def test_a_wrong_key_or_no_answer_ends_it_with_a_plain_message(command: Command, tmp_path: Path) -> None:
    folder = draw(tmp_path / "clinic", 2)
    code, out, errors = Command(command.url, "dmt_wrong").run("submit", folder)
    assert code == 1
    assert "API key is not valid" in errors
    assert "0 accepted, 0 before, 0 refused, 2 not sent" in out
    assert Command(command.url, "").run("submit", folder)[0] == 2
    code, _, errors = Command("http://127.0.0.1:9", "dmt_x").run("submit", folder)
    assert code == 1
    assert "is the journal of a submission to" in errors


def test_a_journal_has_one_writer_and_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with LineFile(path) as lines:
        lines.append([{"a": 1}, {"b": "ä" * 70_000}])
        with pytest.raises(LinesInUse):
            LineFile(path)
    whole = path.read_bytes()
    for cut in (whole + b'{"c": ', whole + b"\x00" * 5, whole[:-1]):
        path.write_bytes(cut)
        with LineFile(path) as lines:
            lines.append([{"d": 4}])
        assert [next(iter(line)) for line in read_lines(path)] == (["a", "b", "d"] if cut.startswith(whole) else ["a", "d"])
    path.write_text("words\n")
    with pytest.raises(ValueError, match="line 1: this is no journal"):
        list(read_lines(path))
