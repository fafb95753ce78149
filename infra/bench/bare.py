"""The floor: the same networks on random pictures, nothing else; and the preprocessing alone. Prints one JSON line.

Runs as a process of its own, with the worker's settings, so that its threads and its memory are what the worker's are.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models.analyzer import Analyzer
from services.settings import Settings, load_settings

WARM_UP_BATCHES = 3
PREPARATIONS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """``model N``: the bare loop over N pictures. ``prepare FILE…``: the preprocessing of each file."""
    parser = argparse.ArgumentParser(prog="python -m infra.bench.bare", description="The bare model loop, or the preprocessing alone.")
    parser.add_argument("what", choices=("model", "prepare"))
    parser.add_argument("operands", nargs="+")
    options = parser.parse_args(arguments)
    settings = load_settings()
    analyzer = Analyzer.load(bundles=settings.bundles_dir, device=settings.device, backend=settings.backend)
    if options.what == "model":
        answer: object = bare_loop(analyzer, settings, images=int(options.operands[0]))
    else:
        answer = {name: prepare_ms(analyzer, Path(name).read_bytes()) for name in options.operands}
    print(json.dumps(answer))
    return 0


def bare_loop(analyzer: Analyzer, settings: Settings, *, images: int) -> dict[str, float]:
    """Wall and processor time of both networks over ``images`` pictures in batches of the worker's size."""
    rng = np.random.default_rng(0)
    size = settings.batch_size
    outlines = rng.integers(0, 256, (size, analyzer.segmenter_side, analyzer.segmenter_side, 3), np.uint8)
    crops = rng.integers(0, 256, (size, analyzer.classifier_side, analyzer.classifier_side, 3), np.uint8)

    def one_batch() -> None:
        analyzer.segmenter(outlines)
        analyzer.classifier(crops)

    for _ in range(WARM_UP_BATCHES):
        one_batch()
    batches = -(-images // size)
    wall, cpu = _timed(one_batch, batches)
    return {"images_per_second": batches * size / wall, "cpu_ms": 1_000 * cpu / (batches * size)}


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
