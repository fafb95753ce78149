"""Programs and their processes: start so that they die with us, stop in good order, find survivors."""

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.local.state import write_private

GUARD = Path(__file__).with_name("guard.py")
WATCHDOG = Path(__file__).with_name("watchdog.py")
LOG_LIMIT_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, how to see that it is ready, and how to stop it."""

    name: str
    command: tuple[str, ...]
    log: Path
    directory: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 15
    wipe: Callable[[], None] | None = None
    tidy: Callable[[], None] | None = None


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a Ctrl-C in our terminal does not reach it."""
    guarded = [sys.executable, "-I", "-S", str(GUARD), str(int(program.stop_signal)), str(os.getpid()), *program.command]
    _turn_over(program.log)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            guarded,
            cwd=program.directory,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], program: Program) -> None:
    """Ask the program to stop; end it and its group by force after the grace time."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(program.stop_signal)
    try:
        process.wait(program.grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    end_group(process.pid)
    if program.tidy is not None:
        program.tidy()


def end_group(leader: int) -> None:
    """End by force what is left of a process group whose leader is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def start_watchdog(record: Path) -> subprocess.Popen[bytes] | None:
    """Start the watchdog where the kernel has no parent-death signal; None on Linux."""
    if platform.system() == "Linux":
        return None
    return subprocess.Popen([sys.executable, "-I", "-S", str(WATCHDOG), str(record)], stdin=subprocess.PIPE, start_new_session=True)


def _turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


class Record:
    """The running processes in a file, so that a supervisor that follows a killed one finds the survivors."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is read or written yet."""
        self._path = path

    def write(self, running: Mapping[str, tuple[Program, subprocess.Popen[bytes]]]) -> None:
        """Note pid, time of birth (pids are used again) and stop signal of every running process."""
        entries = []
        for name, (program, process) in running.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                born = psutil.Process(process.pid).create_time()
                entries.append({"name": name, "pid": process.pid, "born": born, "stop_signal": int(program.stop_signal)})
        write_private(self._path, json.dumps(entries))

    def remove(self) -> None:
        """Nothing runs any more."""
        self._path.unlink(missing_ok=True)

    def stop_survivors(self, *, grace_seconds: float = 20) -> list[str]:
        """Stop what a killed supervisor left running, and return the names. Never use a survivor: who knows its state."""
        survivors = list(self._survivors())
        for _, process, number in survivors:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, stubborn = psutil.wait_procs([process for _, process, _ in survivors], timeout=grace_seconds)
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=5)
        return [name for name, _, _ in survivors]

    def _survivors(self) -> "list[tuple[str, psutil.Process, int]]":
        if not self._path.exists():
            return []
        found = []
        for entry in json.loads(self._path.read_text(encoding="utf-8")):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(entry["pid"])
                if process.create_time() == entry["born"]:
                    found.append((entry["name"], process, entry["stop_signal"]))
        return found
