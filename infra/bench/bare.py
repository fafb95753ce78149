"""The floor: the same networks on random pictures, nothing else; and the preprocessing alone. Prints one JSON line.

Runs as a process of its own, with the worker's settings, so that its threads and its memory are what the worker's are.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from models.analyzer import Analyzer
from models.backends import choose_device, model_threads
from services.settings import Settings, load_settings

WARM_UP_BATCHES = 3
PREPARATIONS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """``model N``: the bare loop over N pictures. ``plain N``: as one thread with torch's own threads. ``prepare FILE…``: preprocessing."""
    parser = argparse.ArgumentParser(prog="python -m infra.bench.bare", description="The bare model loop, or the preprocessing alone.")
    parser.add_argument("what", choices=("model", "plain", "prepare"))
    parser.add_argument("operands", nargs="+")
    options = parser.parse_args(arguments)
    settings = load_settings()
    analyzer = Analyzer.load(bundles=settings.bundles_dir, device=settings.device, backend=settings.backend)
    if options.what == "prepare":
        answer: object = {name: prepare_ms(analyzer, Path(name).read_bytes()) for name in options.operands}
    else:
        side_by_side = model_threads(device=choose_device(settings.device), backend=settings.backend) if options.what == "model" else 1
        answer = bare_loop(analyzer, settings, images=int(options.operands[0]), threads=side_by_side)
    print(json.dumps(answer))
    return 0


def bare_loop(analyzer: Analyzer, settings: Settings, *, images: int, threads: int) -> dict[str, float]:
    """Wall and processor time of both networks over ``images`` pictures, in the worker's batches, ``threads`` of them side by side."""
    rng = np.random.default_rng(0)
    size = settings.batch_size
    outlines = rng.integers(0, 256, (size, analyzer.segmenter_side, analyzer.segmenter_side, 3), np.uint8)
    crops = rng.integers(0, 256, (size * analyzer.plan.views, analyzer.classifier_side, analyzer.classifier_side, 3), np.uint8)

    def one_batch() -> None:
        analyzer.segmenter(outlines)
        analyzer.classifier(crops)

    each = -(-images // (size * threads))
    with ThreadPoolExecutor(threads) as pool:

        def run(batches: int) -> None:
            for _ in range(batches):
                one_batch()

        def on_every_thread(batches: int) -> None:
            list(pool.map(lambda _: run(batches), range(threads)))

        on_every_thread(WARM_UP_BATCHES)
        wall, cpu = _timed(lambda: on_every_thread(each), 1)
    done = each * threads * size
    return {"images_per_second": done / wall, "cpu_ms": 1_000 * cpu / done}


def prepare_ms(analyzer: Analyzer, data: bytes) -> dict[str, float]:
    """Means over 15 runs: processor and wall milliseconds of decoding and preprocessing one file."""
    analyzer.prepare(data)
    wall, cpu = _timed(lambda: analyzer.prepare(data), PREPARATIONS)
    return {"wall_ms": 1_000 * wall / PREPARATIONS, "cpu_ms": 1_000 * cpu / PREPARATIONS}


def _timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds of wall and of processor time (all threads of this process)."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())
