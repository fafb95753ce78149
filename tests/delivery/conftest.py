"""A portal with a webhook, a receiver on this machine, and a deliverer whose clock the test moves."""

import random
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from services.addresses import AddressPolicy
from services.exchange.signatures import new_secret
from services.records import webhooks
from services.records.delivery_log import DeliveryView, list_deliveries
from services.records.portal_events import PortalEventKind, add_event
from services.records.seal import Seal
from services.records.webhooks import EndpointView
from tests.records.conftest import behind, case_id, logins, other, portal, quick_passwords, second_reads, statements, worker  # noqa: F401
from tests.records.worlds import Portal
from workers.delivering import Deliverer
from workers.webhook_calls import Caller

SEAL_KEY = Fernet.generate_key().decode()
SEAL = Seal.of(SEAL_KEY)
LOCAL = AddressPolicy((ip_network("127.0.0.0/8"),), http=True)
MEMBERS = {"lesion_id": str(UUID(int=1))}


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as the receiver saw it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


Behaviour = Callable[[Heard], Reply | None]


class Receiver:
    """A web server of a portal. ``behaviour`` may be exchanged at any time; None from it: the connection is dropped."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self.behaviour: Behaviour = lambda _: Reply()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                heard = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.heard.append(heard)
                if (reply := receiver.behaviour(heard)) is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A caller that hangs up is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def receiving(**options: Any) -> Iterator[Receiver]:
    made = Receiver(**options)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **length: float) -> None:
        self.now += timedelta(**length)


@dataclass(frozen=True, slots=True)
class Hook:
    """An endpoint of a portal."""

    portal: Portal
    id: UUID
    secret: str

    def view(self) -> EndpointView:
        with self.portal.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            return webhooks.get_endpoint(session=session, tenant_id=self.portal.tenant_id, endpoint_id=self.id)

    def log(self) -> list[DeliveryView]:
        """Its deliveries, the oldest event first."""
        with self.portal.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            page = list_deliveries(session=session, tenant_id=self.portal.tenant_id, endpoint_id=self.id, limit=10_000)
        return list(reversed(page.deliveries))

    def do(self, step: Callable[..., Any], **said: Any) -> Any:
        """Call a function of the records about this endpoint."""
        with self.portal.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            return step(session=session, tenant_id=self.portal.tenant_id, endpoint_id=self.id, actor=self.portal.actor, **said)


def hook(portal: Portal, url: str, *kinds: PortalEventKind) -> Hook:  # noqa: F811
    """Make an endpoint."""
    secret = new_secret()
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        endpoint_id = webhooks.create_endpoint(
            session=session, tenant_id=portal.tenant_id, url=url, kinds=kinds, secret=secret, seal=SEAL, actor=portal.actor
        )
    return Hook(portal, endpoint_id, secret)


def tell(portal: Portal, *, kind: PortalEventKind = PortalEventKind.LESION_ALERT, number: int = 1) -> list[UUID]:  # noqa: F811
    """Events without anything around them."""
    with portal.logins.worker.transaction() as session:
        about: dict[str, Any] = {"session": session, "tenant_id": portal.tenant_id, "kind": kind, "subject_kind": "lesion"}
        return [add_event(**about, subject_id=uuid4(), payload=MEMBERS) for _ in range(number)]


MakeDeliverer = Callable[..., Deliverer]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deliverer_of(portal: Portal, clock: Clock) -> Iterator[MakeDeliverer]:  # noqa: F811
    """`deliverer_of(calls=…)`: processes that tell portals; all share the clock."""
    made: list[Deliverer] = []

    def make(**changes: Any) -> Deliverer:
        values: dict[str, Any] = {
            "transaction": portal.logins.worker.transaction,
            "calls": Caller(LOCAL, total_seconds=2.0),
            "seal": SEAL,
            "owner": f"delivery-{len(made)}",
            "stopping": threading.Event(),
            "clock": clock,
            "chance": random.Random(1),
        }
        made.append(Deliverer(**{**values, **changes}))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def deliverer(deliverer_of: MakeDeliverer) -> Deliverer:
    return deliverer_of()
