"""One call of a portal's address: signed by others, made here so that it can go nowhere else and never lasts long.

The name is resolved once, every address it leads to is checked, and the connection is made to a checked address itself; TLS and the
``Host`` header keep the name. Nothing is taken from the environment (no proxy), no redirect is followed, and of the answer only its
status and ``Retry-After`` are read: its text stays unread, however long it is.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import httpcore

from services.addresses import AddressPolicy, AddressRefused

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
# Of the addresses that a name leads to.
MOST_ADDRESSES = 4
USER_AGENT = "Dermatrail-Webhooks/1"
LONGEST_REASON = 300

Resolve = Callable[[str, int], Sequence[str]]


class NotPublic(Exception):
    """The name leads to no address that may be called."""


class Overdue(Exception):
    """The call has lasted as long as it may."""


@dataclass(frozen=True, slots=True)
class Called:
    """What came of a call. ``reason``: why it failed, in words for who runs the portal; None: it answered 2xx."""

    seconds: float
    status: int | None = None
    reason: str | None = None
    address: str | None = None
    retry_after: timedelta | None = None


def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, in the order in which the system prefers them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def trusted() -> ssl.SSLContext:
    """The certificates of this machine (also those that SSL_CERT_FILE names), and the ones that browsers trust."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes calls; may be used by many threads."""

    policy: AddressPolicy
    tls: ssl.SSLContext = field(default_factory=trusted)
    resolve: Resolve = resolved
    total_seconds: float = TOTAL_SECONDS

    def call(self, *, url: str, headers: Mapping[str, str], body: bytes) -> Called:
        """POST ``body``. Never raises for anything that the other side does."""
        line = _Line(self.policy, self.resolve, time.monotonic() + self.total_seconds)
        began = time.monotonic()
        try:
            self.policy.check(url)
            status, given = self._post(line, url, headers, body)
        except Exception as error:  # noqa: BLE001 - whatever the other side does is a failed attempt, and is written down
            seconds = time.monotonic() - began
            return Called(seconds, reason=_why(error, self.total_seconds)[:LONGEST_REASON], address=line.address)
        seconds = time.monotonic() - began
        return Called(seconds, status, _verdict(status), line.address, None if status < 300 else retry_after(given, datetime.now(UTC)))

    def _post(self, line: "_Line", url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
        own = {"content-type": "application/json", "user-agent": USER_AGENT, "accept": "*/*", "connection": "close"}
        sent = [(name.encode(), value.encode()) for name, value in {**own, **headers}.items()]
        with (
            httpcore.ConnectionPool(ssl_context=self.tls, network_backend=line, max_connections=1, retries=0) as pool,
            pool.stream("POST", url, headers=sent, content=body) as answer,
        ):
            given = {name.lower(): value for name, value in answer.headers}
            return answer.status, given.get(b"retry-after", b"").decode("ascii", "replace") or None


class _Line(httpcore.NetworkBackend):
    """Connects once, to an address that was checked, and ends when its time is over."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve, ends: float) -> None:
        self.address: str | None = None
        self._policy = policy
        self._resolve = resolve
        self._ends = ends
        self._tcp = httpcore.SyncBackend()

    def left(self) -> float:
        """Seconds until the end. Raises Overdue."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Overdue
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - its own clock decides
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the name's admitted addresses that takes the connection."""
        admitted = [address for address in self._resolve(host, port) if self._policy.admits(address)][:MOST_ADDRESSES]
        if not admitted:
            raise NotPublic
        for address in admitted[:-1]:
            try:
                return self._connect(address, port, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connect(admitted[-1], port, local_address, socket_options)

    def _connect(self, address: str, port: int, local: str | None, options: Iterable[Any] | None) -> httpcore.NetworkStream:
        patience = min(CONNECT_SECONDS, self.left())
        stream = self._tcp.connect_tcp(address, port, timeout=patience, local_address=local, socket_options=options)
        self.address = address
        return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    """A connection whose every step has only what is left of the whole time: one byte every ten seconds is no way around it."""

    def __init__(self, stream: httpcore.NetworkStream, line: _Line) -> None:
        self._stream = stream
        self._line = line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, timeout=self._line.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, timeout=self._line.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout=self._line.left()), self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def retry_after(given: str | None, now: datetime) -> timedelta | None:
    """Read a ``Retry-After`` (RFC 9110 10.2.3): seconds, or a date. What cannot be read, or is past, asks for nothing."""
    if not given:
        return None
    try:
        wait = timedelta(seconds=int(given)) if given.isdigit() and len(given) < 9 else parsedate_to_datetime(given) - now
    except (TypeError, ValueError, OverflowError):
        return None
    return wait if wait > timedelta(0) else None


def _verdict(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"It answered {status}. Redirects are not followed: change the address of the webhook."
    return f"It answered {status}."


def _why(error: Exception, seconds: float) -> str:
    """Say why a call failed. Nothing of it tells where a name leads, or what an answer said."""
    if isinstance(error, AddressRefused):
        return str(error)
    late, broken = f"No answer within {seconds:g} s.", "The connection broke, or the answer is not HTTP."
    words: dict[tuple[type[Exception], ...], str] = {
        (NotPublic,): "The address is not a public one.",
        (socket.gaierror,): "The name cannot be resolved.",
        (Overdue, httpcore.ReadTimeout, httpcore.WriteTimeout): late,
        (httpcore.ConnectTimeout,): "The address takes no connection: it does not answer.",
        (httpcore.ConnectError,): f"No connection: {_plain(error)}",
        (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError): broken,
    }
    return next((said for kinds, said in words.items() if isinstance(error, kinds)), f"The call failed ({type(error).__name__}).")


def _plain(error: Exception) -> str:
    """The words of a refused connection or certificate: `Connection refused`, `certificate verify failed: …`."""
    cause = error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate is not valid ({cause.verify_message})."
    if isinstance(cause, ssl.SSLError):
        return "TLS failed."
    return f"{cause.strerror}." if isinstance(cause, OSError) and cause.strerror else "refused."
