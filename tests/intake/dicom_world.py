"""DICOM instances as a portal's devices make them, and clients that nobody here wrote."""

import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydicom
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import UID, generate_uid
from werkzeug.test import TestResponse

from infra.local import LocalStack
from tests.conftest import ROOT
from tests.intake.conftest import Portal, Sender
from tests.pictures.samples import DERMOSCOPIC, dicom_bytes, encapsulated, gradient, jpeg
from tests.pictures.samples import dataset as plain

HEADER = {
    "Modality": "DMS",
    "PatientID": "P-77",
    "PatientSex": "F",
    "PatientBirthDate": "19610504",
    "StudyDate": "20260110",
    "StudyTime": "101500",
    "AccessionNumber": "A-9",
    "BodyPartExamined": "BACK",
    "ImageLaterality": "L",
    "PixelSpacing": [0.05, 0.05],
    "AcquisitionDateTime": "20260110101500+0000",
    "Manufacturer": "Lens & Co",
    "SeriesNumber": 1,
    "InstanceNumber": 1,
}
BOUNDARY = "some-boundary"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def instance(*, study: str | None = None, series: str | None = None, uid: str | None = None, **changes: Any) -> bytes:
    """A dermoscopic photograph without compression."""
    said: dict[str, Any] = HEADER | {"StudyInstanceUID": study or generate_uid(), "SeriesInstanceUID": series or generate_uid()} | changes
    built = plain(gradient(), **said)
    if uid:
        built.file_meta.MediaStorageSOPInstanceUID = built.SOPInstanceUID = UID(uid)
    return dicom_bytes(built)


def photograph(stream: bytes | None = None, *, width: int = 96, height: int = 64, **changes: Any) -> bytes:
    """The same around a JPEG stream."""
    said: dict[str, Any] = HEADER | {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()} | changes
    return encapsulated(stream or jpeg(), width=width, height=height, **said)


def opened(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def related(*files: bytes, part_type: str = "application/dicom") -> bytes:
    """A multipart/related body."""
    parts = [f"--{BOUNDARY}\r\nContent-Type: {part_type}\r\n\r\n".encode() + data + b"\r\n" for data in files]
    return b"".join(parts) + f"--{BOUNDARY}--".encode()


def store(sender: Sender, *files: bytes, path: str = "/dicomweb/studies", accept: str = "application/dicom+json") -> TestResponse:
    """Store through the application, without a network between."""
    headers = sender.portal.headers | {"Accept": accept}
    return sender.client.post(path, data=related(*files), headers=headers, content_type=RELATED)


def failures(answer: TestResponse) -> list[tuple[int, str]]:
    """Codes and words of what was not stored."""
    body = answer.get_json()
    items = [item for tag in ("00081198", "0008119A") for item in body.get(tag, {}).get("Value", [])]
    return [(item["00081197"]["Value"][0], item["00000902"]["Value"][0]) for item in items]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(stack: LocalStack, *command: str, ready: str | int, **settings: str) -> Iterator[None]:
    """A process of the product with the intake's login, once it answers at an address or port."""
    environment = {**os.environ, **stack.environment("intake"), **settings}
    running = subprocess.Popen([sys.executable, "-m", *command], env=environment, cwd=ROOT)
    try:
        for _ in range(200):
            if running.poll() is None and _answers(ready):
                break
            time.sleep(0.1)
        yield
    finally:
        running.terminate()
        running.wait(20)


def _answers(ready: str | int) -> bool:
    try:
        if isinstance(ready, int):
            socket.create_connection(("127.0.0.1", ready), timeout=1).close()
        else:
            urllib.request.urlopen(ready, timeout=5).close()
    except OSError:
        return False
    return True


def client(url: str, portal: Portal) -> DICOMwebClient:
    return DICOMwebClient(f"{url}/dicomweb", headers=portal.headers)


__all__ = ["DERMOSCOPIC"]
