"""``python -m infra.bench.desk``: a clinic of a million cases, the desk's server time on it, and docs/benchmarks-desk.md."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.orm import Session

from infra.bench.desk_measure import PASSWORD, Figures, Plan, measure
from infra.bench.desk_report import last_line, page
from infra.bench.desk_seed import READERS, TENANT_SHARES, Clinic, Say, fill
from infra.bench.machine import ROOT, describe
from infra.local import LocalStack, LocalStackError
from services.records import access
from services.records.states import Role


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every page was measured, and every plan used an index."""
    options = _options(arguments)
    if not 0 < options.open <= options.cases:
        print("bench-desk: --open must be between 1 and --cases", file=sys.stderr)
        return 2
    machine = describe()
    try:
        plan = Plan(options.cases, options.open, options.rounds)
        figures = run(folder=options.folder, plan=plan, say=_say, reuse=options.reuse, keep=options.keep or options.reuse)
    except LocalStackError as error:
        print(f"bench-desk: {error}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = shlex.join(["python", "-m", "infra.bench.desk", *given]) if given else "make bench-desk"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page(figures, command=command, machine=machine), encoding="utf-8")
    print(f"written to {options.out}")
    for scan in figures.scans:
        print(f"bench-desk: a table is read from end to end: {scan}", file=sys.stderr)
    print(last_line(figures), flush=True)
    return 1 if figures.scans else 0


def run(*, folder: Path, plan: Plan, say: Say, reuse: bool = False, keep: bool = False) -> Figures:
    """Start a stack of its own, fill it, measure, and take it away again; ``reuse`` measures on what an earlier run has kept."""
    if not reuse:
        shutil.rmtree(folder, ignore_errors=True)
    with LocalStack(folder, report=say) as stack:
        engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
        if not reuse:
            clinic = people(engine, plan)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                fill(connection=connection, clinic=clinic, say=say)
        figures = measure(stack=stack, engine=engine, plan=plan, say=say)
        engine.dispose()
    if not keep:
        shutil.rmtree(folder)
    return figures


def people(engine: Engine, plan: Plan) -> Clinic:
    """The portals, and readers who read for all of them."""
    with Session(engine) as session, session.begin():
        names = [chr(ord("A") + number) for number in range(len(TENANT_SHARES))]
        tenants = [access.create_tenant(session=session, name=f"Portal {name}", slug=f"portal-{name.lower()}").id for name in names]
        readers = [
            access.create_user(
                session=session, email=f"reader-{n}@bench.example", name=f"Dr {n}", role=Role.LEAD, password=PASSWORD, tenants=tenants
            )
            for n in range(READERS)
        ]
    return Clinic(plan.cases, plan.open_cases, tuple(tenants), tuple(readers))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.desk", description="Measures worklist and case page on a large clinic.")
    parser.add_argument("--cases", type=int, default=1_000_000, help="cases (default: %(default)s)")
    parser.add_argument("--open", type=int, default=200_000, help="of them open (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="how often each list is asked for (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the filled database for --reuse")
    parser.add_argument("--reuse", action="store_true", help="measure on the database that a run with --keep has left")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-desk.md", help="the page to write (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "bench" / "desk", help="the stack's state (default: %(default)s)")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(f"bench-desk: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
