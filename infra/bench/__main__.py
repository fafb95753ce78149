"""``python -m infra.bench``: measures, writes docs/benchmarks.md, ends with one line."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.bench.load import BenchmarkFailed
from infra.bench.machine import ROOT, describe
from infra.bench.measure import Plan, measure
from infra.bench.report import last_line, page
from infra.local import LocalStackError

DEFAULT_IMAGES = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every image was analysed, 1 otherwise."""
    options = _options(arguments)
    machine = describe()
    plan = Plan(images=options.images, rate=options.rate, paced_images=options.paced_images)
    try:
        figures = measure(plan=plan, folder=options.folder, say=lambda text: print(f"bench: {text}", file=sys.stderr, flush=True))
    except (BenchmarkFailed, LocalStackError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = page(figures, command=_command(arguments), machine=machine)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {options.out}")
    print(last_line(figures), flush=True)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench", description="Measures the pipeline beside its bare networks.")
    parser.add_argument("--images", type=int, default=DEFAULT_IMAGES, help="images end to end (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=2.0, help="arrivals a second for the latency figures (default: %(default)s)")
    parser.add_argument("--paced-images", type=int, default=60, help="images for the latency figures (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the page to write (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".local" / "bench", help="pictures and the stack's state (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    given = sys.argv[1:] if arguments is None else list(arguments)
    return shlex.join(["python", "-m", "infra.bench", *given]) if given else "make bench"


if __name__ == "__main__":
    sys.exit(main())
