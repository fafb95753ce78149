"""``dermatrail dataset export``: what leaves, under which names, what stays behind, and that a training reads it."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select, text

from infra.local import LocalStack
from models.datasets import Record, check_records, partition, read, straddling
from models.pictures.decode import decode
from models.pictures.jpeg import encode
from models.training.recipe import load_recipe
from models.training.run import records_of
from services.objects import ObjectMissing, ObjectStore, StoreUnavailable
from services.records.database import Database
from services.records.outlines import record_outline
from services.records.reviews import record_review, undo_review
from services.records.states import AuditAction, Decision, Management, ReviewKind, Sex
from services.records.tables import AuditEvent, Image
from tests.conftest import SettingsFor
from tests.review.seeds import MELANOMA, Clinic, Seen, finding, jpeg, mask_png
from workers.cli import main
from workers.dataset import unfinished


@dataclass(slots=True)
class Desk:
    """Seeded cases, read by one dermatologist."""

    clinic: Clinic
    review: Database
    portals: dict[str, UUID] = field(default_factory=dict)
    reader: UUID = field(default_factory=uuid4)
    pictures: int = 0

    def case(self, patient: str, *, images: int = 1, portal: str = "north", said: dict[str, Any] | None = None, **facts: Any) -> UUID:
        """A case whose pictures are like no other's; decided as ``said`` tells, not at all without."""
        words = facts.pop("written", "")
        seen = [Seen(facts.pop("finding", MELANOMA), picture=with_words(self._picture(), words)) for _ in range(images)]
        given = {"patient_reference": patient, "consent_training": True, **facts}
        case_id = self.clinic.case(self.portals[portal], *seen, **given)
        if said is not None:
            self.decide(case_id, portal=portal, **said)
        return case_id

    def _picture(self) -> bytes:
        self.pictures += 1
        return jpeg(colour=(90 + 3 * self.pictures, 60, 45))

    def decide(self, case_id: UUID, *, portal: str = "north", **said: Any) -> UUID:
        tenant = self.portals[portal]
        values = {"decision": Decision.CONFIRM, "diagnosis": "MEL", "reason": None, "note": "", "shown": {}, **said}
        with self.review.transaction(tenants=[tenant]) as session:
            return record_review(session=session, tenant_ids=[tenant], case_id=case_id, user_id=self.reader, **values)

    def undo(self, case_id: UUID, review_id: UUID) -> None:
        tenant = self.portals["north"]
        with self.review.transaction(tenants=[tenant]) as session:
            undo_review(session=session, tenant_ids=[tenant], case_id=case_id, user_id=self.reader, review_id=review_id)

    def draw(self, case_id: UUID, mask: bytes | None) -> None:
        """Corrects the outline of the first picture; None gives the word back to the model."""
        tenant, image_id = self.portals["north"], self.image(case_id).id
        key = f"{tenant}/{case_id}/{image_id}/outlines/{uuid4()}.png" if mask else None
        if key and mask:
            self.clinic.store.put(key, mask, "image/png")
        with self.review.transaction(tenants=[tenant]) as session:
            record_outline(session=session, tenant_ids=[tenant], case_id=case_id, image_id=image_id, user_id=self.reader, mask_key=key)

    def identity(self, case_id: UUID, *states: str) -> None:
        """What was found and said of the case's pictures, in their order."""
        with self.clinic.owner.transaction() as session:
            for position, state in enumerate(states):
                change = "UPDATE images SET identity_state = :state WHERE case_id = :case AND position = :position"
                session.execute(text(change), {"state": state, "case": case_id, "position": position})

    def image(self, case_id: UUID) -> Image:
        with self.clinic.owner.transaction() as session:
            return session.scalars(select(Image).where(Image.case_id == case_id).order_by(Image.position)).first() or pytest.fail(
                "no image"
            )

    def events(self) -> list[AuditEvent]:
        with self.clinic.owner.transaction() as session:
            query = select(AuditEvent).where(AuditEvent.action == AuditAction.DATASET_EXPORTED).order_by(AuditEvent.created_at)
            return list(session.scalars(query))


def with_words(picture: bytes, words: str) -> bytes:
    """The picture with words burnt in, as a device does."""
    if not words:
        return picture
    rgb = np.ascontiguousarray(decode(picture).rgb)
    cv2.putText(rgb, words, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return encode(rgb)


class Watched:
    """Notes which objects are read; one of them cannot be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, away: str | None) -> None:
        self.away = away
        self.read: list[str] = []
        self._get = ObjectStore.get
        monkeypatch.setattr(ObjectStore, "get", self._reader())

    def _reader(self) -> Callable[[ObjectStore, str], bytes]:
        def get(store: ObjectStore, key: str) -> bytes:
            self.read.append(key)
            if key == self.away:
                raise StoreUnavailable("The object store does not answer.")
            return self._get(store, key)

        return get


@pytest.fixture
def desk(settings_for: SettingsFor, clean_database: None) -> Iterator[Desk]:
    logins = {role: Database.connect(settings_for(role)) for role in ("owner", "intake", "worker", "review")}
    review = logins.pop("review")
    made = Desk(Clinic(**logins, store=ObjectStore.connect(settings_for("intake"))), review)
    made.portals = {slug: made.clinic.tenant(slug.title(), slug) for slug in ("north", "south")}
    made.reader = made.clinic.user(*made.portals.values())
    yield made
    for database in (*logins.values(), review):
        database.close()


@pytest.fixture
def environment(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's surroundings with the owner's address."""
    given = stack.environment("worker") | {"DERMATRAIL_DATABASE_URL": stack.environment("owner")["DERMATRAIL_DATABASE_URL"]}
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def run(out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["dataset", "export", "--out", str(out), "--by", "anna", *words])


def exported(out: Path, *words: str) -> list[dict[str, str]]:
    """Exports and returns the table."""
    ended = run(out, *words)
    assert ended.exit_code == 0, ended.output
    with (out / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def summary(out: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((out / "export.json").read_text())
    return told


@pytest.mark.usefixtures("environment")
class TestExport:
    def test_a_confirmed_case_leaves_whole_and_under_fresh_names(self, desk: Desk, tmp_path: Path) -> None:
        facts: dict[str, Any] = {
            "sex": Sex.FEMALE,
            "birth_year": 1980,
            "fitzpatrick": 2,
            "body_site": "chest",
            "lesion_reference": "L-77",
            "said": {},
        }
        case_id = desk.case("P-secret", images=2, reference="K-9", **facts)
        one, other = exported(tmp_path / "set")
        assert (one["diagnosis"], one["taxonomy"], one["decision"], one["source"]) == ("MEL", "isic2019", "confirm", "north")
        assert (one["sex"], one["site"], one["fitzpatrick"], one["modality"]) == ("female", "torso", "2", "dermoscopic")
        assert one["mask_by"] == "model"
        assert (one["patient"], one["lesion"]) == (other["patient"], other["lesion"])
        image = desk.image(case_id)
        assert (tmp_path / "set" / one["image"]).read_bytes() == desk.clinic.store.get(image.view_key)
        assert (tmp_path / "set" / one["mask"]).read_bytes() == mask_png()
        everything = " ".join([(tmp_path / "set" / "cases.csv").read_text(), *map(str, (tmp_path / "set").rglob("*"))])
        hidden = ["P-secret", "L-77", "K-9", "lesion.jpg", *(str(found) for found in (case_id, image.id, image.case_id))]
        assert not [word for word in hidden if word in everything or word.replace("-", "") in everything]
        assert {path.name for path in (tmp_path / "set").iterdir()} == {"cases.csv", "export.json", "images", "masks"}
        assert [path.name for path in tmp_path.iterdir()] == ["set"]

    def test_a_second_export_names_nobody_alike(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        one, other = exported(tmp_path / "one")[0], exported(tmp_path / "other")[0]
        assert all(one[name] != other[name] for name in ("image", "patient", "lesion"))

    def test_what_may_not_teach_is_counted_by_reason(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        desk.case("P-2", said={}, consent_training=False)
        desk.case("P-3", said={}, consent_training=None)
        desk.case("P-4")
        undone = desk.case("P-5")
        desk.undo(undone, desk.decide(undone))
        desk.case("P-6", said={"decision": Decision.NOT_ASSESSABLE, "diagnosis": None, "reason": "blurred"})
        desk.case("P-7", said={"decision": Decision.CORRECT, "diagnosis": "OTHER", "note": "lichen"})
        desk.case("P-8", said={"decision": Decision.CORRECT, "diagnosis": "NOBODY_KNOWS_IT"})
        desk.case("P-9", said={"decision": Decision.SECOND_OPINION, "diagnosis": None})
        assert len(exported(tmp_path / "set")) == 1
        reasons = ("another_diagnosis", "class_of_no_taxonomy", "decision_taken_back", "not_assessable")
        assert summary(tmp_path / "set")["left_out"] == dict.fromkeys(reasons, 1) | {"no_consent": 2, "not_decided": 2}

    def test_a_patient_who_changed_their_mind_is_left_out(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        desk.case("P-2", said={})
        desk.case("P-1", consent_training=False)
        assert len(exported(tmp_path / "set")) == 1
        assert summary(tmp_path / "set")["left_out"] == {"no_consent": 1, "not_decided": 1}

    def test_the_decision_that_stands_is_the_label(self, desk: Desk, tmp_path: Path) -> None:
        case_id = desk.case("P-1")
        first = desk.decide(case_id)
        said = {"decision": Decision.CORRECT, "diagnosis": "NV", "rationale": "histology", "management": Management.DISCHARGE}
        desk.decide(case_id, kind=ReviewKind.AMENDMENT, amends=first, **said)
        (row,) = exported(tmp_path / "set")
        assert (row["diagnosis"], row["decision"]) == ("NV", "correct")

    def test_a_readers_outline_wins_over_the_models_until_it_is_given_back(self, desk: Desk, tmp_path: Path) -> None:
        drawn, restored, mask = desk.case("P-1"), desk.case("P-2"), mask_png(200, 150)
        for case_id in (drawn, restored):
            desk.draw(case_id, mask_png(100, 75))
        desk.draw(drawn, mask)
        desk.draw(restored, None)
        for case_id in (drawn, restored):
            desk.decide(case_id)
        one, other = exported(tmp_path / "set")
        assert (one["mask_by"], (tmp_path / "set" / one["mask"]).read_bytes()) == ("reader", mask)
        assert (other["mask_by"], (tmp_path / "set" / other["mask"]).read_bytes()) == ("model", mask_png())

    def test_age_is_told_in_years_and_the_oldest_are_told_together(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={}, birth_year=1901)
        desk.case("P-2", said={}, body_site="scar of the accident in Ulm")
        old, unknown = exported(tmp_path / "set")
        assert (old["age"], unknown["age"], unknown["site"]) == ("90", "", "")

    def test_portals_and_days_can_be_chosen(self, desk: Desk, tmp_path: Path, superuser_engine: Engine) -> None:
        old = desk.case("P-1", said={})
        desk.case("P-2", said={})
        desk.case("P-1", said={}, portal="south")
        with superuser_engine.begin() as connection:
            connection.execute(text("UPDATE cases SET reviewed_at = '2020-01-01' WHERE id = :id"), {"id": old})
        assert len(exported(tmp_path / "all")) == 3
        assert {row["source"] for row in exported(tmp_path / "south", "--portal", "south")} == {"south"}
        assert len(exported(tmp_path / "new", "--since", "2020-01-02")) == 2
        assert "no portal with the slug 'east'" in run(tmp_path / "east", "--portal", "east").output

    def test_patients_of_two_portals_with_one_reference_are_two(self, desk: Desk, tmp_path: Path) -> None:
        for portal in ("north", "south"):
            desk.case("P-1", said={}, portal=portal)
        assert len({row["patient"] for row in exported(tmp_path / "set")}) == 2

    def test_each_portals_trail_says_who_took_how_many_cases(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", images=2, said={})
        desk.case("P-2", said={}, consent_training=False)
        exported(tmp_path / "set")
        events = {event.tenant_id: event for event in desk.events()}
        assert set(events) == set(desk.portals.values())
        north = events[desk.portals["north"]]
        assert north.actor_id == "dermatrail:anna"
        assert north.details == {"dataset": "set", "cases": 1, "images": 2, "since": None, "held": 0, "left_out": {"no_consent": 1}}
        assert events[desk.portals["south"]].details["cases"] == 0

    def test_pictures_that_may_tell_who_it_is_stay_until_a_human_has_cleared_them(self, desk: Desk, tmp_path: Path) -> None:
        case_id = desk.case("P-1", images=3, said={})
        desk.identity(case_id, "suspected", "held", "cleared")
        assert len(exported(tmp_path / "set")) == 1
        assert summary(tmp_path / "set")["incomplete"] == {"picture_may_identify": 2}
        assert summary(tmp_path / "set")["cases"] == 1
        assert len([*(tmp_path / "set" / "images").iterdir()]) == 1

    def test_a_picture_that_nobody_has_looked_at_is_looked_at_on_its_way_out(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        desk.case("P-2", said={}, written="Mueller, Anna 02.03.1961")
        assert len(exported(tmp_path / "set")) == 1
        assert summary(tmp_path / "set")["incomplete"] == {"picture_may_identify": 1}
        assert len([*(tmp_path / "set" / "images").iterdir()]) == 1

    def test_an_interrupted_export_goes_on_under_the_same_names(self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cases = [desk.case(f"P-{index}", said={}) for index in range(3)]
        gone = desk.image(cases[2]).view_key
        watched = Watched(monkeypatch, away=gone)
        ended = run(tmp_path / "set")
        assert ended.exit_code == 1
        assert "it goes on where it stopped" in ended.output
        assert not (tmp_path / "set").exists()
        before = {path.name for path in tmp_path.rglob("images/*.jpg")}
        assert len(before) == 2
        watched.away = None
        watched.read.clear()
        rows = exported(tmp_path / "set")
        assert [key for key in watched.read if key.endswith("original")] == [gone]
        assert before < {Path(row["image"]).name for row in rows}
        assert not list(tmp_path.rglob("key"))

    def test_a_picture_that_an_earlier_try_fetched_goes_when_consent_goes(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        (tmp_path / ".set.unfinished" / "images").mkdir(parents=True)
        (tmp_path / ".set.unfinished" / "images" / "0123.jpg").write_bytes(jpeg())
        (row,) = exported(tmp_path / "set")
        assert [path.name for path in (tmp_path / "set" / "images").iterdir()] == [Path(row["image"]).name]

    def test_what_the_store_has_lost_is_counted(self, desk: Desk, tmp_path: Path) -> None:
        whole, lost = desk.case("P-1", images=2, said={}), desk.case("P-2", said={})
        desk.clinic.store.delete(desk.image(lost).view_key)
        keys = f"{desk.portals['north']}/{whole}/{desk.image(whole).id}"
        desk.clinic.store.delete(f"{keys}/p1-5f0c2a71-9be4d310/mask.png")
        with pytest.raises(ObjectMissing):
            desk.clinic.store.get(f"{keys}/p1-5f0c2a71-9be4d310/mask.png")
        rows = exported(tmp_path / "set")
        assert sorted((row["mask"] != "", row["mask_by"]) for row in rows) == [(False, ""), (True, "model")]
        told = summary(tmp_path / "set")
        assert (told["cases"], told["images"]) == (1, 2)
        assert told["incomplete"] == {"picture_missing": 1, "mask_missing": 1}

    def test_a_folder_that_holds_something_is_left_alone(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("kept")
        assert "is there already: give a folder that is empty" in run(tmp_path).output
        assert desk.events() == []

    def test_two_exports_to_one_folder_do_not_mix(self, desk: Desk, tmp_path: Path) -> None:
        with unfinished(tmp_path / "set"):
            assert "Another export" in run(tmp_path / "set").output
        assert desk.events() == []

    def test_nobody_else_on_the_machine_may_read_it(self, desk: Desk, tmp_path: Path) -> None:
        desk.case("P-1", said={})
        exported(tmp_path / "new" / "set")
        assert (tmp_path / "new" / "set").stat().st_mode & 0o077 == 0

    def test_the_workers_own_login_is_refused_with_the_way_out(
        self, desk: Desk, stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DERMATRAIL_DATABASE_URL", stack.environment("worker")["DERMATRAIL_DATABASE_URL"])
        assert "owner's address" in run(tmp_path / "set").output

    def test_a_training_reads_it_and_splits_by_patient(self, desk: Desk, tmp_path: Path) -> None:
        codes = ("MEL", "NV", "BCC")
        for index in range(12):
            desk.case(f"P-{index % 6}", said={"decision": Decision.CORRECT, "diagnosis": codes[index % 3]})
        skin = finding({"MEL": 0.9}, taxonomy=[{"code": code, "name": code, "malignant": False} for code in ("ACNE", "LUPUS")])
        desk.case("P-20", finding=skin, said={"decision": Decision.CORRECT, "diagnosis": "ACNE"})
        exported(tmp_path / "dermatrail")
        records = read(source="dermatrail", folder=tmp_path)
        assert not [problem for problem in check_records(records, masks=True) if problem.fatal]
        assert {record.taxonomy for record in records} == {"isic2019", "skindiseasenet"}
        assert {record.source for record in records} == {"north"}
        assert all(record.patient and record.mask for record in records)
        usable: list[Record] = records_of(load_recipe("desk").smoked(), tmp_path / "dermatrail")
        assert len(usable) == 12
        parts = partition(usable, by="patient")
        assert straddling(parts, by="patient") == 0
        assert len(records_of(load_recipe("desk").changed({"task": "segmentation"}), tmp_path)) == 13
