"""``python -m infra.bench.models``: measures every network, writes docs/benchmarks-models.md, ends with one line."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.bench.machine import ROOT, describe
from infra.bench.models_card import card_rows
from infra.bench.models_measure import RUNTIMES, SUBJECTS, Peaks, pair_of, peaks, precisions, row_of
from infra.bench.models_report import Figures, last_line, page
from models.backends import BackendUnavailable, model_threads

DEFAULT_SECONDS = 1.2


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the default pair was measured, on one runtime at least."""
    options = _options(arguments)
    machine = describe()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(options.networks) * len(RUNTIMES) * len(precisions()) + len(RUNTIMES) + 2)

        def say(text: str) -> None:
            progress.update(bar, description=f"{text:<42}", advance=1)

        figures = measure(names=options.networks, seconds=options.seconds, say=say)
    text = page(figures, command=_command(arguments), machine=machine)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {options.out}")
    print(last_line(figures), flush=True)
    return 0


def measure(*, names: Sequence[str], seconds: float, say: Callable[[str], None]) -> Figures:
    """The default pair and the networks of these names, on all cores that this process may use. ``seconds``: for each figure."""
    threads = model_threads(device="cpu", backend="torch")
    say("matrix products")
    before = peaks(threads=threads, seconds=seconds)
    pairs = []
    for runtime in RUNTIMES:
        say(f"default pair: {runtime}")
        try:
            pairs.append(pair_of(runtime, threads=threads, seconds=2 * seconds))
        except BackendUnavailable as error:
            print(f"bench-models: without {runtime}: {error}", file=sys.stderr)
    subjects = [subject for subject in SUBJECTS if subject.name in names]
    rows = [row_of(subject, threads=threads, seconds=seconds, say=say) for subject in subjects]
    say("matrix products again")
    after = peaks(threads=threads, seconds=seconds)
    best: Peaks = {key: max(value, after[key]) for key, value in before.items()}
    fastest_first = sorted(pairs, key=lambda pair: -pair.rate.images_per_second)
    return Figures(cores=threads, peaks=best, rows=rows, pairs=fastest_first, cards=list(card_rows(subjects, seconds=seconds, say=say)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.models", description="Measures the networks on every runtime.")
    names = [subject.name for subject in SUBJECTS]
    parser.add_argument("--networks", nargs="*", choices=names, default=names, help="only these (default: all)")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="for each figure (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-models.md", help="the page to write (default: %(default)s)")
    return parser.parse_args(arguments)


def _command(arguments: Sequence[str] | None) -> str:
    given = sys.argv[1:] if arguments is None else list(arguments)
    return shlex.join(["python", "-m", "infra.bench.models", *given]) if given else "make bench-models"


if __name__ == "__main__":
    sys.exit(main())
