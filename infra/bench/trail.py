"""``python -m infra.bench.trail``: measures the trail against known truth, writes docs/benchmarks-trail.md, ends with one line."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from infra.bench.machine import ROOT, describe
from infra.bench.trail_measure import Plan, measure
from infra.bench.trail_report import last_line, page

SIZES = {
    "lesions": (400, "real lesions that are moved"),
    "grown": (1_000, "real lesions of each part that grow, of which most leave the picture and are left out"),
    "drawn": (60, "drawn lesions"),
    "pairs": (2_000, "pairs of real pictures of one lesion, of each part"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured."""
    options = _options(arguments)
    sizes = {name: getattr(options, name) for name in SIZES}
    plan = Plan(options.data, options.part, seed=options.seed, **sizes)
    machine = describe()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=1.0)
        figures = measure(plan, say=lambda text, done: progress.update(bar, description=f"{text:<28}", completed=done))
        progress.update(bar, completed=1.0)
    text = page(figures, plan, command=_command(arguments), machine=machine)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {options.out}")
    print(last_line(figures), flush=True)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.trail", description="Measures the trail against known truth.")
    data = os.environ.get("DERMATRAIL_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help="folder with ham10000, isic2018_task1 and uda1_originals (default: DERMATRAIL_DATA; without one, drawn lesions alone)",
    )
    parser.add_argument("--part", choices=("test", "development"), default="test", help="whose figures (default: %(default)s)")
    for name, (size, text) in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"{text}, at most (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=5, help="of what is drawn and of what happens (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-trail.md", help="the page to write (default: %(default)s)")
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    given = sys.argv[1:] if arguments is None else list(arguments)
    return shlex.join(["python", "-m", "infra.bench.trail", *given]) if given else "DERMATRAIL_DATA=… make bench-trail"


if __name__ == "__main__":
    sys.exit(main())
