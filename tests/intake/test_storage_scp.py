"""The DICOM listener, called by pynetdicom's own client as devices call it."""

import datetime as dt
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.events import EVT_CONN_OPEN
from sqlalchemy import text

from infra.local import LocalStack
from services.intake import storage_scp
from services.intake.context import Backends
from services.intake.storage_scp import Listener, read_peers, tls
from services.settings import Settings, SettingsError
from tests.conftest import ROOT
from tests.intake.conftest import Backstage, Contents, Portal, Sender
from tests.intake.dicom_world import DERMOSCOPIC, free_port, instance, opened, photograph, store
from tests.pictures.samples import gradient

TITLE = "CAMERA1"
ECHO = "1.2.840.10008.1.1"


@contextmanager
def listening(settings: Settings, portal: Portal, **changes: Any) -> Iterator[int]:
    said = {"dicom_port": 0, "dicom_peers": SecretStr(f"{TITLE}={portal.key}, OTHER=dmt_000000000000_{'x' * 43}")}
    backends = Backends.connect(settings.model_copy(update=said | changes))
    listener = Listener(backends)
    yield listener.start()
    listener.stop()
    backends.database.close()
    backends.files.shutdown()
    backends.doorbell.close()


@pytest.fixture
def port(intake_settings: Settings, portal: Portal) -> Iterator[int]:
    with listening(intake_settings, portal) as found:
        yield found


@contextmanager
def call(port: int, *, title: str = TITLE, called: str = "DERMATRAIL", context: ssl.SSLContext | None = None) -> Iterator[Association]:
    entity = AE(title)
    entity.add_requested_context(ECHO)
    entity.add_requested_context(DERMOSCOPIC, ExplicitVRLittleEndian)
    entity.add_requested_context(DERMOSCOPIC, JPEGBaseline8Bit)
    entity.acse_timeout = entity.dimse_timeout = 20
    sockets: list[Any] = []
    opened: list[Any] = [(EVT_CONN_OPEN, lambda event: sockets.append(event.assoc.dul.socket.socket))]
    secured = (context, "127.0.0.1") if context else None
    association = entity.associate("127.0.0.1", port, ae_title=called, tls_args=secured, evt_handlers=opened)
    yield association
    if association.is_established:
        association.release()
    for each in sockets:  # pynetdicom leaves a socket open whose peer has gone first
        each.close()


def statuses(association: Association, *files: Dataset) -> list[tuple[int, str]]:
    answers = [association.send_c_store(file) for file in files]
    return [(answer.Status, answer.get("ErrorComment", "")) for answer in answers]


def test_it_answers_an_echo(port: int) -> None:
    with call(port) as association:
        assert association.send_c_echo().Status == 0x0000


def test_a_study_that_is_sent_is_one_case(port: int, sender: Sender, contents: Contents) -> None:
    study = generate_uid()
    sent = [opened(instance(study=study)), opened(photograph(StudyInstanceUID=study))]
    with call(port) as association:
        assert statuses(association, *sent) == [(0x0000, ""), (0x0000, "")]
    (case,) = sender.get("/v1/cases").get_json()["cases"]
    assert (case["patient_reference"], case["image_count"]) == ("P-77", 2)
    found = sender.get(f"/dicomweb/studies/{study}/instances").get_json()
    assert [line["00080018"]["Value"][0] for line in found] == [each.SOPInstanceUID for each in sent]
    with contents.engine.connect() as connection:
        actors = connection.execute(text("SELECT DISTINCT actor_kind FROM audit_events WHERE action IN ('case.accepted', 'images.added')"))
        assert actors.scalars().all() == ["portal"]
    with call(port) as association:
        assert statuses(association, *sent) == [(0x0000, ""), (0x0000, "")]
    assert contents.rows("images") == 2


def test_what_comes_back_has_the_pixels_that_were_sent(port: int, sender: Sender) -> None:
    sent = opened(photograph())
    with call(port) as association:
        statuses(association, sent)
    place = f"studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}/instances/{sent.SOPInstanceUID}"
    back = opened(sender.get(f"/dicomweb/{place}", accept="application/dicom").data)
    assert back == sent


def test_what_is_not_taken_is_answered_with_its_reason(intake_settings: Settings, portal: Portal, contents: Contents) -> None:
    renamed = opened(instance())
    renamed.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    files = [opened(instance(NumberOfFrames=2)), opened(instance(PatientID="")), opened(instance(SeriesInstanceUID="")), renamed]
    large = opened(instance(Rows=500, Columns=500, PixelData=gradient(500, 500).tobytes()))
    with listening(intake_settings, portal, max_file_bytes=400_000) as port, call(port) as association:
        assert statuses(association, *files[:3], large) == [
            (0xA900, "multi_frame"),
            (0xA900, "patient_id_missing"),
            (0xC000, "uids_missing"),
            (0xA700, "file_too_large"),
        ]
    contents.assert_nothing_stored(portal)


def test_a_message_without_end_is_cut_off(intake_settings: Settings, portal: Portal, contents: Contents) -> None:
    endless = opened(instance(Rows=1500, Columns=1500, PixelData=bytes(1500 * 1500 * 3)))
    with listening(intake_settings, portal, max_file_bytes=400_000) as port, call(port) as association:
        assert "Status" not in association.send_c_store(endless)
    contents.assert_nothing_stored(portal)


def test_a_peer_that_announces_without_end_harms_nobody(intake_settings: Settings, portal: Portal) -> None:
    with listening(intake_settings, portal, max_file_bytes=100_000) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(b"\x01\x00\xff\xff\xff\xff")
            with pytest.raises(OSError, match=r"reset|pipe"):
                raw.sendall(bytes(100_000_000))
        with call(port) as association:
            assert association.send_c_echo().Status == 0x0000


def test_more_connections_than_are_taken_are_closed(intake_settings: Settings, portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_scp, "GREETING_SECONDS", 1)
    with listening(intake_settings, portal, dicom_associations=2) as port, ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(5)]
        assert silent[-1].recv(1) == b""


@pytest.mark.parametrize(("title", "called"), [("STRANGER", "DERMATRAIL"), (TITLE, "SOMEBODY")])
def test_who_is_not_known_or_calls_another_is_turned_away(port: int, title: str, called: str) -> None:
    with call(port, title=title, called=called) as association:
        assert association.is_rejected


def test_a_revoked_key_shuts_the_door(port: int, contents: Contents, portal: Portal) -> None:
    with contents.engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET revoked_at = now()"))
    for title in (TITLE, "OTHER"):
        with call(port, title=title) as association:
            assert statuses(association, opened(instance())) == [(0x0124, "key_revoked")]
    contents.assert_nothing_stored(portal)


def test_success_is_told_only_when_the_instance_is_stored(intake_settings: Settings, portal: Portal, contents: Contents) -> None:
    with listening(intake_settings, portal, s3_endpoint="127.0.0.1:1") as port, call(port) as association:
        assert statuses(association, opened(instance())) == [(0xA700, "unavailable")]
    contents.assert_nothing_stored(portal)
    nowhere = SecretStr("postgresql+psycopg2://a:b@127.0.0.1:1/c")
    with listening(intake_settings, portal, database_url=nowhere) as port, call(port) as association:
        assert statuses(association, opened(instance())) == [(0xA700, "unavailable")]


def test_an_error_of_ours_is_a_failure_and_not_the_end(
    port: int, contents: Contents, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    with contents.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs ADD CONSTRAINT none_today CHECK (false) NOT VALID")
    try:
        with call(port) as association:
            assert statuses(association, opened(instance())) == [(0x0110, "internal_error")]
            assert association.send_c_echo().Status == 0x0000
    finally:
        with contents.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs DROP CONSTRAINT none_today")
    contents.assert_nothing_stored(portal)
    assert "could not be stored" in caplog.text


def test_both_doors_lead_to_the_same_case(port: int, sender: Sender, backstage: Backstage, portal: Portal) -> None:
    study = generate_uid()
    store(sender, instance(study=study))
    with call(port) as association:
        assert statuses(association, opened(instance(study=study))) == [(0x0000, "")]
    (case,) = sender.get("/v1/cases").get_json()["cases"]
    assert case["image_count"] == 2
    backstage.analyse()
    backstage.confirm(portal, case["id"])
    with call(port) as association:
        statuses(association, opened(instance(study=study)))
    assert len(sender.get("/v1/cases").get_json()["cases"]) == 2


@pytest.mark.parametrize("text", ["", "CAMERA1", "CAMERA1=word", f"{'X' * 17}=dmt_1", "A=dmt_1,A=dmt_2"])
def test_peers_that_cannot_be_meant_are_named_without_their_keys(text: str) -> None:
    with pytest.raises(SettingsError, match="DERMATRAIL_DICOM_PEERS") as found:
        read_peers(text)
    assert "dmt_" not in str(found.value)


def certificate(folder: Path) -> Path:
    """A certificate of its own authority with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    made = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "listener.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_calls_can_be_encrypted_and_callers_asked_for_a_certificate(intake_settings: Settings, portal: Portal, tmp_path: Path) -> None:
    path = certificate(tmp_path)
    known, unknown = (ssl.create_default_context(cafile=str(path)) for _ in range(2))
    for context in (known, unknown):
        context.check_hostname = False
    known.load_cert_chain(path)
    with listening(intake_settings, portal, dicom_tls_certificate=path, dicom_tls_ca=path) as port:
        with call(port, context=known) as association:
            assert association.send_c_echo().Status == 0x0000
        with call(port, context=unknown) as association:
            assert not association.is_established
        with call(port) as association:
            assert not association.is_established


def test_certificates_that_cannot_be_used_are_named(intake_settings: Settings, tmp_path: Path) -> None:
    for changes in ({"dicom_tls_key": tmp_path / "a"}, {"dicom_tls_certificate": tmp_path / "none"}):
        with pytest.raises(SettingsError, match="DERMATRAIL_DICOM_TLS"):
            tls(intake_settings.model_copy(update=changes))


def test_the_process_listens_and_ends_when_it_is_told(stack: LocalStack, portal: Portal) -> None:
    port = free_port()
    said = {"DERMATRAIL_DICOM_PORT": str(port), "DERMATRAIL_DICOM_PEERS": f"{TITLE}={portal.key}"}
    environment = {**os.environ, **stack.environment("intake"), **said}
    command = [sys.executable, "-m", "services.intake.storage_scp"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert "DICOM listener on port" in process.stdout.readline()
        with call(port) as association:
            assert statuses(association, opened(instance())) == [(0x0000, "")]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert "P-77" not in rest
