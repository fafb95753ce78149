"""Results are made once for each decision that stands, whatever happens to the worker."""

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import highdicom as hd
import numpy as np
import pytest
from argon2 import PasswordHasher
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit
from sqlalchemy import Connection, Engine, text

from models.pictures.decode import decode
from models.pictures.masks import encode_png, enlarge
from services.objects import MemoryStore, Objects, ObjectStore, StoreUnavailable
from services.records import access, identity, outlines, reading, reviews
from services.records.database import Database
from services.records.results import count_results_waiting, mark_results_due
from services.records.states import Decision, IdentityKind, IdentityVerdictWord, InstanceKind, ReviewKind
from tests.conftest import ROOT, SettingsFor
from tests.exchange.dicom_samples import HEIGHT, MEASURES, WIDTH, coloured, lesion, saved
from tests.exchange.results_world import World
from tests.pictures.samples import exif
from tests.records.worlds import Logins, new_portal

PHOTOGRAPH, SEGMENTATION = InstanceKind.PHOTOGRAPH, InstanceKind.SEGMENTATION
MEASUREMENTS, CAPTURE = InstanceKind.MEASUREMENTS, InstanceKind.CAPTURE


@pytest.fixture(scope="module")
def logins(settings_for: SettingsFor) -> Iterator[Logins]:
    made = Logins(**{role: Database.connect(settings_for(role)) for role in ("owner", "intake", "review", "worker")})
    yield made
    made.close()


@pytest.fixture
def behind(superuser_engine: Engine) -> Iterator[Connection]:
    with superuser_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


@pytest.fixture
def world(clean_database: None, logins: Logins, behind: Connection, monkeypatch: pytest.MonkeyPatch) -> World:
    """Decisions are final at once."""
    monkeypatch.setattr(access, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    monkeypatch.setattr(reading, "UNDO_SECONDS", 0)
    return World(new_portal(logins, "north"), MemoryStore(), behind)


def kinds(world: World, case_id: UUID) -> list[str]:
    return sorted(instance.kind for instance in world.instances(case_id))


def upright_mask() -> np.ndarray:
    """What a portal gets as the outline of a picture of full size."""
    return enlarge(lesion(160, 120), WIDTH, HEIGHT) > 0


def test_a_decided_case_gets_photograph_segmentation_and_report(world: World) -> None:
    data = saved(coloured(), quality=90)
    case_id = world.decided(data)
    assert world.worker().drain() == 1
    made = {instance.kind: instance for instance in world.instances(case_id)}
    assert set(made) == {PHOTOGRAPH, SEGMENTATION, MEASUREMENTS}
    assert len({instance.study_uid for instance in made.values()}) == 1
    assert np.array_equal(decode(world.store.get(made[PHOTOGRAPH].object_key)).rgb, decode(data).rgb)
    read = hd.seg.segread(world.file(made[SEGMENTATION]))
    pixels = read.get_pixels_by_source_instance([made[PHOTOGRAPH].sop_instance_uid])
    assert np.array_equal(pixels[0, ..., 0] > 0, upright_mask())
    told: Any = hd.sr.srread(world.file(made[MEASUREMENTS]))
    (group,) = told.content.get_planar_roi_measurement_groups()
    assert group.referenced_segmentation_frame.referenced_sop_instance_uid == made[SEGMENTATION].sop_instance_uid
    assert world.state(case_id) == (None, 0, None)


def test_rows_tell_what_lies_in_the_store(world: World) -> None:
    case_id = world.decided()
    world.worker().drain()
    for instance in world.instances(case_id):
        data = world.store.get(instance.object_key)
        header = dcmread(io.BytesIO(data), stop_before_pixels=True)
        assert (instance.byte_size, instance.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (instance.sop_instance_uid, instance.study_uid, instance.modality) == (
            header.SOPInstanceUID,
            header.StudyInstanceUID,
            header.Modality,
        )
        assert instance.object_key.startswith(f"{world.portal.tenant_id}/{case_id}/")


def test_nothing_is_made_while_the_decision_can_be_taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = world.decided()
    monkeypatch.setattr(reading, "UNDO_SECONDS", 10)
    assert world.worker().drain() == 1
    assert world.instances(case_id) == []
    due, attempts, failed = world.state(case_id)
    assert (due is not None, attempts, failed) == (True, 0, None)


def test_a_decision_that_was_taken_back_makes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = world.submit()
    world.analyse()
    review_id = world.portal.review(case_id)
    monkeypatch.setattr(reading, "UNDO_SECONDS", 10)
    with world.logins.review.transaction(tenants=[world.portal.tenant_id]) as session:
        reviews.undo_review(
            session=session, tenant_ids=[world.portal.tenant_id], case_id=case_id, user_id=world.portal.user_id, review_id=review_id
        )
    world.pass_time(case_id)
    assert world.worker().drain() == 1
    assert world.instances(case_id) == []
    assert world.state(case_id) == (None, 0, None)


def test_a_decision_flags_its_case_for_after_the_time_to_take_it_back(world: World) -> None:
    case_id = world.submit()
    world.analyse()
    world.portal.review(case_id)
    with world.logins.worker.transaction() as session:
        assert count_results_waiting(session=session) == 0
        wait = session.execute(text("SELECT results_due_at - now() FROM cases WHERE results_due_at IS NOT NULL")).scalar_one()
    assert 9 < wait.total_seconds() < 10.3


def test_an_amendment_makes_new_instances_that_name_the_old_report(world: World) -> None:
    case_id = world.submit()
    world.analyse()
    first = world.portal.review(case_id)
    world.pass_time(case_id)
    world.worker().drain()
    before = world.instances(case_id)
    world.portal.review(case_id, kind=ReviewKind.AMENDMENT, amends=first, decision=Decision.CORRECT, diagnosis="NV", rationale="histology")
    world.pass_time(case_id)
    world.worker().drain()
    after = world.instances(case_id)
    assert after[: len(before)] == before
    assert kinds(world, case_id) == ["measurements"] * 2 + ["photograph"] + ["segmentation"] * 2
    old, new = (instance for instance in after if instance.kind is MEASUREMENTS)
    header = dcmread(world.file(new))
    series = header.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == old.sop_instance_uid
    assert (header.InstanceNumber, new.series_uid, new.study_uid) == (2, old.series_uid, old.study_uid)


def test_looked_at_again_nothing_is_made_twice(world: World) -> None:
    case_id = world.decided()
    world.worker().drain()
    before = world.instances(case_id)
    files = {instance.object_key: world.store.get(instance.object_key) for instance in before}
    with world.logins.intake.transaction(tenants=[world.portal.tenant_id]) as session:
        assert mark_results_due(session=session, tenant_id=world.portal.tenant_id, case_id=case_id)
    world.pass_time(case_id)
    assert world.worker().drain() == 1
    assert world.instances(case_id) == before
    assert files == {key: world.store.get(key) for key in files}


def test_pictures_of_a_case_have_an_outline_each_and_one_report(world: World) -> None:
    case_id = world.decided(*(saved(coloured(seed=seed), quality=90) for seed in range(3)))
    world.worker().drain()
    assert kinds(world, case_id) == ["measurements"] + ["photograph"] * 3 + ["segmentation"] * 3
    assert len({instance.study_uid for instance in world.instances(case_id)}) == 1


def test_the_outline_of_a_turned_picture_lies_where_it_is_seen(world: World) -> None:
    """The file lies on its side; picture and outline in DICOM are both upright, as on every page."""
    case_id = world.submit(saved(coloured(HEIGHT, WIDTH), quality=90, exif=exif(6, gps=False)))
    world.analyse(mask=lesion(160, 120))
    world.portal.review(case_id)
    world.pass_time(case_id)
    world.worker().drain()
    (found,) = world.instances(case_id, SEGMENTATION)
    read = hd.seg.segread(world.file(found))
    (source,) = world.instances(case_id, PHOTOGRAPH)
    pixels = read.get_pixels_by_source_instance([source.sop_instance_uid])
    assert (read.Columns, read.Rows) == (WIDTH, HEIGHT)
    assert np.array_equal(pixels[0, ..., 0] > 0, upright_mask())


def sent_as_dicom(data: bytes, *, study: str = "1.2.3") -> bytes:
    """A portal's own dermoscopic photograph around a JPEG stream."""
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "Portal^Name", "4711", "19700101", "F"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = study, "1.2.3.4", "1.2.3.4.5"
    dataset.SOPClassUID, dataset.Modality, dataset.AccessionNumber = "1.2.840.10008.5.1.4.1.1.77.1.7", "DMS", "A-1"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = HEIGHT, WIDTH, 3, "YBR_FULL_422"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.PlanarConfiguration = 8, 8, 7, 0, 0
    dataset.PixelData = encapsulate([data])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def test_results_of_a_dicom_case_refer_to_what_was_received(world: World) -> None:
    case_id = world.decided(sent_as_dicom(saved(coloured(), quality=90)))
    world.worker().drain()
    assert kinds(world, case_id) == ["measurements", "segmentation"]
    for instance in world.instances(case_id):
        header = dcmread(world.file(instance))
        assert (instance.study_uid, header.PatientID, str(header.PatientName), header.AccessionNumber) == (
            "1.2.3",
            "4711",
            "Portal^Name",
            "A-1",
        )
        assert "00100010" not in instance.attributes
    (found,) = world.instances(case_id, SEGMENTATION)
    pixels = hd.seg.segread(world.file(found)).get_pixels_by_source_instance(["1.2.3.4.5"])
    assert np.array_equal(pixels[0, ..., 0] > 0, upright_mask())


def test_an_instance_without_a_study_gets_a_photograph_of_its_own(world: World) -> None:
    sent = sent_as_dicom(saved(coloured(), quality=90), study="")
    case_id = world.decided(sent)
    world.worker().drain()
    assert kinds(world, case_id) == ["measurements", "photograph", "segmentation"]
    (made,) = world.instances(case_id, PHOTOGRAPH)
    assert np.array_equal(decode(world.store.get(made.object_key)).rgb, decode(sent).rgb)


def draw_outline(world: World, case_id: UUID, *, measured: bool) -> np.ndarray:
    mask = np.ascontiguousarray(lesion(WIDTH, HEIGHT)[::-1])
    world.store.put("drawn", encode_png(mask), "image/png")
    tenant = world.portal.tenant_id
    (image,) = world.portal.status(case_id).images
    with world.logins.review.transaction(tenants=[tenant]) as session:
        outline = outlines.record_outline(
            session=session, tenant_ids=[tenant], case_id=case_id, image_id=image.id, user_id=world.portal.user_id, mask_key="drawn"
        )
    if measured:
        with world.logins.worker.transaction() as session:
            outlines.store_measures(session=session, outline_id=outline, measures={**MEASURES, "area_px": 77.0, "area_mm2": None})
    return mask > 0


def test_a_readers_outline_is_told_as_theirs(world: World) -> None:
    case_id = world.submit()
    world.analyse()
    drawn = draw_outline(world, case_id, measured=True)
    world.portal.review(case_id)
    world.pass_time(case_id)
    world.worker().drain()
    (found,) = world.instances(case_id, SEGMENTATION)
    read = hd.seg.segread(world.file(found))
    assert read.get_segment_description(1).algorithm_type == hd.seg.SegmentAlgorithmTypeValues.MANUAL
    assert np.array_equal(read.pixel_array > 0, drawn)


def test_a_report_waits_for_the_measures_of_an_outline(world: World) -> None:
    case_id = world.submit()
    world.analyse()
    draw_outline(world, case_id, measured=False)
    world.portal.review(case_id)
    world.pass_time(case_id)
    assert world.worker().drain() == 1
    assert world.instances(case_id) == []
    due, attempts, _ = world.state(case_id)
    assert (due is not None, attempts) == (True, 0)


def suspect(world: World, case_id: UUID) -> UUID:
    (image, *_) = world.portal.status(case_id).images
    check = identity.IdentityCheck("test", (identity.Seen(IdentityKind.TEXT, 0.9, identity.Box(0.1, 0.1, 0.3, 0.1)),))
    with world.logins.worker.transaction() as session:
        identity.store_checks(session=session, checks={image.id: (world.portal.tenant_id, check)})
    return image.id


def test_a_picture_that_may_tell_who_it_is_stays_until_it_is_cleared(world: World) -> None:
    case_id = world.submit(*(saved(coloured(seed=seed), quality=90) for seed in range(2)))
    world.analyse()
    image_id = suspect(world, case_id)
    world.portal.review(case_id)
    world.pass_time(case_id)
    world.worker().drain()
    assert image_id not in {instance.image_id for instance in world.instances(case_id)}
    assert kinds(world, case_id) == ["measurements", "photograph", "segmentation"]
    assert "picture 1 may show who the patient is" in world.state(case_id)[2]
    tenant = world.portal.tenant_id
    with world.logins.review.transaction(tenants=[tenant]) as session:
        about: dict[str, Any] = {"tenant_ids": [tenant], "case_id": case_id, "image_id": image_id, "user_id": world.portal.user_id}
        identity.judge(session=session, **about, verdict=IdentityVerdictWord.CLEAR)
    world.pass_time(case_id)
    world.worker().drain()
    assert kinds(world, case_id) == ["measurements"] * 2 + ["photograph"] * 2 + ["segmentation"] * 2
    assert "PredecessorDocumentsSequence" in dcmread(world.file(world.instances(case_id, MEASUREMENTS)[-1]))


def test_captures_are_made_where_they_are_wanted(world: World) -> None:
    world.captures = True
    case_id = world.decided()
    world.worker().drain()
    (found,) = world.instances(case_id, CAPTURE)
    assert decode(world.store.get(found.object_key)).rgb.shape == (HEIGHT, WIDTH, 3)


class Away(MemoryStore):
    """A store that is away for the n-th put."""

    def __init__(self, inner: Objects, nth: int, error: BaseException) -> None:
        super().__init__()
        self.inner, self.left, self.error = inner, nth, error

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error
        self.inner.put(key, data, content_type)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_while_the_store_is_away_results_wait_at_no_cost(world: World, nth: int) -> None:
    case_id = world.decided()
    assert world.worker(Away(world.store, nth, StoreUnavailable("away"))).drain() == 0
    assert world.instances(case_id) == []
    assert world.state(case_id)[1:] == (0, None)
    world.pass_time(case_id)
    world.worker().drain()
    assert kinds(world, case_id) == ["measurements", "photograph", "segmentation"]


def test_a_picture_that_is_gone_is_given_up_with_its_reason(world: World) -> None:
    case_id, next_one = world.decided(), world.decided()
    (image,) = world.portal.status(case_id).images
    world.store.delete(image.original_key)
    for attempt in range(3):
        assert world.worker().drain() == (2 if attempt == 0 else 1)
        world.pass_time(case_id)
    due, attempts, failed = world.state(case_id)
    assert (due, attempts) == (None, 0)
    assert failed.startswith("No DICOM results could be made: There is no object")
    assert world.instances(case_id) == []
    assert len(world.instances(next_one)) == 3


def test_where_highdicom_is_missing_the_case_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = world.decided()
    monkeypatch.setitem(sys.modules, "workers.results_making", None)
    for _ in range(3):
        world.worker().drain()
        world.pass_time(case_id)
    assert world.state(case_id)[2].endswith("which is not installed here.")


def test_a_case_that_stops_its_worker_is_given_up(world: World) -> None:
    case_id, next_one = world.decided(), world.decided()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            world.worker(Away(world.store, 1, KeyboardInterrupt())).drain()
        world.expire(case_id)
        world.behind.execute(text("UPDATE cases SET results_due_at = now() WHERE id = :id"), {"id": next_one})
    world.worker().drain()
    assert world.state(case_id)[2] == "Making the DICOM results was tried several times and stopped each time."
    assert len(world.instances(next_one)) == 3


def test_two_workers_share_the_cases(world: World) -> None:
    claims = [world.decided() for _ in range(2)]
    first, second = world.worker(), world.worker()
    mine, theirs = first._claim(), second._claim()
    assert {mine.case_id, theirs.case_id} == set(claims)  # type: ignore[union-attr]
    assert first._claim() is None


class Erasing(Away):
    """A store whose third file is followed by the end of its case."""

    def __init__(self, inner: Objects, erase: Any) -> None:
        super().__init__(inner, 0, StoreUnavailable("never"))
        self.erase, self.kept = erase, set[str]()

    def put(self, key: str, data: bytes, content_type: str) -> None:
        super().put(key, data, content_type)
        self.kept.add(key)
        if self.left == -3:
            self.erase()

    def delete(self, key: str) -> None:
        self.inner.delete(key)
        self.kept.remove(key)


def test_a_case_that_was_erased_meanwhile_leaves_nothing_in_the_store(world: World) -> None:
    case_id = world.decided()

    def erase() -> None:
        world.behind.execute(text("SET session_replication_role = replica"))  # its other rows are of no interest here
        world.behind.execute(text("DELETE FROM cases WHERE id = :id"), {"id": case_id})

    store = Erasing(world.store, erase)
    world.worker(store).drain()
    assert store.left == -3
    assert store.kept == set()
    assert world.instances(case_id) == []


KILLED = """
import os, signal, sys
from datetime import timedelta
from threading import Event
from services.objects import ObjectStore
from services.records import reading
from services.records.database import Database
from services.settings import Settings
from workers.results_worker import ResultsWorker

reading.UNDO_SECONDS = 0
settings = Settings()
store = ObjectStore.connect(settings)
left = int(sys.argv[1])
put = store.put

def killing(key, data, content_type):
    global left
    put(key, data, content_type)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

store.put = killing
records = Database.open(settings.results_database_url.get_secret_value()).transaction
claims = Database.connect(settings).transaction
ResultsWorker(claims=claims, records=records, store=store, lease=timedelta(seconds=60), max_attempts=3, max_pixels=10**7,
              captures=False, stopping=Event()).drain()
"""


def environment(settings_for: SettingsFor) -> dict[str, str]:
    worker, intake = settings_for("worker"), settings_for("intake")
    told: dict[str, Any] = {name: value for name, value in worker.model_dump().items() if value is not None}
    told["results_database_url"] = intake.database_url
    plain = {name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value) for name, value in told.items()}
    return {**os.environ, **{f"DERMATRAIL_{name.upper()}": value for name, value in plain.items()}}


def test_after_kill_9_every_result_is_there_once(world: World, settings_for: SettingsFor) -> None:
    """Killed after the segmentation lay in the store and before any row told of it; then made anew by the next worker."""
    world.store = ObjectStore.connect(settings_for("worker"))
    case_id = world.decided()
    command = [sys.executable, "-c", KILLED, "2"]
    killed = subprocess.run(command, cwd=ROOT, env=environment(settings_for), capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert world.instances(case_id) == []
    assert world.worker().drain() == 0  # the dead worker's lease runs
    world.expire(case_id)
    assert world.worker().drain() == 1
    found = world.instances(case_id)
    assert sorted(instance.kind for instance in found) == ["measurements", "photograph", "segmentation"]
    for instance in found:
        assert hashlib.sha256(world.store.get(instance.object_key)).hexdigest() == instance.sha256
