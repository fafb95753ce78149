"""A case's whole way through DICOM, by a client that nobody here wrote: stored, analysed, decided, and its results read again."""

import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
import highdicom as hd
import httpx
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import pixel_array
from pydicom.uid import generate_uid
from sqlalchemy import select

from infra.local import LocalStack
from infra.local.seed import Access, seed
from models.pictures.decode import decode
from models.synthetic import Kind, draw
from services.records import reviews
from services.records.database import Database
from services.records.states import Decision
from services.records.tables import User
from tests.conftest import STACKS
from tests.pictures.samples import encapsulated, jpeg

WIDTH, HEIGHT = 640, 480
ANY = (("application/dicom", "*"),)
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Everything that stands between a portal's DICOM and its results; nobody looks at the desk here."""
    STACKS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=STACKS))
    with LocalStack(folder) as running:
        running.start_processes(("intake", "worker", "delivery", "beat"))
        yield running
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def access(stack: LocalStack) -> Access:
    return seed(stack)


@pytest.fixture(scope="module")
def portal(stack: LocalStack, access: Access) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {access.api_key}"}
    with httpx.Client(base_url=stack.address("intake"), headers=headers, timeout=30, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def web(stack: LocalStack, access: Access) -> DICOMwebClient:
    return DICOMwebClient(f"{stack.address('intake')}/dicomweb", headers={"Authorization": f"Bearer {access.api_key}"})


def drawn_lesion(seed: int) -> bytes:
    """A camera's JPEG, as it would lie on its card."""
    return jpeg(cv2.resize(draw(seed=seed, kind=Kind.MELANOMA).rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8))


def wait_for(what: str, ask: Any) -> Any:
    """Asks again until there is an answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := ask()):
        assert time.monotonic() < deadline, f"no {what} after {PATIENCE_SECONDS} s"
        time.sleep(0.3)
    return found


def decide(stack: LocalStack, access: Access, case_id: str) -> None:
    """As the desk does when the dermatologist decides."""
    database, tenant = Database.open(stack.database_url("review")), UUID(access.tenant_id)
    with database.transaction(tenants=[tenant]) as session:
        user_id = session.scalars(select(User.id).where(User.email == access.email)).one()
        said: dict[str, Any] = {"decision": Decision.CORRECT, "diagnosis": "MEL", "reason": None, "note": "", "shown": {}}
        reviews.record_review(session=session, tenant_ids=[tenant], case_id=UUID(case_id), user_id=user_id, **said)
    database.close()


def results_of(web: DICOMwebClient, study: str) -> dict[str, Dataset]:
    """The instances of a study by modality, once its report is there: the rest is stored with it."""

    def told() -> set[str]:
        return {item["00080060"]["Value"][0] for item in web.search_for_instances(study)}

    wait_for("report", lambda: "SR" in told())
    return {str(dataset.Modality): dataset for dataset in web.retrieve_study(study, media_types=ANY)}


def portals_mask(portal: httpx.Client, case: dict[str, Any]) -> np.ndarray:
    """The outline as the portal API gives it, at the size of the picture."""
    (image,) = case["images"]
    answer = portal.get(f"/v1/cases/{case['id']}/images/{image['id']}/mask")
    answer.raise_for_status()
    mask = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    if mask.shape != (HEIGHT, WIDTH):
        mask = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(mask > 127)


def ready(portal: httpx.Client, case_id: str) -> list[dict[str, Any]]:
    """The instances that the case names, once its results are among them."""
    told = portal.get(f"/v1/cases/{case_id}").json()["dicom"]
    assert told["state"] in ("pending", "ready"), told
    return list(told["instances"]) if told["state"] == "ready" else []


def check_results(found: dict[str, Dataset], source: Dataset, mask: np.ndarray) -> None:
    """Others read the outline pixel by pixel, and a verified report that refers to it."""
    segmentation = hd.seg.Segmentation.from_dataset(found["SEG"])
    pixels = segmentation.get_pixels_by_source_instance([source.SOPInstanceUID])
    assert np.array_equal(pixels[0, ..., 0] > 0, mask)
    report: Any = hd.sr.ComprehensiveSR.from_dataset(found["SR"])
    assert (report.VerificationFlag, report.PatientID) == ("VERIFIED", source.PatientID)
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.tracking_uid == segmentation.get_tracking_ids()[0][1]
    assert group.referenced_segmentation_frame.referenced_sop_instance_uid == segmentation.SOPInstanceUID
    assert {"Area", "Major Axis", "Asymmetry of shape"} <= {each.name.meaning for each in group.get_measurements()}
    said = [each.value.value for each in report.content.get_image_measurement_groups()[0].get_qualitative_evaluations()]
    assert said == ["CORRECT", "93655004"]


def test_dicom_in_and_dicom_out(stack: LocalStack, access: Access, portal: httpx.Client, web: DICOMwebClient) -> None:
    stream, plain = drawn_lesion(3), drawn_lesion(4)
    study = generate_uid()
    said = {"StudyInstanceUID": study, "SeriesInstanceUID": generate_uid(), "PatientID": "P-77", "PatientName": "Told^By Portal"}
    sent = dcmread(io.BytesIO(encapsulated(stream, width=WIDTH, height=HEIGHT, Modality="DMS", PixelSpacing=[0.05, 0.05], **said)))
    web.store_instances([sent])
    picture = {"images": ("lesion.jpg", plain, "image/jpeg")}
    posted = portal.post("/v1/cases", data={"case": json.dumps({"patient": {"reference": "P-78"}})}, files=picture)
    assert posted.status_code == 202, posted.text
    cases = [case["id"] for case in portal.get("/v1/cases").json()["cases"]]
    assert len(cases) == 2

    def analysed() -> bool:
        return all(portal.get(f"/v1/cases/{case}").json()["status"] == "awaiting_review" for case in cases)

    wait_for("answer", analysed)
    assert all(portal.get(f"/v1/cases/{case}").json()["dicom"] is None for case in cases)
    for case in cases:
        decide(stack, access, case)
    told = {case: portal.get(f"/v1/cases/{case}").json() for case in cases}
    by_dicom = next(case for case in cases if case != posted.json()["id"])

    found = results_of(web, study)
    assert set(found) == {"DMS", "SEG", "SR"}
    shown, source = pixel_array(to_file(found["DMS"])), decode(stream).rgb
    assert np.abs(shown.astype(int) - source).max() <= 1
    check_results(found, sent, portals_mask(portal, told[by_dicom]))
    assert str(found["SR"].PatientName) == "Told^By Portal"

    listed = wait_for("results", lambda: ready(portal, posted.json()["id"]))
    (minted,) = {each["study_uid"] for each in listed}
    assert portal.get(listed[0]["url"], headers={"Accept": "application/dicom"}).status_code == 200
    found = results_of(web, minted)
    assert set(found) == {"XC", "SEG", "SR"}
    assert {each["sop_instance_uid"] for each in listed} == {str(dataset.SOPInstanceUID) for dataset in found.values()}
    assert np.array_equal(decode(to_file(found["XC"]).getvalue()).rgb, decode(plain).rgb)
    check_results(found, found["XC"], portals_mask(portal, told[posted.json()["id"]]))


def to_file(dataset: Dataset) -> io.BytesIO:
    """The instance as a file again."""
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return io.BytesIO(out.getvalue())
