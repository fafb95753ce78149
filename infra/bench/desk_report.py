"""The figures of the desk as a page and as one line."""

from collections.abc import Sequence

from infra.bench.desk_measure import Figures, Times
from infra.bench.models_report import table

REACH = 100


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    return f"desk: {figures.plan.cases} cases, worklist p95 {figures.worklist.at(0.95):.0f} ms, case p95 {figures.case.at(0.95):.0f} ms"


def page(figures: Figures, *, command: str, machine: Sequence[tuple[str, str]]) -> str:
    """docs/benchmarks-desk.md."""
    plan = figures.plan
    lines = [_line(times) for times in (*figures.lists, figures.worklist, figures.case)]
    scans = "\n".join(f"* {scan}" for scan in figures.scans) or "No statement of these pages reads a large table from end to end."
    return f"""# Benchmarks of the desk

Written by `{command}`; run it again, on a machine that does nothing else, to replace this page with its figures.

{plan.cases:,} cases of {8} portals, {plan.open_cases:,} of them open, with their patients, lesions, pictures, jobs, answers and decisions
({figures.size}), in Postgres under row-level security. One reader reads for all portals. Milliseconds are server time: a whole
request through the WSGI application with session, statements, audit events and template, without network. {plan.rounds} requests for
each list, {len(figures.case.values)} different cases. The reach is a 95th percentile of {REACH} ms. Processor time is that of the desk
and of Postgres together, on average: where other programs keep the cores busy, the wall clock measures them, too.

{table(("page", "p50, ms", "p95, ms", "most, ms", "processor, ms", "statements"), lines)}

{scans}

## Machine

{table(("what", "value"), machine)}

`{last_line(figures)}`
"""


def _line(times: Times) -> tuple[str, ...]:
    milliseconds = (f"{value:.0f}" for value in (times.at(0.5), times.at(0.95), max(times.values)))
    processor = f"{times.processor:.0f}" if times.processor else ""
    return (times.name, *milliseconds, processor, str(times.statements or ""))
