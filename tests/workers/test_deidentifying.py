"""``dermatrail deidentify``: every file whole or not at all, held apart where a human must look, and a run that goes on."""

import csv
import json
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner, Result

from models.deidentify.secret import Secret
from models.deidentify.table import DEFAULT, Option
from models.pictures.jpeg import encode
from tests.pictures.samples import dataset, dicom, dicom_bytes, encapsulated, exif, gradient, jpeg
from workers import deidentifying
from workers.cli import main
from workers.commands.deidentify import DEFAULTS, KEEPS, VARIABLE
from workers.deidentifying import Job, Outcome, deidentify_folder

KEY = "0123456789abcdef0123456789abcdef"


def labelled() -> bytes:
    """A photograph with a name burnt in."""
    picture = np.full((240, 320, 3), (214, 168, 146), np.uint8)
    cv2.putText(picture, "Mueller, Anna", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return encode(picture)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients' DICOM, photographs in a folder that bears a name, and what else lies in folders."""
    folder = tmp_path / "in"
    files = {
        "a/one.dcm": dicom(PatientID="1", PatientName="Mueller^Anna"),
        "a/two.dcm": dicom(PatientID="1", PatientName="Mueller^Anna"),
        "b/three.dcm": encapsulated(jpeg(exif=exif()), width=96, height=64, PatientID="2"),
        "b/burnt.dcm": dicom(PatientID="2", BurnedInAnnotation="YES"),
        "Mueller Anna/IMG_1.jpg": jpeg(exif=exif(6), comment=b"SECRET"),
        "Mueller Anna/label.jpg": labelled(),
        "notes.txt": b"Mueller, Anna",
        "Thumbs.db": b"system",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run(source: Path, target: Path, *options: str, key: str | None = KEY) -> Result:
    return CliRunner(env={VARIABLE: key}).invoke(main, ["deidentify", str(source), str(target), *options])


def listed(target: Path) -> dict[str, dict[str, str]]:
    with target.with_name(f"{target.name}.deidentified.csv").open(newline="", encoding="utf-8") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def files_of(target: Path) -> dict[str, bytes]:
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def job_of(source: Path, target: Path) -> Job:
    return Job(source, target, Secret(KEY.encode()))


def test_a_folder_goes_out_and_nobody_is_named(source: Path, tmp_path: Path) -> None:
    ended = run(source, tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    assert "4 written, 2 held, 1 refused" in ended.output
    written = files_of(tmp_path / "out")
    assert len(written) == 6
    for name, data in written.items():
        assert b"SECRET" not in data + name.encode()
        assert b"Mueller" not in data + name.encode()
    rows = listed(tmp_path / "out")
    assert "Thumbs.db" not in rows
    assert rows["notes.txt"]["outcome"] == "refused"
    assert "not a picture" in rows["notes.txt"]["why"]
    one, two, three = (Path(rows[name]["target"]).parent for name in ("a/one.dcm", "a/two.dcm", "b/three.dcm"))
    assert one == two != three
    assert "uid=" in rows["a/one.dcm"]["done"]


def test_what_a_human_must_look_at_lies_apart_with_its_reason(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    held = {name: row for name, row in listed(tmp_path / "out").items() if row["outcome"] == "held"}
    assert set(held) == {"b/burnt.dcm", "Mueller Anna/label.jpg"}
    assert all(row["target"].startswith("held/") for row in held.values())
    assert "the file says" in held["b/burnt.dcm"]["why"]
    assert "possible text" in held["Mueller Anna/label.jpg"]["why"]


def test_the_list_leads_back_so_it_lies_beside_for_its_owner_alone(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    for suffix in ("csv", "json", "jsonl"):
        path = tmp_path / f"out.deidentified.{suffix}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert KEY not in path.read_text()
    told = json.loads((tmp_path / "out.deidentified.json").read_text())
    assert told["counts"] == {"written": 4, "held": 2, "refused": 1}
    assert {one["source"] for one in told["files"]} == set(listed(tmp_path / "out"))


def test_an_interrupted_run_goes_on_where_it_stopped(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, real, seen = tmp_path / "out", deidentifying.one_file, list[str]()

    def watched(job: Job, path: Path, name: str, **known: Any) -> Any:
        if len(seen) == 3 and not (target / "x").exists():
            raise KeyboardInterrupt
        seen.append(name)
        return real(job, path, name, **known)

    monkeypatch.setattr(deidentifying, "one_file", watched)
    with pytest.raises(KeyboardInterrupt):
        deidentify_folder(job_of(source, target))
    (target / "x").mkdir()
    (target / "x" / ".half.dcm.part").write_bytes(b"half")
    counts = deidentify_folder(job_of(source, target))
    assert len(seen) == len(set(seen)) == 7
    assert counts == {Outcome.WRITTEN: 4, Outcome.HELD: 2, Outcome.REFUSED: 1}
    assert not list(target.rglob("*.part"))
    before = files_of(target)
    seen.clear()
    assert deidentify_folder(job_of(source, target)) == counts
    assert (seen, files_of(target)) == ([], before)


def test_a_changed_source_is_made_anew_and_a_removed_one_leaves_the_list(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    run(source, target)
    old = listed(target)["a/one.dcm"]["target"]
    (source / "a/one.dcm").write_bytes(dicom(PatientID="3", PatientComments="longer than it was before"))
    (source / "notes.txt").unlink()
    run(source, target)
    rows = listed(target)
    assert rows["a/one.dcm"]["target"] != old
    assert not (target / old).exists()
    assert (target / rows["a/one.dcm"]["target"]).exists()
    assert "notes.txt" not in rows


def test_two_files_of_one_instance_both_stay(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    built = dataset(gradient(), PatientID="1")
    (source / "one.dcm").write_bytes(dicom_bytes(built))
    (source / "copy.dcm").write_bytes(dicom_bytes(built))
    deidentify_folder(job_of(source, target))
    assert len(files_of(target)) == 2


def test_a_crash_leaves_no_half_file(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", dies)
    ended = run(source, tmp_path / "out")
    assert ended.exit_code == 1
    assert "the disk is full" in ended.output
    assert [name for name in files_of(tmp_path / "out") if not name.endswith(".part")] == []


@pytest.mark.parametrize("options", [("--keep", "full_dates"), ("--keep-nothing",)])
def test_one_folder_is_of_one_secret_and_one_choice(source: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    run(source, tmp_path / "out")
    assert "begun with another secret, other options" in run(source, tmp_path / "out", *options).output
    assert "begun with another secret" in run(source, tmp_path / "out", key=KEY[::-1]).output


def test_what_is_kept_can_be_chosen(source: Path, tmp_path: Path) -> None:
    (source / "a/one.dcm").write_bytes(dicom(PatientID="1", StudyDate="20210304", DeviceSerialNumber="D-9", PatientSex="F"))
    asked: dict[str, tuple[str, ...]] = {"all": (), "none": ("--keep-nothing",), "date": ("--keep", "full_dates")}
    for name, options in asked.items():
        run(source, tmp_path / name, *options)
        read = pydicom.dcmread(tmp_path / name / listed(tmp_path / name)["a/one.dcm"]["target"])
        assert (read.PatientSex, read.DeviceSerialNumber) == (("F", "D-9") if name == "all" else ("", "REMOVED"))
        assert (read.StudyDate == "20210304") is (name == "date")


def test_it_says_what_is_wrong_and_how_to_mend_it(source: Path, tmp_path: Path) -> None:
    assert "openssl rand -hex 32" in run(source, tmp_path / "out", key="").output
    assert "32 are needed" in run(source, tmp_path / "out", key="short").output
    assert "lie in each other" in run(source, source / "out").output
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_bytes(b"x")
    assert "new or empty" in run(source, tmp_path / "full").output
    assert "exclude each other" in run(source, tmp_path / "out", "--keep", "uids", "--keep-nothing").output
    assert run(source, tmp_path / "strict", "--strict").exit_code == 3


def test_the_secret_may_lie_in_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    run(source, tmp_path / "one")
    assert run(source, tmp_path / "two", "--key-file", str(tmp_path / "key"), key=None).exit_code == 0
    assert files_of(tmp_path / "one").keys() == files_of(tmp_path / "two").keys()


def test_the_command_names_the_options_that_there_are() -> None:
    assert set(KEEPS) == {option.value for option in Option}
    assert set(DEFAULTS) == {option.value for option in DEFAULT}
