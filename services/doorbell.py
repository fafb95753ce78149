"""The doorbell: tells the workers that there is work. It may be lost at any time; the sweeper rings again."""

import logging
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Self

from prometheus_client import Counter

from services.broker import ANALYSIS_BELL, Bell, celery_settings
from services.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)
RINGS = Counter("dermatrail_doorbell_rings", "Doorbells sent to the workers, by outcome.", ["outcome"])

# One doorbell drains every due job: ringing for each image of a burst would only load the broker, and a worker spends as much on a
# message as on a picture's outline. A worker goes on looking for a moment after its last picture, so a pause of this length is not felt.
PAUSE_SECONDS = 0.25
EXPIRES_SECONDS = 60
SOCKET_TIMEOUT_SECONDS = 1.0


class Doorbell:
    """A producer that never raises and never keeps its caller waiting: a thread of its own talks to the broker.

    Rings within ``PAUSE_SECONDS`` become one, sent after the last pause: a ring is never swallowed, only merged, so a job
    that was committed before ``ring()`` is always followed by a doorbell.
    """

    def __init__(self, settings: Settings, bell: Bell = ANALYSIS_BELL) -> None:
        self._settings = settings
        self._bell = bell
        self._wanted = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    @classmethod
    def connect(cls, settings: Settings, bell: Bell = ANALYSIS_BELL) -> Self:
        """Return a doorbell that connects when first rung."""
        return cls(settings, bell)

    @cached_property
    def _app(self) -> "Celery":
        # Celery takes a third of a second to load: only the doorbell's own thread waits for it.
        from celery import Celery

        app = Celery("dermatrail-doorbell", set_as_current=False)
        app.conf.update(celery_settings(self._settings))
        # Only a producer can afford these: a consumer waits on its socket for longer.
        app.conf.broker_transport_options |= {
            "socket_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
            "retry_on_timeout": False,
        }
        return app

    def ring(self) -> None:
        """Ask for a doorbell. Returns at once; call it after the commit."""
        self._wanted.set()
        with self._start:
            if self._thread is None:
                # Started with the first ring and not before: gunicorn may fork between construction and use.
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def reachable(self) -> bool:
        """Whether the broker answers now (for status pages; nothing depends on it)."""
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=SOCKET_TIMEOUT_SECONDS)
        except Exception:  # noqa: BLE001 - every transport has its own exceptions, and all mean no
            return False
        return True

    def close(self) -> None:
        """Stop the thread and let go of the connections."""
        self._closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(2 * SOCKET_TIMEOUT_SECONDS)
        self._app.close()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                return
            self._send()
            time.sleep(PAUSE_SECONDS)

    def _send(self) -> None:
        try:
            self._app.send_task(self._bell.task, queue=self._bell.queue, ignore_result=True, expires=EXPIRES_SECONDS, retry=False)
        except Exception as error:  # noqa: BLE001 - a lost broker costs delay, never an upload
            RINGS.labels("lost").inc()
            log.warning("doorbell lost: %s", type(error).__name__)
        else:
            RINGS.labels("sent").inc()
