"""``python -m infra.bench.trail_pages``: the server time of a patient's and a lesion's page, with 200 lesions of 10 visits each."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text

from infra.bench.desk import people
from infra.bench.desk_measure import Clock, Plan, Times, ask, open_desk
from infra.bench.desk_seed import FINDING, Say, fill
from infra.bench.machine import ROOT, describe
from infra.bench.models_report import table
from infra.bench.patient_seed import PIPELINE, Seeded, Wanted, seed_patient
from infra.local import LocalStack, LocalStackError

REACH = 100
PAGE = ROOT / "docs" / "benchmarks-trail-pages.md"


@dataclass(frozen=True, slots=True)
class Task:
    """Cases of other patients around, and of the one patient how many lesions with how many visits; how often each page is asked for."""

    cases: int
    lesions: int
    visits: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, in ms."""

    task: Task
    patient: Times
    lesion: Times
    compare: Times


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the pages were measured."""
    options = _options(arguments)
    task = Task(options.cases, options.lesions, options.visits, options.rounds)
    try:
        figures = run(folder=options.folder, task=task, say=_say)
    except LocalStackError as error:
        print(f"bench-trail-pages: {error}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = shlex.join(["python", "-m", "infra.bench.trail_pages", *given]) if given else "make bench-trail-pages"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page(figures, command=command, machine=describe()), encoding="utf-8")
    print(f"written to {options.out}")
    print(last_line(figures), flush=True)
    return 0


def run(*, folder: Path, task: Task, say: Say) -> Figures:
    """Start a stack of its own, fill it, measure, and take it away again."""
    shutil.rmtree(folder, ignore_errors=True)
    with LocalStack(folder, report=say) as stack:
        engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
        seeded = _filled(engine, task, say)
        app, client = open_desk(stack)
        clock = Clock(stack.process("postgres").pid)
        say("measuring")
        lesions = [seeded.lesion_ids[number % len(seeded.lesion_ids)] for number in range(task.rounds)]
        patient = ask(app, client, clock, "patient", [f"/patients/{seeded.patient_id}"] * task.rounds)
        lesion = ask(app, client, clock, "lesion", [f"/lesions/{lesion_id}" for lesion_id in lesions])
        compare = ask(app, client, clock, "two visits side by side", [f"/lesions/{lesion_id}/compare" for lesion_id in lesions])
        app.extensions["dermatrail"].database.close()
        engine.dispose()
    shutil.rmtree(folder)
    return Figures(task, patient, lesion, compare)


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    return f"trail pages: patient p95 {figures.patient.at(0.95):.0f} ms, lesion p95 {figures.lesion.at(0.95):.0f} ms"


def page(figures: Figures, *, command: str, machine: Sequence[tuple[str, str]]) -> str:
    """The page of the figures."""
    task, lines = figures.task, [_line(times) for times in (figures.patient, figures.lesion, figures.compare)]
    return f"""# Benchmarks of the trail's pages

Written by `{command}`; run it again, on a machine that does nothing else, to replace this page with its figures.

One patient with {task.lesions} lesions of {task.visits} visits each, analysed, measured, compared and decided, among {task.cases:,} cases
of other patients, in Postgres under row-level security. Milliseconds are server time: a whole request through the WSGI application with
session, statements, audit event and template, without network; {task.rounds} requests for each page. The reach is a 95th percentile of
{REACH} ms. Processor time is that of the desk and of Postgres together, on average.

{table(("page", "p50, ms", "p95, ms", "most, ms", "processor, ms", "statements"), lines)}

## Machine

{table(("what", "value"), machine)}

`{last_line(figures)}`
"""


def _filled(engine: Engine, task: Task, say: Say) -> Seeded:
    clinic = people(engine, Plan(task.cases, max(task.cases // 5, 1), task.rounds))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        fill(connection=connection, clinic=clinic, say=say)
    say("seeding: one patient with many lesions")
    with engine.begin() as connection:
        wanted = Wanted(clinic.tenants[0], clinic.readers[0], task.lesions, task.visits)
        seeded = seed_patient(
            connection=connection, wanted=wanted, finding={**FINDING, "pipeline_version": PIPELINE, "probabilities": {"NV": 0.81}}
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return seeded


def _line(times: Times) -> tuple[str, ...]:
    milliseconds = (f"{value:.0f}" for value in (times.at(0.5), times.at(0.95), max(times.values)))
    return (times.name, *milliseconds, f"{times.processor:.0f}", str(times.statements))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.trail_pages", description="Measures the patient's and the lesion's page.")
    parser.add_argument("--cases", type=int, default=100_000, help="cases of other patients (default: %(default)s)")
    parser.add_argument("--lesions", type=int, default=200, help="lesions of the patient (default: %(default)s)")
    parser.add_argument("--visits", type=int, default=10, help="visits of each lesion (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="how often each page is asked for (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page to write (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "bench" / "trail-pages", help="the stack's state")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(f"bench-trail-pages: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
