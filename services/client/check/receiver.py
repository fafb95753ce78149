"""A receiver of webhooks in this process, for the time of a run."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

LONGEST_BODY = 1_000_000


class Receiver:
    """Listens, keeps what comes, and answers 204. ``url``: where portals' webhooks should be sent."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, public_url: str | None = None) -> None:
        """``port`` 0: any that is free. ``public_url``: how Dermatrail reaches this address, where that is another."""
        self.came: list[tuple[Mapping[str, str], bytes]] = []
        kept = self.came

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", "0")), LONGEST_BODY)
                kept.append((dict(self.headers.items()), self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self.url = public_url or f"http://{host}:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
