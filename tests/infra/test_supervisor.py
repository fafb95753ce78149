"""Programs are kept running, stopped in good order, and never outlive their supervisor."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.errors import LocalStackError, NotReady
from infra.local.programs import WATCHDOG, Program, Record
from infra.local.supervisor import Supervisor

SLEEP = ("sleep", "1000")


def wait_until(reached: Callable[[], bool], *, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, reports: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(record=Record(tmp_path / "processes.json"), report=reports.append)
    yield made
    made.stop(made.names())
    made.close()


def sleeper(tmp_path: Path, *, command: tuple[str, ...] = SLEEP, ports: tuple[int, ...] = (), ready: bool = True) -> Program:
    return Program(name="sleeper", command=command, log=tmp_path / "sleeper.log", directory=tmp_path, ready=lambda: ready, ports=ports)


def test_it_starts_a_crashed_program_again(supervisor: Supervisor, reports: list[str], tmp_path: Path) -> None:
    supervisor.start(sleeper(tmp_path))
    first = supervisor.process("sleeper").pid
    supervisor.kill("sleeper")
    supervisor.wait_ready("sleeper")
    assert supervisor.process("sleeper").pid != first
    assert "sleeper stopped (exit status -9)" in reports[0]


def test_it_leaves_a_stopped_program_stopped_until_it_is_resumed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(sleeper(tmp_path))
    supervisor.stop(["sleeper"])
    time.sleep(0.4)
    with pytest.raises(LocalStackError, match="sleeper is not running"):
        supervisor.process("sleeper")
    supervisor.resume("sleeper")
    assert is_alive(supervisor.process("sleeper").pid)


def test_it_waits_longer_after_each_crash_and_shows_the_end_of_the_log(supervisor: Supervisor, reports: list[str], tmp_path: Path) -> None:
    supervisor.start(sleeper(tmp_path, command=("sh", "-c", "echo no such table; exit 3"), ready=False))
    with pytest.raises(NotReady, match="no such table"):
        supervisor.wait_ready("sleeper")
    delays = [report.split()[-2] for report in reports]
    assert delays[:3] == ["0.2", "0.4", "0.8"]


def test_it_refuses_a_port_that_another_program_uses(supervisor: Supervisor, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"port {port} is in use"):
            supervisor.start(sleeper(tmp_path, ports=(port,)))


def test_it_ends_a_program_that_ignores_the_request_to_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    stubborn = Program(
        name="stubborn",
        command=(sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"),
        log=tmp_path / "log",
        directory=tmp_path,
        ready=lambda: "up" in (tmp_path / "log").read_text(),
        grace_seconds=0.3,
    )
    supervisor.start(stubborn)
    supervisor.wait_ready("stubborn")
    pid = supervisor.process("stubborn").pid
    supervisor.stop(["stubborn"])
    assert not is_alive(pid)


def test_a_program_outlives_the_thread_that_asked_for_it(supervisor: Supervisor, tmp_path: Path) -> None:
    caller = threading.Thread(target=supervisor.start, args=(sleeper(tmp_path),))
    caller.start()
    caller.join()
    pid = supervisor.process("sleeper").pid
    time.sleep(0.4)
    assert supervisor.process("sleeper").pid == pid


def test_it_names_what_was_started_when_asked_for_something_else(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(sleeper(tmp_path))
    with pytest.raises(LocalStackError, match="nurse was never started; started were: sleeper"):
        supervisor.process("nurse")


def test_it_stops_survivors_of_a_killed_supervisor(tmp_path: Path) -> None:
    record = Record(tmp_path / "processes.json")
    survivor = subprocess.Popen(SLEEP)
    record.write({"sleeper": (sleeper(tmp_path), survivor)})
    assert record.stop_survivors() == ["sleeper"]
    survivor.wait(5)
    assert record.stop_survivors() == []


def test_it_does_not_touch_a_stranger_with_a_used_process_id(tmp_path: Path) -> None:
    file = tmp_path / "processes.json"
    file.write_text(json.dumps([{"name": "old", "pid": os.getpid(), "born": 1.0, "stop_signal": int(signal.SIGKILL)}]))
    assert Record(file).stop_survivors() == []


def test_the_watchdog_stops_the_recorded_programs_when_its_supervisor_ends(tmp_path: Path) -> None:
    record = Record(tmp_path / "processes.json")
    program = subprocess.Popen(SLEEP)
    record.write({"sleeper": (sleeper(tmp_path), program)})
    watchdog = subprocess.Popen([sys.executable, "-I", "-S", str(WATCHDOG), str(tmp_path / "processes.json")], stdin=subprocess.PIPE)
    assert program.poll() is None
    watchdog.communicate(timeout=10)
    assert program.wait(10) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's; elsewhere the watchdog does it")
def test_programs_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    script = f"""
import os, pathlib
from infra.local.programs import Program, Record
from infra.local.supervisor import Supervisor
folder = pathlib.Path({str(tmp_path)!r})
supervisor = Supervisor(record=Record(folder / "processes.json"))
supervisor.start(Program(name="s", command=("sleep", "1000"), log=folder / "log", directory=folder, ready=lambda: True))
print(supervisor.process("s").pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    wait_until(lambda: not is_alive(pid))
