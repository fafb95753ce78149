"""One at a time, and never a lost ring."""

import threading
from collections.abc import Callable


class Turnstile:
    """Runs ``work`` when rung. A ring during a run makes it run once more instead of waiting or being forgotten.

    The doorbell may ring while a drain is just finding the queue empty: without the second run that job would wait for the
    sweeper.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._mutex = threading.Lock()
        self._running = False
        self._rung = False

    def ring(self) -> bool:
        """Returns whether this call did the work itself."""
        with self._mutex:
            if self._running:
                self._rung = True
                return False
            self._running = True
        try:
            while True:
                self._work()
                with self._mutex:
                    if not self._rung:
                        self._running = False
                        return True
                    self._rung = False
        except BaseException:
            with self._mutex:
                self._running = self._rung = False
            raise
