"""Processor time and memory of the stack's processes, with everything they start."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import psutil

# A look costs some ten milliseconds of the cores that are being measured, and holds up whoever asks for memory meanwhile.
SAMPLE_SECONDS = 2.0
MB = 1_000_000


class Meter:
    """Reads processor time and memory by component (name → process id of its first process).

    As a context manager it samples memory in the background and keeps the peaks.
    """

    def __init__(self, roots: Callable[[], Mapping[str, int]]) -> None:
        """``roots`` is asked each time: components come and go."""
        self._roots = roots
        self._closing = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)
        self.peaks: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start to sample."""
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to sample."""
        self._closing.set()
        self._sampler.join()

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time since each component's start, ended children included."""
        return {name: sum(_cpu(process) for process in processes) for name, processes in _trees(self._roots()).items()}

    def _sample(self) -> None:
        while True:
            for name, processes in _trees(self._roots()).items():
                used = sum(memory_mb(process.pid) for process in processes)
                self.peaks[name] = max(used, self.peaks.get(name, 0.0))
            if self._closing.wait(SAMPLE_SECONDS):
                return


class CpuClock:
    """Milliseconds of processor time per image and component between its creation and ``per_image``."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._before = meter.cpu_seconds()
        self._own = time.process_time()

    def per_image(self, images: int) -> dict[str, float]:
        """Component → ms per image; "load generator" is this process."""
        after = self._meter.cpu_seconds()
        spent = {name: 1_000 * (seconds - self._before.get(name, 0.0)) / images for name, seconds in after.items()}
        return spent | {LOAD_GENERATOR: 1_000 * (time.process_time() - self._own) / images}


LOAD_GENERATOR = "load generator"


def memory_mb(pid: int) -> float:
    """Proportional set size (shared pages are split between their users); resident size where the system does not tell it."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / MB
        return 0.0
    except FileNotFoundError:
        return _resident_mb(pid)
    except (PermissionError, ProcessLookupError):
        return 0.0


def _resident_mb(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) / MB
    except psutil.Error:
        return 0.0


def _trees(roots: Mapping[str, int]) -> dict[str, list[psutil.Process]]:
    """Every component's processes. One look at all processes of the machine serves them all."""
    children: dict[int, list[int]] = {}
    for one in psutil.process_iter(["ppid"]):
        children.setdefault(one.info["ppid"], []).append(one.pid)
    return {name: [found for member in _family(pid, children) if (found := _process(member))] for name, pid in roots.items()}


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    return [pid, *(member for child in children.get(pid, []) for member in _family(child, children))]


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    # macOS does not report the times of ended children.
    return float(times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))
