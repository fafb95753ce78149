"""The DICOM listener: C-STORE and C-ECHO (PS3.4 B, A) for devices and archives that speak no HTTP. A process of its own.

An AE title is a name and no secret, so each one that may call stands for a portal's API key: what it sends is stored as if the portal
had sent it with that key, and revoking the key shuts the door. Over networks that others share, use TLS with client certificates.
Success is answered when the instance is stored durably, never before.
"""

import io
import logging
import signal
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.pictures.dicom import SOP_CLASSES, TRANSFER_SYNTAXES
from models.pictures.dicom_facts import read_identity
from services.intake.context import Backends
from services.intake.dicomweb_failures import Failure, Status
from services.intake.dicomweb_store import receive_instances
from services.intake.uploads import UploadedFile
from services.records.access import Portal, authenticate_key
from services.records.errors import AccessDenied, DatabaseUnavailable
from services.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.events import Event

    from services.intake.storage_server import StorageServer

log = logging.getLogger(__name__)
SUCCESS = 0x0000
LONGEST_COMMENT = 64
LONGEST_TITLE = 16
# What a message has beside its data set: command set and PDU headers.
OVERHEAD_BYTES = 1024 * 1024
PDU_BYTES = 128 * 1024
TIMEOUT_SECONDS = 60
# Who connects and says nothing (a port scan, a probe) counts as a caller for as long.
GREETING_SECONDS = 10
GRACE_SECONDS = 20


def read_peers(text: str) -> dict[str, str]:
    """API keys by calling AE title, from ``TITLE=key`` separated by commas. Raises SettingsError, which repeats no key."""
    peers: dict[str, str] = {}
    for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        title, _, key = (part.strip() for part in entry.partition("="))
        if not 1 <= len(title) <= LONGEST_TITLE or not key.startswith("dmt_") or title in peers:
            raise SettingsError(f"DERMATRAIL_DICOM_PEERS: entry {place} should be an AE title of its own, '=' and a portal's API key.")
        peers[title] = key
    if not peers:
        raise SettingsError("DERMATRAIL_DICOM_PEERS: name who may call, as TITLE=key separated by commas.")
    return peers


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and Error Comment of a response."""

    status: int
    comment: str = ""


class Listener:
    """Receives instances until it is stopped."""

    def __init__(self, backends: Backends) -> None:
        self.backends = backends
        self.peers = read_peers(_plain(backends.settings))
        self._server: StorageServer | None = None

    def start(self) -> int:
        """Listen, and return the port (which the system chooses where the settings say 0)."""
        from pynetdicom import evt

        from services.intake.storage_server import StorageServer

        settings = self.backends.settings
        entity: Any = _entity(settings, list(self.peers))
        server: StorageServer = entity.make_server(
            (settings.dicom_address, settings.dicom_port),
            evt_handlers=[(evt.EVT_C_STORE, self.stored), (evt.EVT_C_ECHO, lambda _: SUCCESS)],
            ssl_context=tls(settings),
            server_class=StorageServer,
            limit=settings.max_file_bytes + OVERHEAD_BYTES,
            timeout=TIMEOUT_SECONDS,
            most=2 * settings.dicom_associations,
        )
        entity._servers.append(server)  # noqa: SLF001 - what start_server does, which takes no class of ours
        threading.Thread(target=server.serve_forever, name="listener", daemon=True).start()
        self._server, port = server, int(server.server_address[1])
        log.info("DICOM listener on port %d for %d calling AE titles", port, len(self.peers))
        return port

    def stop(self) -> None:
        """Take no more calls; let those that run come to their end."""
        if self._server is None:
            return
        entity = self._server.ae
        self._server.shutdown()
        until = time.monotonic() + GRACE_SECONDS
        while any(each.is_established for each in entity.active_associations) and time.monotonic() < until:
            time.sleep(0.05)
        entity.shutdown()
        self._server = None

    def stored(self, event: "Event") -> "Dataset":
        """Answer a C-STORE request."""
        from pydicom import Dataset

        connection: Any = event.assoc.dul.socket
        connection.socket.begin_message()
        try:
            answer = self._store(event)
        except Exception:
            # The message of an error may repeat what is in the file; where it happened is enough to find it.
            log.exception("an instance could not be stored")
            answer = Answer(Status.PROCESSING_FAILURE, "internal_error")
        log.info("C-STORE %s: %04X %s", event.assoc.requestor.ae_title, answer.status, answer.comment)
        response = Dataset()
        response.Status = int(answer.status)
        if answer.comment:
            response.ErrorComment = answer.comment[:LONGEST_COMMENT]
        return response

    def _store(self, event: "Event") -> Answer:
        try:
            portal = self._portal(event.assoc.requestor.ae_title)
        except DatabaseUnavailable:
            return Answer(Status.OUT_OF_RESOURCES, "unavailable")
        if portal is None:
            return Answer(Status.NOT_AUTHORISED, "key_revoked")
        data = event.encoded_dataset()
        if len(data) > self.backends.settings.max_file_bytes:
            return Answer(Status.OUT_OF_RESOURCES, "file_too_large")
        announced = str(getattr(event.request, "AffectedSOPInstanceUID", ""))
        if read_identity(io.BytesIO(data))[3] not in ("", announced):
            return Answer(Status.DATA_SET_MISMATCH, "instance_differs_from_command")
        upload = UploadedFile("instance.dcm", io.BytesIO(data))
        (outcome,) = receive_instances(backends=self.backends, portal=portal, uploads=[upload])
        return _answer(outcome.failure, outcome.warning)

    def _portal(self, title: str) -> Portal | None:
        try:
            with self.backends.database.transaction() as session:
                return authenticate_key(session=session, plain=self.peers.get(title.strip(), ""))
        except AccessDenied:
            return None


def _plain(settings: Settings) -> str:
    return settings.dicom_peers.get_secret_value() if settings.dicom_peers else ""


def _answer(failure: Failure | None, warning: Status | None) -> Answer:
    return Answer(failure.status, failure.reason) if failure else Answer(warning or SUCCESS)


def _entity(settings: Settings, callers: list[str]) -> "ApplicationEntity":
    """Who listens: which objects in which transfer syntaxes, for whom, and for how many at a time."""
    from pynetdicom.ae import ApplicationEntity

    entity = ApplicationEntity(settings.dicom_title)
    entity.require_called_aet = True
    entity.require_calling_aet = callers
    entity.maximum_associations = settings.dicom_associations
    entity.maximum_pdu_size = PDU_BYTES
    entity.acse_timeout = GREETING_SECONDS
    entity.dimse_timeout = entity.network_timeout = TIMEOUT_SECONDS
    entity.add_supported_context("1.2.840.10008.1.1")
    for sop_class in SOP_CLASSES:
        entity.add_supported_context(sop_class, sorted(TRANSFER_SYNTAXES))
    return entity


def tls(settings: Settings) -> ssl.SSLContext | None:
    """How calls are encrypted; None without a certificate. With ``dicom_tls_ca`` callers show certificates of it. Raises SettingsError."""
    if settings.dicom_tls_certificate is None:
        if settings.dicom_tls_key or settings.dicom_tls_ca:
            raise SettingsError("DERMATRAIL_DICOM_TLS_CERTIFICATE: needed beside the key and the authority.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.dicom_tls_certificate, settings.dicom_tls_key)
        if settings.dicom_tls_ca:
            context.load_verify_locations(settings.dicom_tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("DERMATRAIL_DICOM_TLS_*: certificate, key or authority cannot be read as PEM files.") from error
    return context


def main() -> None:
    """Listen until SIGTERM or SIGINT."""
    from services.logs import configure_logging
    from services.memory import settle
    from services.settings import load_settings

    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    configure_logging()
    try:
        listener = Listener(Backends.connect(load_settings()))
        listener.start()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    settle()
    asked.wait()
    listener.stop()


if __name__ == "__main__":
    main()
