"""All DICOM files through the door: each is stored or named with its reason, whatever is in it."""

from collections import Counter

import pytest

from models.pictures.errors import PictureRefused, RefusalReason
from models.pictures.inspect import inspect
from tests.intake.conftest import Contents, Sender
from tests.intake.dicom_world import failures, store
from tests.pictures.dicom_files import every_file

OURS = {"patient_id_missing", "uids_missing", "instance_differs", "patient_differs", "not_dicom"}


def acceptable(data: bytes) -> bool:
    try:
        return inspect(data).dicom is not None
    except PictureRefused:
        return False


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_each_file_is_stored_or_named_with_its_reason(sender: Sender, contents: Contents) -> None:
    files = [path.read_bytes() for path in every_file()]
    found: Counter[str] = Counter()
    for start in range(0, len(files), 20):
        answer = store(sender, *files[start : start + 20])
        assert answer.status_code in (200, 202, 409), answer.text
        stored = answer.get_json().get("00081199", {}).get("Value", [])
        reasons = [reason for _, reason in failures(answer)]
        assert len(stored) + len(reasons) == len(files[start : start + 20])
        found.update(reasons, stored=len(stored))
    assert set(found) <= OURS | {reason.value for reason in RefusalReason} | {"stored"}
    # What is a picture goes in, but for what a header lacks; the rest is refused for what it is.
    pictures = sum(acceptable(data) for data in files)
    assert found["stored"] >= 10
    assert found["stored"] + sum(found[reason] for reason in OURS) >= pictures - found["damaged"]
    assert contents.rows("images") == contents.rows("dicom_instances") <= found["stored"]
    assert_readable(sender, contents.rows("dicom_instances"))


def assert_readable(sender: Sender, count: int) -> None:
    """Header, frame and picture of everything that was stored can be had."""
    lines = sender.get("/dicomweb/instances", limit=1000).get_json()
    assert len(lines) == count
    for line in lines:
        place = line["00081190"]["Value"][0].removeprefix("http://localhost")
        for end in ("/metadata", "/frames/1", "/rendered"):
            answer = sender.get(f"{place}{end}")
            assert (answer.status_code, bool(answer.data)) == (200, True), (end, answer.text)
