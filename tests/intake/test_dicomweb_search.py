"""QIDO-RS and the addresses of WADO-RS: what matches, what is returned, and that tenants see nothing of each other."""

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.uid import generate_uid

from tests.intake.conftest import Portal, Sender
from tests.intake.dicom_world import instance, opened, photograph, store
from tests.intake.test_bad_input import assert_problem

FIRST, SECOND = generate_uid(), generate_uid()
SERIES = generate_uid()


@pytest.fixture
def two(sender: Sender) -> Sender:
    """Two studies: of January with two instances in one series, and of March."""
    store(sender, *(instance(study=FIRST, series=SERIES, InstanceNumber=number, TrackingID="mole") for number in (1, 2)))
    march: dict[str, Any] = {"PatientID": "Q_5%", "StudyDate": "20260301", "StudyTime": "083000", "AccessionNumber": "", "Modality": "XC"}
    march |= {"AcquisitionDateTime": "20260301083000-0500", "PixelSpacing": [0.5, 0.5], "SeriesNumber": 7}
    store(sender, instance(study=SECOND, sop_class="1.2.840.10008.5.1.4.1.1.77.1.4", **march))
    return sender


def studies(sender: Sender, **query: Any) -> list[str]:
    answer = sender.get("/dicomweb/studies", **query)
    assert answer.status_code == 200, answer.text
    return [line["0020000D"]["Value"][0] for line in answer.get_json()]


MATCHES: list[tuple[dict[str, str], list[str]]] = [
    ({}, [FIRST, SECOND]),
    ({"PatientID": "P-77"}, [FIRST]),
    ({"00100020": "P-77"}, [FIRST]),
    ({"PatientID": "p-77"}, []),
    ({"PatientID": "P*"}, [FIRST]),
    ({"PatientID": "?-77"}, [FIRST]),
    ({"PatientID": "*"}, [FIRST, SECOND]),
    ({"PatientID": ""}, [FIRST, SECOND]),
    ({"PatientID": "Q_5%"}, [SECOND]),
    ({"PatientID": "P_7*"}, []),
    ({"PatientID": "Q_5%*"}, [SECOND]),
    ({"StudyDate": "20260110"}, [FIRST]),
    ({"StudyDate": "20260101-20260131"}, [FIRST]),
    ({"StudyDate": "20260111-"}, [SECOND]),
    ({"StudyDate": "-20260110"}, [FIRST]),
    ({"StudyTime": "08-09"}, [SECOND]),
    ({"AcquisitionDateTime": "20260301083000-0500"}, [SECOND]),
    ({"AcquisitionDateTime": "2026-202601"}, [FIRST]),
    ({"StudyInstanceUID": f"{FIRST},{SECOND}"}, [FIRST, SECOND]),
    ({"StudyInstanceUID": f"{SECOND}\\1.2.3"}, [SECOND]),
    ({"ModalitiesInStudy": "XC"}, [SECOND]),
    ({"ModalitiesInStudy": "XC\\DMS"}, [FIRST, SECOND]),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.7"}, [FIRST]),
    ({"InstanceNumber": "02"}, [FIRST]),
    ({"SeriesNumber": "7"}, [SECOND]),
    ({"PixelSpacing": "0.50"}, [SECOND]),
    ({"TrackingID": "mole"}, [FIRST]),
    ({"AccessionNumber": "A-9", "PatientID": "P-77"}, [FIRST]),
    ({"AccessionNumber": "A-9", "PatientID": "P-78"}, []),
    ({"PatientName": "SECRET*"}, []),
    ({"AnatomicRegionSequence.CodeValue": "1"}, []),
    ({"00091001": "x"}, []),
    ({"limit": "1"}, [FIRST]),
    ({"limit": "1", "offset": "1"}, [SECOND]),
    ({"offset": "2"}, []),
    ({"limit": "0"}, []),
]


@pytest.fixture
def rows(two: Sender) -> Callable[[dict[str, str]], list[str]]:
    return lambda query: studies(two, **query)


def test_studies_are_matched_as_the_standard_says(rows: Callable[[dict[str, str]], list[str]]) -> None:
    assert [(query, rows(query)) for query, _ in MATCHES] == MATCHES


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"limit": "-1"}, "invalid_query"),
        ({"limit": "many"}, "invalid_query"),
        ({"offset": "99999999999"}, "invalid_query"),
        ({"StudyDate": "yesterday"}, "invalid_query"),
        ({"StudyDate": "20260101-20260102-20260103"}, "invalid_query"),
        ({"PatientID": "a\0b"}, "invalid_query"),
        ({"SeriesNumber": "one"}, "invalid_query"),
        ({"PatientsID": "P-77"}, "unknown_attribute"),
        ({"PatientID.": "P-77"}, "unknown_attribute"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(sender: Sender, query: dict[str, str], reason: str) -> None:
    assert_problem(sender.get("/dicomweb/studies", **query), 400, reason)


def test_each_level_has_its_attributes(two: Sender) -> None:
    (study,) = two.get("/dicomweb/studies", PatientID="P-77").get_json()
    assert {"00080020", "00080061", "00100020", "00201208", "00081190"} <= set(study)
    assert not {"0020000E", "00080018", "00280010", "00080070"} & set(study)
    (series,) = two.get(f"/dicomweb/studies/{FIRST}/series").get_json()
    assert {"0020000E", "00080060", "00201209"} <= set(series)
    assert "00080018" not in series
    lines = two.get(f"/dicomweb/studies/{FIRST}/series/{SERIES}/instances").get_json()
    assert [line["00280010"]["Value"] for line in lines] == [[64], [64]]
    assert len(two.get(f"/dicomweb/studies/{FIRST}/instances").get_json()) == 2
    assert len(two.get("/dicomweb/series").get_json()) == 2
    assert len(two.get("/dicomweb/instances", Modality="DMS").get_json()) == 2


def test_further_attributes_are_added_on_request(two: Sender) -> None:
    for asked in ("Manufacturer", "00080070", "TrackingID,Manufacturer", "all"):
        (study,) = two.get("/dicomweb/studies", PatientID="P-77", includefield=asked).get_json()
        assert study["00080070"]["Value"] == ["Lens & Co"]
        assert "00080018" not in study


def test_what_is_not_done_is_told_in_a_warning(two: Sender) -> None:
    answer = two.get("/dicomweb/studies", fuzzymatching="true")
    assert answer.headers["Warning"].startswith("299 dermatrail")
    assert "Warning" not in two.get("/dicomweb/studies", fuzzymatching="false", limit=1).headers


def test_only_json_is_sent(two: Sender) -> None:
    headers = two.portal.headers
    for accept in ("application/dicom+json", "application/json", "*/*", "application/*", ""):
        answer = two.client.get("/dicomweb/studies", headers=headers | {"Accept": accept})
        assert (answer.status_code, answer.content_type) == (
            200,
            "application/json" if accept == "application/json" else "application/dicom+json",
        )
    refused = two.client.get("/dicomweb/studies", headers=headers | {"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert_problem(refused, 406, "not_acceptable")


ACCEPTED = [
    ("*/*", "multipart/related"),
    ('multipart/related; type="application/dicom"', "multipart/related"),
    ('multipart/related; type="application/dicom"; transfer-syntax=*', "multipart/related"),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', "multipart/related"),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', None),
    ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1, */*;q=0.1', "multipart/related"),
    ("application/dicom", "application/dicom"),
    ("application/dicom; transfer-syntax=*", "application/dicom"),
    ("image/jpeg", None),
    ('multipart/related; type="image/jpeg"', None),
]


def test_files_are_sent_as_they_are_stored_or_not_at_all(sender: Sender) -> None:
    sent = opened(photograph())
    store(sender, photograph(StudyInstanceUID=sent.StudyInstanceUID))
    for accept, media_type in ACCEPTED:
        answer = sender.client.get(f"/dicomweb/studies/{sent.StudyInstanceUID}", headers=sender.portal.headers | {"Accept": accept})
        if media_type is None:
            assert_problem(answer, 406, "not_acceptable")
        else:
            assert (answer.status_code, answer.mimetype) == (200, media_type)
    answer = sender.get(f"/dicomweb/studies/{sent.StudyInstanceUID}", accept="application/dicom")
    assert answer.mimetype == "application/dicom"


def test_tenants_see_nothing_of_each_other(sender: Sender, new_portal: Callable[[], Portal]) -> None:
    study, series, uid = generate_uid(), generate_uid(), generate_uid()
    file = instance(study=study, series=series, uid=uid)
    store(sender, file)
    other = Sender(sender.client, new_portal())
    places = [f"/studies/{study}", f"/studies/{study}/series/{series}", f"/studies/{study}/series/{series}/instances/{uid}"]
    ends = ["", "/metadata"]
    for address in [f"{place}{end}" for place in places for end in ends] + [f"{places[2]}/{end}" for end in ("rendered", "frames/1")]:
        assert sender.get(f"/dicomweb{address}").status_code == 200, address
        assert_problem(other.get(f"/dicomweb{address}"), 404, "instance_not_found")
    for address in ("studies", "series", "instances", f"studies/{study}/series"):
        assert other.get(f"/dicomweb/{address}").get_json() == []
    # The same file is theirs once they have sent it, and neither hears of the other's.
    assert store(other, file).status_code == 200
    assert [len(each.get("/dicomweb/instances").get_json()) for each in (sender, other)] == [1, 1]


@pytest.mark.parametrize("uid", ["1.2.3", "words", "1" * 65, "1..2", "%00", "1.2'--"])
def test_what_is_not_there_is_not_found(sender: Sender, uid: str) -> None:
    assert_problem(sender.get(f"/dicomweb/studies/{uid}"), 404, "instance_not_found")


def test_frames_and_bulk_data_that_do_not_exist_are_named(sender: Sender) -> None:
    study, series, uid = generate_uid(), generate_uid(), generate_uid()
    store(sender, instance(study=study, series=series, uid=uid))
    place = f"/dicomweb/studies/{study}/series/{series}/instances/{uid}"
    assert_problem(sender.get(f"{place}/frames/2"), 404, "frame_not_found")
    assert_problem(sender.get(f"{place}/frames/0"), 404, "frame_not_found")
    assert_problem(sender.get(f"{place}/frames/one"), 400, "invalid_frames")
    assert_problem(sender.get(f"{place}/bulkdata/00100010"), 404, "no_bulk_data")
    assert_problem(sender.client.get(f"{place}/rendered", headers=sender.portal.headers | {"Accept": "image/gif"}), 406, "not_acceptable")
