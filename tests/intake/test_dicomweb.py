"""DICOMweb over a real server, asked by a client that nobody here wrote."""

import hashlib
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import JPEGBaseline8Bit, generate_uid
from requests import HTTPError
from sqlalchemy import Engine, text

from infra.local import LocalStack
from models.pictures.decode import decode
from models.pictures.dicom_facts import answered
from services.records.instances import NewInstance, store_instances
from services.records.states import InstanceKind
from tests.intake.conftest import Backstage, Portal, Sender
from tests.intake.dicom_world import client, free_port, instance, opened, photograph, process
from tests.pictures.samples import dicom_bytes, gradient, jpeg

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture(scope="module")
def url(stack: LocalStack) -> Iterator[str]:
    """The intake as it runs in production."""
    port = free_port()
    options = ("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "4", "--no-control-socket")
    address = f"http://127.0.0.1:{port}"
    # The client names the host without its port.
    said = {"DERMATRAIL_PUBLIC_URL": address}
    with process(stack, "gunicorn", *options, "services.intake.wsgi:app", ready=f"{address}/healthz", **said):
        yield address


@pytest.fixture
def web(url: str, portal: Portal) -> DICOMwebClient:
    return client(url, portal)


def uids(stored: Dataset) -> tuple[str, str, str]:
    return stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID


def test_an_instance_goes_in_and_comes_back_as_it_was(web: DICOMwebClient, sender: Sender) -> None:
    sent = opened(photograph())
    answer = web.store_instances([sent])
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [sent.SOPInstanceUID]
    assert "FailedSOPSequence" not in answer
    back = web.retrieve_instance(*uids(sent), media_types=(("application/dicom", "*"),))
    assert back == sent
    assert back.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert [case["patient_reference"] for case in sender.get("/v1/cases").get_json()["cases"]] == ["P-77"]


def test_what_the_header_says_becomes_the_case(web: DICOMwebClient, sender: Sender) -> None:
    web.store_instances([opened(photograph(OpticalMagnificationFactor=10.0, TrackingID="mole-3"))])
    line = sender.get("/v1/cases").get_json()["cases"][0]
    case = sender.get(line["status_url"]).get_json()
    assert case["patient"] | {"reference": "P-77", "sex": "female", "birth_year": 1961} == case["patient"]
    assert case["lesion"] == {"reference": "mole-3", "body_site": "back", "laterality": "left"}
    assert (case["reference"], case["visited_at"], case["visit_source"]) == ("A-9", "2026-01-10T10:15:00Z", "dicom")
    assert (case["images"][0]["modality"], case["images"][0]["pixel_spacing_mm"]) == ("dermoscopic", 0.05)


def test_a_large_study_is_sent_in_chunks_and_is_one_case(web: DICOMwebClient, sender: Sender) -> None:
    study, series = generate_uid(), generate_uid()
    big = gradient(900, 700)
    files = [
        opened(instance(study=study, series=series, InstanceNumber=number, Rows=700, Columns=900, PixelData=big.tobytes()))
        for number in (1, 2)
    ]
    web.store_instances(files)
    (line,) = sender.get("/v1/cases").get_json()["cases"]
    assert line["image_count"] == 2
    found = web.retrieve_series(study, series)
    assert [each.InstanceNumber for each in found] == [1, 2]
    assert [each.InstanceNumber for each in web.retrieve_study(study)] == [1, 2]


def test_colours_survive_the_way_through(web: DICOMwebClient) -> None:
    stream = jpeg(gradient(), quality=95)
    sent = opened(photograph(stream))
    web.store_instances([sent])
    truth = decode(stream).rgb
    back = web.retrieve_instance(*uids(sent), media_types=(("application/dicom", "*"),))
    assert np.abs(truth.astype(int) - decode(dicom_bytes(back)).rgb).max() <= 1
    shown = decode(web.retrieve_instance_rendered(*uids(sent), media_types=("image/jpeg",))).rgb
    assert np.abs(truth.astype(int) - shown).max() <= 6  # encoded once more for viewing
    png = decode(web.retrieve_instance_rendered(*uids(sent), media_types=("image/png",))).rgb
    assert np.array_equal(png, shown)


def test_frames_come_in_their_stored_form(web: DICOMwebClient) -> None:
    stream = jpeg(gradient())
    packed, plain = opened(photograph(stream)), opened(instance())
    web.store_instances([packed])
    web.store_instances([plain])
    assert web.retrieve_instance_frames(*uids(packed), [1])[0].rstrip(b"\0") == stream
    assert web.retrieve_instance_frames(*uids(plain), [1], media_types=("application/octet-stream",)) == [plain.PixelData]
    assert web.retrieve_bulkdata(web.retrieve_instance_metadata(*uids(plain))["7FE00010"]["BulkDataURI"]) == [plain.PixelData]
    for asked in ({"frame_numbers": [2]}, {"frame_numbers": [1], "media_types": ("image/jp2",)}):
        with pytest.raises(HTTPError, match="404" if asked["frame_numbers"] == [2] else "406"):
            web.retrieve_instance_frames(*uids(packed), **asked)


def test_headers_hold_everything_but_pixels(web: DICOMwebClient) -> None:
    sent = opened(instance())
    web.store_instances([sent])
    (header,) = web.retrieve_study_metadata(sent.StudyInstanceUID)
    back = Dataset.from_json(header, bulk_data_uri_handler=lambda *_: sent.PixelData)
    for element in sent:
        assert back[element.tag].value == element.value
    assert web.retrieve_series_metadata(*uids(sent)[:2]) == [header]


def test_a_client_finds_what_it_sent(web: DICOMwebClient) -> None:
    study, series = generate_uid(), generate_uid()
    web.store_instances([opened(instance(study=study, series=series, InstanceNumber=number)) for number in (1, 2)])
    web.store_instances([opened(instance(PatientID="P-8", StudyDate="20260301", AccessionNumber="B-1"))])
    (found,) = web.search_for_studies(search_filters={"PatientID": "P-77"})
    assert found["0020000D"]["Value"] == [study]
    assert (found["00201206"]["Value"], found["00201208"]["Value"], found["00080061"]["Value"]) == ([1], [2], ["DMS"])
    assert found["00100010"] == {"vr": "PN"}
    assert found["00081190"]["Value"][0].endswith(f"/dicomweb/studies/{study}")
    (line,) = web.search_for_series(study)
    assert (line["0020000E"]["Value"], line["00201209"]["Value"]) == ([series], [2])
    assert [each["00200013"]["Value"] for each in web.search_for_instances(study, series)] == [[1], [2]]
    assert len(web.search_for_instances()) == 3
    assert len(web.search_for_instances(limit=2, offset=0)) == 2
    assert len(web.search_for_instances(limit=2, get_remaining=True)) == 3


def test_results_are_found_beside_what_was_sent(
    web: DICOMwebClient, sender: Sender, portal: Portal, backstage: Backstage, superuser_engine: Engine
) -> None:
    sent = opened(photograph())
    web.store_instances([sent])
    backstage.analyse()
    case_id = UUID(sender.get("/v1/cases").get_json()["cases"][0]["id"])
    backstage.confirm(portal, case_id)
    result = keep_result(backstage, portal, case_id, sent, superuser_engine)
    found = web.retrieve_study(sent.StudyInstanceUID)
    assert {each.SOPInstanceUID for each in found} == {sent.SOPInstanceUID, result.SOPInstanceUID}
    (study,) = web.search_for_studies(search_filters={"ModalitiesInStudy": "SEG"})
    assert study["00080061"]["Value"] == ["DMS", "SEG"]
    with pytest.raises(HTTPError, match="406"):
        web.retrieve_instance_rendered(*uids(result))
    # Without consent to care the portal gets what it sent itself, and no result.
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE patients SET consent_care = false"))
    assert [each.SOPInstanceUID for each in web.retrieve_study(sent.StudyInstanceUID)] == [sent.SOPInstanceUID]
    with pytest.raises(HTTPError, match="403"):
        web.retrieve_instance(*uids(result))


def keep_result(backstage: Backstage, portal: Portal, case_id: UUID, sent: Dataset, engine: Engine) -> Dataset:
    """A result as the process for results leaves it, though an empty one."""
    data = instance(study=sent.StudyInstanceUID, Modality="SEG", SOPClassUID=SEGMENTATION)
    made = opened(data)
    key = f"{portal.tenant_id}/{case_id}/result.dcm"
    backstage.store.put(key, data, "application/dicom")
    with engine.connect() as connection:
        review_id = connection.execute(text("SELECT id FROM reviews WHERE case_id = :case"), {"case": case_id}).scalar_one()
    new = NewInstance(
        case_id=case_id,
        review_id=review_id,
        kind=InstanceKind.SEGMENTATION,
        study_uid=made.StudyInstanceUID,
        series_uid=made.SeriesInstanceUID,
        sop_instance_uid=made.SOPInstanceUID,
        sop_class_uid=SEGMENTATION,
        transfer_syntax_uid=made.file_meta.TransferSyntaxUID,
        modality="SEG",
        object_key=key,
        byte_size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        attributes=answered(made),
    )
    with backstage.worker.transaction(tenants=[portal.tenant_id]) as session:
        store_instances(session=session, tenant_id=portal.tenant_id, instances=[new])
    return made
