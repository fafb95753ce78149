"""The listener's connections, bounded from their first byte on.

pynetdicom reads whatever length a peer announces, shakes hands for TLS while nobody else can connect, and forgets to close a socket
whose peer has gone first. The server here hands it sockets that end where a message becomes too large, that wait no longer than is
reasonable, and that shake hands when they are first read, each in the thread of its own association.
"""

import socket
import ssl
from contextlib import suppress
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer


class Bounded:
    """What a socket needs to end when its peer sends more than ``limit`` bytes without ``begin_message`` being called."""

    limit: int | None = None
    received = 0

    def begin_message(self) -> None:
        """Count from here."""
        self.received = 0

    def recv(self, *arguments: Any) -> bytes:
        """Read; raises ConnectionAbortedError beyond the limit."""
        data: bytes = super().recv(*arguments)  # type: ignore[misc]
        self.received += len(data)
        if self.limit is not None and self.received > self.limit:
            raise ConnectionAbortedError("The peer sends more than a message may have.")
        return data

    def shutdown(self, how: int) -> None:
        """End the conversation; a peer that has gone first is no error, and must not keep the socket from being closed."""
        with suppress(OSError):
            super().shutdown(how)  # type: ignore[misc]


class PlainSocket(Bounded, socket.socket):
    """Without TLS."""


class TlsSocket(Bounded, ssl.SSLSocket):
    """With TLS."""


class StorageServer(ThreadedAssociationServer):
    """Takes connections."""

    def __init__(self, *arguments: Any, limit: int, timeout: float, most: int, **options: Any) -> None:
        self.limit, self.patience, self.most = limit, timeout, most
        super().__init__(*arguments, **options)
        if self.ssl_context is not None:
            self.ssl_context.sslsocket_class = TlsSocket

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Whether one more connection is taken. Associations beyond their own limit are rejected in DICOM's words."""
        return len(self.active_associations) < self.most

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next connection."""
        listening: Any = self.socket
        accepted, address = listening.accept()
        if self.ssl_context is None:
            taken: PlainSocket | TlsSocket = PlainSocket(fileno=accepted.detach())
        else:
            wrapped = self.ssl_context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            if not isinstance(wrapped, TlsSocket):
                raise TypeError("The context makes other sockets.")
            taken = wrapped
        taken.limit = self.limit
        taken.settimeout(self.patience)
        return taken, address
