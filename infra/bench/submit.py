"""``python -m infra.bench.submit``: a folder of pictures submitted by the command line, killed twice and resumed.

The workers stand still meanwhile: what is measured is how fast cases come in, and what the client needs.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, NullPool, create_engine, text

from infra.bench.machine import ROOT, describe
from infra.demo.cases import draw_numbered, encode
from infra.local import LocalStack, LocalStackError
from infra.local.seed import Access, seed

WIDTH, HEIGHT = 320, 240
DEFAULT_PICTURES = 10_000
BASES = 20
# Parts of the folder after which the command is killed.
KILLS = (0.3, 0.7)
MOST_MEMORY_MB = 150
LOOK_SECONDS = 0.05

HEAD = """# Submitting a folder

What a portal's `dermatrail submit` does with a folder of pictures, each a case of its own, against the local stack on one
machine. The command is killed (`kill -9`) twice on its way and started again; the workers stand still.
"""


class BenchmarkFailed(Exception):
    """What was promised did not come about."""


@dataclass(frozen=True, slots=True)
class Part:
    """One start of the command. ``peak_mb``: the most memory that it held (resident, 10⁶ bytes); ``cases``: those that there were after."""

    killed: bool
    seconds: float
    peak_mb: float
    cases: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    pictures: int
    picture_kb: float
    mode: str
    parts: tuple[Part, ...]
    resume_seconds: float
    replayed: int

    @property
    def seconds(self) -> float:
        """Of all starts together."""
        return sum(part.seconds for part in self.parts)

    @property
    def peak_mb(self) -> float:
        """Of the start that needed the most."""
        return max(part.peak_mb for part in self.parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every picture is exactly one case and the client stayed within its memory."""
    options = _options(arguments)
    machine = describe()
    try:
        figures = tuple(_measured(options.folder, options.pictures, mode) for mode in options.mode.split(","))
    except (BenchmarkFailed, LocalStackError) as error:
        print(f"bench-submit: {error}", file=sys.stderr)
        return 1
    command = f"python -m infra.bench.submit --pictures {options.pictures} --mode {options.mode}"
    page = _page(figures, machine, command)
    options.out.write_text(page, encoding="utf-8")
    print(page)
    worst = max(each.peak_mb for each in figures)
    print(f"bench-submit: {sum(each.pictures for each in figures)} cases, 0 duplicates, client at most {worst:.0f} MB", flush=True)
    return 0 if worst <= MOST_MEMORY_MB else 1


def _measured(folder: Path, pictures: int, mode: str) -> Figures:
    clinic, state = folder / f"clinic-{pictures}", folder / "stack"
    _draw(clinic, pictures)
    shutil.rmtree(state, ignore_errors=True)
    journal = folder / "submit.jsonl"
    journal.unlink(missing_ok=True)
    with LocalStack(state, report=lambda line: print(f"bench-submit: {line}", file=sys.stderr)) as stack:
        stack.start_processes(["intake"])
        figures = _run(stack, seed(stack), clinic, journal, mode)
    shutil.rmtree(state, ignore_errors=True)
    return figures


def _run(stack: LocalStack, access: Access, clinic: Path, journal: Path, mode: str) -> Figures:
    command = [sys.executable, "-c", "from workers.cli import main; main()", "submit", str(clinic), "--json", "--journal", str(journal)]
    command += ["--batch"] if mode == "batch" else []
    environment = {**os.environ, "DERMATRAIL_PORTAL_URL": stack.address("intake"), "DERMATRAIL_PORTAL_KEY": access.api_key}
    sizes = [path.stat().st_size for path in clinic.iterdir()]
    parts, said = [], ""
    for share in (*KILLS, None):
        part, said = _start(stack, command, environment, until=None if share is None else int(share * len(sizes)))
        parts.append(part)
        print(f"bench-submit: {mode}: {part}", file=sys.stderr, flush=True)
    last = json.loads(said.strip().splitlines()[-1])
    again, _ = _start(stack, command, environment, until=None)
    _require(stack, journal, clinic, last)
    return Figures(len(sizes), sum(sizes) / len(sizes) / 1000, mode, tuple(parts), again.seconds, last["replayed"])


def _start(stack: LocalStack, command: Sequence[str], environment: dict[str, str], *, until: int | None) -> tuple[Part, str]:
    """Run the command to its end, or until there are so many cases: then it is killed."""
    began, peak = time.monotonic(), 0
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    output = Path(stack.state.root) / "submit.out"
    with output.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, cwd=ROOT)
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            if until is not None and _cases(engine) >= until:
                process.kill()
                process.wait()
            time.sleep(LOOK_SECONDS if until is None else 4 * LOOK_SECONDS)
    seconds = time.monotonic() - began
    if until is None and process.returncode != 0:
        raise BenchmarkFailed(f"the command ended with {process.returncode}: {output.read_text(encoding='utf-8')[-500:]}")
    return Part(until is not None, seconds, peak / 1e6, _cases(engine)), output.read_text(encoding="utf-8")


def _memory(pid: int) -> int:
    """Most resident bytes so far where the system tells (Linux), else those of now; 0 once it has ended."""
    status = Path(f"/proc/{pid}/status")
    try:
        if status.exists():
            lines = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:")]
            return int(lines[0].split()[1]) * 1024 if lines else 0
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return 0


def _cases(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM cases")).scalar_one())


def _require(stack: LocalStack, journal: Path, clinic: Path, said: dict[str, object]) -> None:
    """Every picture is one case, in the database and in the journal, and nothing else is there."""
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    names = sorted(path.name for path in clinic.iterdir())
    with engine.connect() as connection:
        references = sorted(connection.execute(text("SELECT reference FROM cases")).scalars())
        images = connection.execute(text("SELECT count(*), count(DISTINCT sha256) FROM images")).one()
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()[1:]]
    if references != names:
        raise BenchmarkFailed(f"{len(names)} pictures became {len(references)} cases")
    if tuple(images) != (len(names), len(names)):
        raise BenchmarkFailed(f"{len(names)} pictures became {images[0]} images, {images[1]} of them different")
    if len({line["case"] for line in lines}) != len(names) or said["unsent"] or said["refused"]:
        raise BenchmarkFailed(f"the journal has {len(lines)} lines, and the command said {said}")


def _draw(folder: Path, count: int) -> None:
    """Small pictures, each different; those of an earlier run are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"P-{number:05d}.jpg"
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(_picture(number))
            part.replace(path)


@functools.cache
def _base(number: int) -> Any:
    return draw_numbered(number, width=WIDTH, height=HEIGHT).rgb


def _picture(number: int) -> bytes:
    rgb = _base(number % BASES).copy()
    # The number, as blocks of light and dark in a corner.
    for bit in range(16):
        rgb[2:10, 2 + 8 * bit : 10 + 8 * bit] = 230 if number >> bit & 1 else 25
    return encode(rgb, ".jpg")


def _page(figures: Sequence[Figures], machine: Sequence[tuple[str, str]], command: str) -> str:
    lines = [
        "# Submitting a folder",
        "",
        "What a portal's `dermatrail submit` does with a folder of pictures, each a case of its own, against the",
    ]
    lines += [
        "local stack on one machine. The command is killed (`kill -9`) twice on its way and started again; the workers stand still.",
        "",
    ]
    lines += [f"Made by `{command}`. Every picture became exactly one case; there was no duplicate.", ""]
    lines += ["| | " + " | ".join(_title(each) for each in figures) + " |", "|---|" + "---|" * len(figures)]
    rows = {
        "pictures (= cases)": [f"{each.pictures} of {each.picture_kb:.0f} kB" for each in figures],
        "seconds in all, with three starts": [f"{each.seconds:.0f}" for each in figures],
        "pictures a second": [f"{each.pictures / each.seconds:.1f}" for each in figures],
        "cases there when it was killed": [", ".join(str(part.cases) for part in each.parts if part.killed) for each in figures],
        "most memory of the client, MB": [f"{each.peak_mb:.0f}" for each in figures],
        "cases that had been accepted unnoticed and were recognised": [str(each.replayed) for each in figures],
        "seconds of a further start that finds all done": [f"{each.resume_seconds:.1f}" for each in figures],
    }
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    lines += ["", "| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine), ""]
    return "\n".join(lines)


def _title(figures: Figures) -> str:
    return "`--batch`" if figures.mode == "batch" else "one request for each case"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.submit", description=__doc__)
    parser.add_argument("--pictures", type=int, default=DEFAULT_PICTURES, help="pictures of the folder (default: %(default)s)")
    parser.add_argument("--mode", default="single", help="single, batch, or single,batch (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "bench", help="for pictures and the stack (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-submit.md", help="page to write (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
