"""What the benchmark reads of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from infra.bench.meter import LOAD_GENERATOR, CpuClock, Meter, memory_mb

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(flush=True)\ntime.sleep(60)"
WITH_CHILD = (
    f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY.replace('time.sleep(60)', '')!r}])\nprint(flush=True)\ninput()"
)


def spawn(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    with spawn(BUSY) as process:
        yield process
        process.kill()


def wait_for_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.readline()


def test_processor_time_is_read_by_component(busy: subprocess.Popen[bytes]) -> None:
    meter = Meter(lambda: {"busy": busy.pid})
    clock = CpuClock(meter)
    wait_for_line(busy)
    spent = clock.per_image(10)
    assert 20 < spent["busy"] < 200
    assert LOAD_GENERATOR in spent


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not report the times of ended children")
def test_processor_time_of_ended_children_counts() -> None:
    with spawn(WITH_CHILD) as process:
        wait_for_line(process)
        wait_for_line(process)
        assert Meter(lambda: {"parent": process.pid}).cpu_seconds()["parent"] > 0.25
        process.kill()


def test_a_component_that_is_gone_uses_nothing(busy: subprocess.Popen[bytes]) -> None:
    meter = Meter(lambda: {"busy": busy.pid})
    busy.kill()
    busy.wait()
    assert meter.cpu_seconds() == {"busy": 0.0}


def test_the_peak_of_memory_is_kept() -> None:
    pid = os.getpid()
    with Meter(lambda: {"self": pid}) as meter:
        time.sleep(0.1)
    assert meter.peaks["self"] > 10
    assert memory_mb(pid) > 10
