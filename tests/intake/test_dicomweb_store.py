"""STOW-RS: each instance has its own outcome, one study is one case, and nothing is stored by halves."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from apiflask import APIFlask
from pydicom.uid import generate_uid
from sqlalchemy import text

from services.intake.app import create_app
from services.settings import Settings
from tests.intake.conftest import Backstage, Contents, Portal, Sender, close
from tests.intake.dicom_world import BOUNDARY, RELATED, failures, instance, opened, photograph, related, store
from tests.intake.test_bad_input import assert_problem
from tests.pictures.samples import gradient, jpeg

STUDY = generate_uid()


def cases(sender: Sender) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sender.get("/v1/cases").get_json()["cases"]
    return found


CT = {"sop_class": "1.2.840.10008.5.1.4.1.1.2"}
REFUSED: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "another SOP class": (lambda: instance(**CT), 0x0122, "unsupported_sop_class"),
    "a report": (lambda: instance(sop_class="1.2.840.10008.5.1.4.1.1.88.33", PixelData=b""), 0x0122, "unsupported_sop_class"),
    "another transfer syntax": (
        lambda: photograph(syntax="1.2.840.10008.1.2.4.100"),
        0xC122,
        "unsupported_transfer_syntax",
    ),
    "several frames": (lambda: instance(NumberOfFrames=2), 0xA900, "multi_frame"),
    "no pixels": (lambda: instance(PixelData=b""), 0xA900, "no_pixel_data"),
    "a broken stream": (lambda: photograph(jpeg()[:300]), 0xC000, "truncated"),
    "too many pixels": (lambda: photograph(jpeg(gradient(1200, 900)), width=1200, height=900), 0xA700, "too_many_pixels"),
    "too many bytes": (lambda: instance(Rows=400, Columns=400, PixelData=bytes(480_000)), 0xA700, "file_too_large"),
    "no patient": (lambda: instance(PatientID=""), 0xA900, "patient_id_missing"),
    "no series": (lambda: instance(SeriesInstanceUID=""), 0xC000, "uids_missing"),
    "no DICOM file": (lambda: b"words", 0xC000, "not_an_image"),
    "a plain photograph": (jpeg, 0xC000, "not_dicom"),
    "nothing": (lambda: b"", 0xC000, "empty"),
}


@pytest.fixture(scope="module")
def small(intake_settings: Settings) -> Iterator[APIFlask]:
    """An intake with limits that are soon reached."""
    changes = {"max_file_bytes": 400_000, "max_pixels": 1_000_000, "max_files": 3}
    application = create_app(intake_settings.model_copy(update=changes))
    yield application
    close(application)


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_taken_is_named_with_its_reason(what: str, small: APIFlask, portal: Portal, contents: Contents) -> None:
    make, code, reason = REFUSED[what]
    sender = Sender(small.test_client(), portal)
    answer = store(sender, make())
    assert (answer.status_code, failures(answer)) == (409, [(code, reason)])
    contents.assert_nothing_stored(portal)


def test_what_is_good_is_stored_beside_what_is_not(sender: Sender) -> None:
    good, bad = instance(study=STUDY), instance(NumberOfFrames=2, study=STUDY)
    answer = store(sender, bad, good, b"words")
    assert (answer.status_code, failures(answer)) == (202, [(0xA900, "multi_frame"), (0xC000, "not_an_image")])
    body = answer.get_json()
    (stored,) = body["00081199"]["Value"]
    uid = opened(good).SOPInstanceUID
    assert stored["00081155"]["Value"] == [uid]
    assert stored["00081190"]["Value"][0].endswith(f"/instances/{uid}")
    assert body["00081198"]["Value"][0]["00081155"]["Value"] == [opened(bad).SOPInstanceUID]
    assert "00081155" not in body["0008119A"]["Value"][0]
    assert [line["image_count"] for line in cases(sender)] == [1]


def test_the_same_again_is_success_and_other_content_is_not(sender: Sender, portal: Portal, contents: Contents) -> None:
    uid = generate_uid()
    first, other = instance(study=STUDY, uid=uid), instance(study=STUDY, uid=uid, InstanceNumber=2)
    assert store(sender, first).status_code == 200
    kept = contents.keys(portal)
    again = store(sender, first)
    assert (again.status_code, list(again.get_json())) == (200, ["00081190", "00081199"])
    answer = store(sender, other)
    assert (answer.status_code, failures(answer)) == (409, [(0x0111, "instance_differs")])
    assert failures(store(sender, first, instance(uid=uid))) == [(0x0111, "instance_differs")]
    twice = instance()
    assert store(sender, twice, twice).status_code == 200
    assert (contents.rows("images"), contents.rows("dicom_instances")) == (2, 2)
    assert set(kept) < set(contents.keys(portal))


def test_a_study_is_one_case_until_it_is_decided(sender: Sender, backstage: Backstage, portal: Portal) -> None:
    study = generate_uid()
    store(sender, instance(study=study), instance(study=study))
    store(sender, instance(study=study))
    (case,) = cases(sender)
    assert case["image_count"] == 3
    backstage.analyse()
    backstage.confirm(portal, case["id"])
    assert store(sender, instance(study=study)).status_code == 200
    assert [line["image_count"] for line in cases(sender)] == [3, 1]
    store(sender, instance(study=study), instance())
    assert sorted(line["image_count"] for line in cases(sender)) == [1, 2, 3]


def test_a_study_that_comes_over_several_connections_is_one_case(sender: Sender, contents: Contents) -> None:
    study = generate_uid()
    files = [instance(study=study) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda file: store(Sender(sender.client.application.test_client(), sender.portal), file), files))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [line["image_count"] for line in cases(sender)] == [4]
    assert contents.rows("dicom_instances") == 4
    assert len([key for key in contents.keys(sender.portal) if key.endswith("/original")]) == 4


def test_an_instance_that_comes_twice_at_once_is_stored_once(sender: Sender, contents: Contents) -> None:
    file = instance()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: store(Sender(sender.client.application.test_client(), sender.portal), file), range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert (contents.rows("images"), contents.rows("cases")) == (1, 1)


def test_a_study_has_one_patient(sender: Sender) -> None:
    study = generate_uid()
    answer = store(sender, instance(study=study), instance(study=study, PatientID="P-78"))
    assert (answer.status_code, failures(answer)) == (202, [(0xA900, "patient_differs")])
    assert failures(store(sender, instance(study=study, PatientID="P-79"))) == [(0xA900, "patient_differs")]


def test_an_address_of_a_study_takes_that_study_alone(sender: Sender) -> None:
    study = generate_uid()
    answer = store(sender, instance(study=study), instance(), path=f"/dicomweb/studies/{study}")
    assert (answer.status_code, failures(answer)) == (202, [(0xA900, "study_differs")])
    assert_problem(store(sender, instance(), path="/dicomweb/studies/words"), 404, "instance_not_found")


def test_a_missing_modality_is_stored_with_a_warning(sender: Sender) -> None:
    answer = store(sender, instance(Modality=""))
    assert answer.status_code == 202
    assert answer.get_json()["00081199"]["Value"][0]["00081196"]["Value"] == [0xB007]


def test_more_instances_than_a_request_may_have_are_left_for_the_next(small: APIFlask, portal: Portal) -> None:
    sender = Sender(small.test_client(), portal)
    files = [instance(study=STUDY) for _ in range(4)]
    answer = store(sender, *files)
    assert (answer.status_code, failures(answer)) == (202, [(0xA700, "too_many_files")])
    assert_problem(store(sender, *[b"words"] * 16), 413, "too_many_files")


def test_the_answer_is_xml_where_that_is_asked_for(sender: Sender) -> None:
    answer = store(sender, instance(study=STUDY), b"words", accept="application/dicom+xml")
    assert (answer.status_code, answer.content_type) == (202, "application/dicom+xml")
    found = {node.get("keyword"): node for node in ET.fromstring(answer.data).iter() if node.get("keyword")}
    names = {"RetrieveURL", "ReferencedSOPSequence", "ReferencedSOPClassUID", "ReferencedSOPInstanceUID", "OtherFailuresSequence"}
    assert names <= set(found)
    assert [value.text for value in found["FailureReason"]] == [str(0xC000)]


def test_a_body_that_is_no_message_of_dicom_files_is_refused(sender: Sender) -> None:
    def post(body: bytes, content_type: str) -> Any:
        return sender.client.post("/dicomweb/studies", data=body, headers=sender.portal.headers, content_type=content_type)

    whole = related(instance())
    assert_problem(post(whole, "application/dicom"), 415, "not_related")
    assert_problem(post(whole, 'multipart/related; type="application/dicom+json"; boundary=x'), 415, "not_related")
    assert_problem(post(whole, "multipart/form-data; boundary=x"), 415, "not_related")
    assert_problem(post(related(b"{}", part_type="application/dicom+json"), RELATED), 415, "not_dicom")
    assert_problem(post(whole[:-20], RELATED), 400, "malformed_multipart")
    assert_problem(post(b"", RELATED), 400, "malformed_multipart")
    assert_problem(post(f"--{BOUNDARY}--".encode(), RELATED), 400, "no_instances")
    assert_problem(post(f"--{BOUNDARY}\r\n{'x' * 40_000}\r\n\r\n--{BOUNDARY}--".encode(), RELATED), 400, "malformed_multipart")
    assert_problem(store(sender, instance(), accept="text/html"), 406, "not_acceptable")
    # Preamble, epilogue, a part without headers and a quoted boundary are all as RFC 2046 admits.
    plain = f"preamble\r\n--{BOUNDARY}  \r\n\r\n".encode() + instance() + f"\r\n--{BOUNDARY}--\r\nepilogue".encode()
    assert post(plain, f'Multipart/Related; boundary="{BOUNDARY}"; Type="application/dicom"').status_code == 200


def test_without_the_store_nothing_is_acknowledged(intake_settings: Settings, portal: Portal, contents: Contents) -> None:
    application = create_app(intake_settings.model_copy(update={"s3_endpoint": "127.0.0.1:1"}))
    try:
        answer = store(Sender(application.test_client(), portal), instance(), instance())
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        contents.assert_nothing_stored(portal)
    finally:
        close(application)


def test_nobody_stores_without_a_key(app: APIFlask) -> None:
    answer = app.test_client().post("/dicomweb/studies", data=related(instance()), content_type=RELATED)
    assert_problem(answer, 401, "not_authenticated")


def test_names_and_birth_dates_stay_within_the_file(sender: Sender, contents: Contents) -> None:
    said = {
        "PatientName": "SECRET^NAME",
        "ReferringPhysicianName": "SECRET^DOCTOR",
        "StudyDescription": "SECRET",
        "PatientComments": "SECRET",
    }
    store(sender, instance(**said))
    with contents.engine.connect() as connection:
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        for table in connection.exec_driver_sql(tables).scalars().all():
            rows = " ".join(map(str, connection.exec_driver_sql(f"SELECT to_jsonb(t) FROM {table} t").scalars()))
            assert "SECRET" not in rows, table
            assert "19610504" not in rows, table


def test_a_dicom_file_of_an_ordinary_case_is_an_instance_too(sender: Sender, contents: Contents, picture: bytes) -> None:
    file = photograph(StudyInstanceUID=STUDY)
    assert sender.post(("a.dcm", file), ("b.jpg", picture)).status_code == 202
    assert contents.rows("dicom_instances") == 1
    # Sent once more it is another case, as a JPEG would be; for DICOM it stays the instance that it was.
    assert sender.post(("a.dcm", file)).status_code == 202
    assert (contents.rows("cases"), contents.rows("dicom_instances")) == (2, 1)
    assert store(sender, file).status_code == 200
    store(sender, instance(study=STUDY, PatientID="P-1042"))
    assert contents.rows("cases") == 2


def test_nothing_is_stored_of_a_patient_who_does_not_agree_to_care(sender: Sender, contents: Contents, portal: Portal) -> None:
    study = generate_uid()
    store(sender, instance(study=study))
    with contents.engine.begin() as connection:
        connection.execute(text("UPDATE patients SET consent_care = false"))
    kept = contents.keys(portal)
    for file in (instance(study=study), instance()):
        answer = store(sender, file)
        assert (answer.status_code, failures(answer)) == (409, [(0x0124, "care_consent_withdrawn")])
    assert contents.keys(portal) == kept


def test_storing_is_audited(sender: Sender, contents: Contents) -> None:
    study = generate_uid()
    store(sender, instance(study=study))
    store(sender, instance(study=study))
    sender.get(f"/dicomweb/studies/{study}")
    sender.get("/dicomweb/studies")
    with contents.engine.connect() as connection:
        found = connection.execute(text("SELECT action FROM audit_events WHERE actor_kind = 'portal' ORDER BY sequence"))
        assert list(found.scalars()) == ["case.accepted", "images.added", "dicom_instances.read", "dicom_instances.listed"]
