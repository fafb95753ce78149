"""Keep programs running: restart what crashed, with back-off, and stop everything in good order."""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.local import programs
from infra.local.errors import LocalStackError, NotReady
from infra.local.programs import Program, Record
from infra.local.state import is_free

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
PROBE_SECONDS = 0.05
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0
STEADY_SECONDS = 20.0
CRASHES_TOLERATED = 4


@dataclass(slots=True)
class Unit:
    """A program, its process, and whether it should be running."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    crashes: int = 0
    started: float = 0.0
    next_start: float = 0.0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs programs by name. Thread-safe."""

    def __init__(self, *, record: Record, report: Callable[[str], None] = log.warning) -> None:
        """Start to watch; `report` is told about every crash."""
        self._record = record
        self._report = report
        self._units: dict[str, Unit] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        # The kernel's parent-death signal follows the *thread* that started a program: one thread starts them all
        # and lives as long as the supervisor, so that a caller's short-lived thread takes nothing down with it.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def start(self, program: Program) -> None:
        """Start a program and keep it running; LocalStackError when its port is taken by another program."""
        for port in program.ports:
            if not is_free(port):
                raise LocalStackError(
                    f"{program.name}: port {port} is in use by another program; stop that program, "
                    "or remove the port's line from stack.json in the state folder and a new one is chosen"
                )
        with self._lock:
            unit = self._units[program.name] = Unit(program, wanted=True)
            self._spawn(unit)

    def wait_ready(self, name: str, *, timeout: float = 60) -> None:
        """Wait for the program's own probe; NotReady after `timeout` seconds, after repeated crashes, or when it is stopped."""
        unit, begun = self._unit(name), time.monotonic()
        tolerated = unit.crashes + CRASHES_TOLERATED
        while not (unit.running and unit.program.ready()):
            waited = time.monotonic() - begun
            if waited > timeout or unit.crashes > tolerated or not unit.wanted:
                raise NotReady(f"{name} is not ready after {waited:.0f} s; its log {unit.program.log} ends:\n{_tail(unit)}")
            time.sleep(PROBE_SECONDS)

    def stop(self, names: Iterable[str]) -> None:
        """Stop programs side by side and leave them stopped."""
        units = [self._unit(name) for name in names]
        with self._lock:
            for unit in units:
                unit.wanted = False
        with ThreadPoolExecutor(max_workers=max(len(units), 1)) as pool:
            list(pool.map(_stop, units))
        self._write_record()

    def resume(self, name: str) -> None:
        """Start a stopped program again."""
        with self._lock:
            unit = self._unit(name)
            unit.wanted = True
            if not unit.running:
                self._spawn(unit)

    def kill(self, name: str, *, wipe: bool = False) -> None:
        """Kill -9 a program, delete its data if asked, and leave the restart to the watch."""
        unit = self._unit(name)
        with self._lock:  # held through the wipe: the watch must not start the program on half-deleted data
            if unit.process is not None:
                unit.process.kill()
                unit.process.wait()
                programs.end_group(unit.process.pid)
            if wipe:
                if unit.program.wipe is None:
                    raise LocalStackError(f"{name} has no data to delete")
                unit.program.wipe()

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The running process; LocalStackError when there is none."""
        unit = self._unit(name)
        if unit.process is None or not unit.running:
            raise LocalStackError(f"{name} is not running; its log is {unit.program.log}")
        return unit.process

    def names(self) -> tuple[str, ...]:
        """Every program ever started, in order."""
        return tuple(self._units)

    def close(self) -> None:
        """End the watch. Stop the programs first: ending the starter thread would take them down."""
        self._closing.set()
        self._watcher.join()
        self._starter.shutdown()

    def _unit(self, name: str) -> Unit:
        try:
            return self._units[name]
        except KeyError:
            raise LocalStackError(f"{name} was never started; started were: {', '.join(self._units) or 'none'}") from None

    def _spawn(self, unit: Unit) -> None:
        unit.process = self._starter.submit(programs.start, unit.program).result()
        unit.started = time.monotonic()
        self._write_record()

    def _write_record(self) -> None:
        with self._lock:
            running = {
                name: (unit.program, unit.process) for name, unit in self._units.items() if unit.process is not None and unit.running
            }
            self._record.write(running)

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            with self._lock:
                for unit in self._units.values():
                    if unit.wanted and not unit.running:
                        self._revive(unit)

    def _revive(self, unit: Unit) -> None:
        now = time.monotonic()
        if unit.process is not None:  # seen for the first time: choose when to try again
            steady = now - unit.started > STEADY_SECONDS
            unit.crashes = 1 if steady else unit.crashes + 1
            delay = min(FIRST_DELAY_SECONDS * 2 ** (unit.crashes - 1), LONGEST_DELAY_SECONDS)
            unit.next_start = now + delay
            self._report(f"{unit.program.name} stopped (exit status {unit.process.returncode}), starting it again in {delay:.1f} s")
            programs.end_group(unit.process.pid)
            unit.process = None
        elif now >= unit.next_start:
            self._spawn(unit)


def _stop(unit: Unit) -> None:
    if unit.process is not None:
        programs.stop(unit.process, unit.program)


def _tail(unit: Unit, *, lines: int = 15) -> str:
    if not unit.program.log.exists():
        return "(empty)"
    return "\n".join(unit.program.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
