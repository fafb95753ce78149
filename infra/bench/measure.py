"""One benchmark from the start of the stack to the figures."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bench.load import Latency, Ledger, Sent, ledger_of, send_all, send_at_rate
from infra.bench.meter import MB, CpuClock, Meter
from infra.bench.pictures import drawn_pictures, large_picture
from infra.demo.portal import Portal
from infra.local import LocalStack, LocalStackError
from infra.local.seed import seed
from infra.local.state import StateFolder

COMPONENTS = ("worker", "change", "delivery", "beat", "intake", "review", "postgres", "valkey", "seaweedfs")
WARM_UP_IMAGES = 24
CONNECTIONS = 4
UPLOAD_CONNECTIONS = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. ``rate``: arrivals a second for the latency figures."""

    images: int
    rate: float
    paced_images: int


@dataclass(frozen=True, slots=True)
class Bare:
    """The bare loop before and after the run."""

    images_per_second: tuple[float, ...]
    cpu_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured. Times in ms per image where the name says ``ms``; memory in MB (10⁶ bytes)."""

    plan: Plan
    image_kb: float
    large_mb: float
    images_per_second: float
    saturated: Latency
    paced: Latency
    cpu_ms: Mapping[str, float]
    bare: Bare
    plain_images_per_second: float
    drained_images_per_second: float
    memory_mb: Mapping[str, float]
    uploads_per_second: float
    upload_cpu_ms: Mapping[str, float]
    prepare: Mapping[str, Mapping[str, float]]

    @property
    def bare_images_per_second(self) -> float:
        """Median of the bare runs."""
        return statistics.median(self.bare.images_per_second)

    @property
    def bare_cpu_ms(self) -> float:
        """Median of the bare runs."""
        return statistics.median(self.bare.cpu_ms)

    @property
    def ratio(self) -> float:
        """End-to-end rate over the bare loop's: 1 means that everything but the networks is free."""
        return self.images_per_second / self.bare_images_per_second

    @property
    def added_cpu_ms(self) -> float:
        """Processor time of the worker's side (worker and beat) over the bare loop."""
        return self.cpu_ms["worker"] + self.cpu_ms["beat"] - self.bare_cpu_ms


def measure(*, plan: Plan, folder: Path, say: Say) -> Figures:
    """Run the whole benchmark on a stack of its own under ``folder``. Raises BenchmarkFailed or LocalStackError."""
    say("drawing the pictures")
    pictures = drawn_pictures(folder / "pictures", images=plan.images)
    large = large_picture(folder / "pictures")
    with running_stack(folder / "stack", say) as (stack, portal, ledger), Meter(lambda: _pids(stack)) as meter:
        say("warming up")
        ledger.finished(send_all(portal, pictures, images=min(WARM_UP_IMAGES, plan.images), connections=CONNECTIONS))
        bare = [_aside(stack, "model", str(plan.images))]
        say(f"end to end: {plan.images} images as fast as possible")
        clock = CpuClock(meter)
        sent = send_all(portal, pictures, images=plan.images, connections=CONNECTIONS)
        finished = ledger.finished(sent)
        cpu_ms = clock.per_image(plan.images)
        say("the bare loop again, and the preprocessing")
        bare.append(_aside(stack, "model", str(plan.images)))
        prepare = _aside(stack, "prepare", str(folder / "pictures" / "000.jpg"), str(large))
        say(f"latency: {plan.paced_images} images at {plan.rate:g} a second")
        paced = send_at_rate(portal, pictures, images=plan.paced_images, per_second=plan.rate)
        paced_latency = _latency(paced, ledger.finished(paced))
        memory = dict(meter.peaks)
        say("the bare loop as one plain thread")
        plain = _aside(stack, "plain", str(plan.images))
        say("the intake alone, then the worker alone")
        uploads, upload_cpu, queued = _uploads(stack, portal, pictures, meter, images=plan.images)
        drained = _drained(stack, ledger, queued)
    return Figures(
        plan=plan,
        image_kb=statistics.median(len(picture) for picture in pictures) / 1_000,
        large_mb=large.stat().st_size / MB,
        images_per_second=plan.images / (max(finished.values()) - min(one.began for one in sent)),
        saturated=_latency(sent, finished),
        paced=paced_latency,
        cpu_ms=cpu_ms,
        bare=Bare(tuple(run["images_per_second"] for run in bare), tuple(run["cpu_ms"] for run in bare)),
        memory_mb=memory,
        uploads_per_second=uploads,
        upload_cpu_ms=upload_cpu,
        plain_images_per_second=plain["images_per_second"],
        drained_images_per_second=drained,
        prepare={"1024×768": prepare[str(folder / "pictures" / "000.jpg")], "6000×4000": prepare[str(large)]},
    )


@contextmanager
def running_stack(state: Path, say: Say) -> Iterator[tuple[LocalStack, Portal, Ledger]]:
    """Everything that a deployment runs, with a portal that may submit."""
    if StateFolder(state).is_locked():
        raise LocalStackError(f"another benchmark runs in {state}: wait for it, or stop it")
    shutil.rmtree(state, ignore_errors=True)
    say("starting the stack")
    with LocalStack(state, report=say) as stack:
        stack.start_processes()
        address, key = stack.address("intake"), seed(stack).api_key
        with ledger_of(stack) as ledger, Portal(address=address, api_key=key, connections=16) as portal:
            yield stack, portal, ledger
    shutil.rmtree(state)  # a failed run keeps its logs


def _uploads(
    stack: LocalStack, portal: Portal, pictures: Sequence[bytes], meter: Meter, *, images: int
) -> tuple[float, dict[str, float], list[Sent]]:
    """Accepted uploads a second and their processor time, with nobody analysing; and the queue that this leaves."""
    stack.stop("worker", "beat")
    clock, began = CpuClock(meter), time.monotonic()
    sent = send_all(portal, pictures, images=images, connections=UPLOAD_CONNECTIONS)
    return images / (time.monotonic() - began), clock.per_image(images), sent


def _drained(stack: LocalStack, ledger: Ledger, queued: Sequence[Sent]) -> float:
    """Images a second from the first batch written back to the last, with nobody uploading."""
    stack.start("worker", "beat")
    moments = sorted(ledger.finished(queued).values())
    return sum(moment > moments[0] for moment in moments) / (moments[-1] - moments[0])


def _latency(sent: Sequence[Sent], finished: Mapping[uuid.UUID, float]) -> Latency:
    return Latency.of([finished[one.case_id] - one.began for one in sent])


def _pids(stack: LocalStack) -> dict[str, int]:
    pids = {}
    for name in COMPONENTS:
        try:
            pids[name] = stack.process(name).pid
        except LocalStackError:
            continue  # stopped on purpose: it uses nothing
    return pids


def _aside(stack: LocalStack, *arguments: str) -> dict[str, Any]:
    """The answer of ``infra.bench.bare`` in a process with the worker's settings."""
    command = [sys.executable, "-m", "infra.bench.bare", *arguments]
    environment = {**os.environ, **stack.environment("worker")}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    parsed: dict[str, Any] = json.loads(answer.stdout)
    return parsed
