"""One call: where it may go, what it takes from the answer, and how long it may last. Against real servers."""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.addresses import AddressPolicy, AddressRefused
from services.settings import SettingsError
from tests.conftest import SettingsFor
from tests.delivery.conftest import LOCAL, Receiver, Reply, receiving
from workers.webhook_calls import Called, Caller, resolved, retry_after, trusted

NAME = "portal.example"
BODY = b'{"type":"webhook.ping"}'


def call(url: str, *, policy: AddressPolicy = LOCAL, seconds: float = 1.0, addresses: Sequence[str] = ("127.0.0.1",)) -> Called:
    """Call as the process does; every name leads to `addresses`."""
    return Caller(policy, resolve=lambda *_: list(addresses), total_seconds=seconds).call(url=url, headers={"webhook-id": "1"}, body=BODY)


REFUSED = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_never_connected_to(address: str) -> None:
    assert not AddressPolicy().admits(address)
    came = call("https://portal.example/", policy=AddressPolicy(), addresses=[address])
    assert (came.reason, came.address) == ("The address is not a public one.", None)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_admitted(address: str) -> None:
    assert AddressPolicy().admits(address)


def test_named_networks_are_admitted_and_nothing_beside_them() -> None:
    policy = AddressPolicy((ip_network("10.20.0.0/16"), ip_network("fd12:3456::/32")))
    assert [policy.admits(address) for address in ("10.20.3.4", "fd12:3456::9", "10.21.0.1", "fd12:3457::1", "::ffff:10.20.0.1")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_setting_that_is_no_network_is_named(settings_for: SettingsFor) -> None:
    settings = settings_for("intake")
    assert AddressPolicy.of(settings).networks == (ip_network("127.0.0.0/8"),)
    assert AddressPolicy.of(settings.model_copy(update={"webhook_networks": "", "webhook_http": False})) == AddressPolicy()
    with pytest.raises(SettingsError, match="DERMATRAIL_WEBHOOK_NETWORKS"):
        AddressPolicy.of(settings.model_copy(update={"webhook_networks": "10.0.0.1/8"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example/",
        "ftp://portal.example/",
        "file:///etc/passwd",
        "https://",
        "https:///hooks",
        "https://localhost/",
        "https://printer/",
        "https://metadata.google.internal/",
        "https://router.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[bad/",
        "https://portal.example:22/",
        "https://portal.example:0/",
        "https://portal.example:65536/",
        "https://portal.example:x/",
        "https://user@portal.example/",
        "https://user:pass@portal.example/",
        "https://portal.example/#part",
        "https://portal.example\\@127.0.0.1/",
        "https://portal.example /",
        "https://portal.example/\r\nHost: x",
        "https://pörtal.example/",
        "https://portal..example/",
        "https://-portal.example/",
        f"https://portal.example/{'x' * 2000}",
    ],
)
def test_an_address_that_cannot_be_one_is_refused_when_it_is_told(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"^url: "):
        AddressPolicy().check(url)
    came = call(url, policy=AddressPolicy(), addresses=["8.8.8.8"])
    assert came.address is None
    assert (came.reason or "").startswith("url: ")


@pytest.mark.parametrize(
    "url", ["https://portal.example", "https://PORTAL.example:8443/a/b?c=d", "https://xn--prtal-jua.example/", "https://8.8.8.8/"]
)
def test_addresses_that_may_be_called(url: str) -> None:
    AddressPolicy().check(url)


def test_the_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(receiver: Receiver) -> None:
    """A name server that answers otherwise the second time changes nothing: there is no second time."""
    answers = iter([["10.0.0.9", "127.0.0.1"], ["10.0.0.9"]])
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(answers)

    url = f"http://{NAME}:{receiver.port}/hooks"
    came = Caller(LOCAL, resolve=resolve, total_seconds=2).call(url=url, headers={}, body=BODY)
    assert (came.status, came.address, asked) == (200, "127.0.0.1", [NAME])
    assert receiver.heard[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_the_next_address_is_tried_where_one_takes_no_connection(receiver: Receiver) -> None:
    came = call(f"http://{NAME}:{receiver.port}/", addresses=["127.0.0.2", "127.0.0.1"])
    assert (came.status, came.address) == (200, "127.0.0.1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with receiving() as elsewhere:
        receiver.behaviour = lambda _: Reply(status, {"Location": f"http://127.0.0.1:{elsewhere.port}/"})
        came = call(f"http://127.0.0.1:{receiver.port}/")
        assert came.status == status
        assert "Redirects are not followed" in (came.reason or "")
        assert elsewhere.heard == []


def test_no_proxy_is_taken_from_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert call(f"http://127.0.0.1:{receiver.port}/").status == 200
        assert proxy.heard == []


class Raw:
    """A server that writes bytes and nothing else, piece by piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.sent = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(pieces,), daemon=True)
        self._thread.start()

    def _serve(self, pieces: Iterator[bytes]) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    self.sent += len(piece)
            except OSError:
                pass

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


def test_a_huge_answer_is_not_read() -> None:
    megabyte = b"x" * 2**20

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
        while True:
            yield megabyte

    server = Raw(endless())
    came = call(f"http://127.0.0.1:{server.port}/")
    server.close()
    assert (came.status, came.reason) == (200, None)
    assert server.sent < 16 * 2**20  # what the buffers of two sockets hold


def drip(first: bytes, every: float = 0.1) -> Iterator[bytes]:
    yield first
    while True:
        time.sleep(every)
        yield b"x"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX-Long: "], ids=["no status", "endless header"])
def test_one_byte_now_and_then_does_not_hold_a_call_for_ever(first: bytes) -> None:
    server = Raw(drip(first))
    began = time.monotonic()
    came = call(f"http://127.0.0.1:{server.port}/", seconds=0.6)
    server.close()
    assert time.monotonic() - began < 1.5
    assert came.status is None
    assert came.reason in ("No answer within 0.6 s.", "The connection broke, or the answer is not HTTP.")


def test_headers_without_end_are_not_kept() -> None:
    server = Raw(iter([b"HTTP/1.1 200 OK\r\n"] + [b"X-A: " + b"y" * 60_000 + b"\r\n"] * 50))
    came = call(f"http://127.0.0.1:{server.port}/")
    server.close()
    assert came.reason == "The connection broke, or the answer is not HTTP."


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n", b"", b"HTTP/1.1 2000 OK\r\n\r\n", b"\x00\xff\x16\x03"])
def test_what_is_not_http_is_a_failed_attempt(answer: bytes) -> None:
    server = Raw(iter([answer]))
    came = call(f"http://127.0.0.1:{server.port}/")
    server.close()
    assert (came.status, came.reason) == (None, "The connection broke, or the answer is not HTTP.")


def test_nobody_at_home_is_a_failed_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert call(f"http://127.0.0.1:{port}/").reason == "No connection: Connection refused."


def test_a_name_that_leads_nowhere_is_a_failed_attempt() -> None:
    def fail(*_: object) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    came = Caller(LOCAL, resolve=fail).call(url="https://gone.example/", headers={}, body=BODY)
    assert came.reason == "The name cannot be resolved."


def test_the_systems_resolver_is_asked_for_plain_addresses() -> None:
    assert all(ip_address(address).is_loopback for address in resolved("localhost", 443))


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    now = dt.datetime(2026, 11, 21, 12, 0, 0, tzinfo=dt.UTC)
    assert retry_after("120", now) == dt.timedelta(seconds=120)
    assert retry_after("Sat, 21 Nov 2026 12:05:00 GMT", now) == dt.timedelta(minutes=5)
    for nothing in (None, "", "soon", "-5", "0", "1e9", "9" * 400, "Sat, 21 Nov 2026 11:00:00 GMT", "Sat, 99 Nov 2026 11:00:00 GMT"):
        assert retry_after(nothing, now) is None


# TLS


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a certificate for `name`, and a caller that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    caller = trusted()
    caller.load_verify_locations(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
    return server, caller


def test_tls_names_and_checks_the_host_although_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    server, tls = certificate(tmp_path, NAME)
    asked: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked.append(name)
    with receiving(tls=server) as receiver:
        caller = Caller(LOCAL, tls=tls, resolve=lambda *_: ["127.0.0.1"], total_seconds=2)
        came = caller.call(url=f"https://{NAME}:{receiver.port}/hooks", headers={}, body=BODY)
        assert (came.status, asked) == (200, [NAME])
        wrong = caller.call(url=f"https://other.example:{receiver.port}/hooks", headers={}, body=BODY)
        assert wrong.status is None
        assert "the certificate is not valid" in (wrong.reason or "")
        assert len(receiver.heard) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, NAME)
    with receiving(tls=server) as receiver:
        came = call(f"https://{NAME}:{receiver.port}/")
        assert (came.reason or "").startswith("No connection: the certificate is not valid")
        assert receiver.heard == []
