"""``dermatrail watch`` and ``dermatrail results``."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from workers.commands.portal_options import FILE, connected, key_of


@click.command()
@connected
@click.option("--cursor-file", type=FILE, help="Keeps the place in the events: with it, each is shown once, also over several runs.")
@click.option("--kind", help="Only this kind of event, such as followup.due.")
@click.option("--journal", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Follow the cases of a submission instead.")
@click.option("--every", default=5.0, show_default=True, type=click.FloatRange(0.1), help="Seconds between two questions.")
@click.option("--once", is_flag=True, help="Show what there is, and end.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each event, or each count.")
def watch(*, url: str, key: str | None, key_file: Path | None, journal: Path | None, cursor_file: Path | None, **options: Any) -> None:
    """Show events as they happen; with --journal, how the cases of a submission stand, until all are decided."""
    from services.client.client import Client
    from services.client.errors import DermatrailError

    with Client(url, key_of(key, key_file)) as client:
        try:
            if journal is not None:
                _watch_cases(client, journal, **options)
            else:
                _watch_events(client, cursor_file, **options)
        except DermatrailError as error:
            raise click.ClickException(str(error)) from error


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@connected
@click.option("--journal", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Only the cases of this submission.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only cases received since then (UTC).")
@click.option("--undecided", is_flag=True, help="Also cases that no dermatologist has decided yet: what models say is no result.")
@click.option("--masks", is_flag=True, help="Also the outlines, as masks/CASE-NUMBER.png.")
@click.option("--reports", is_flag=True, help="Also the reports of decided cases, as reports/CASE.pdf.")
@click.option("--language", help="Of the reports, such as de.")
def results(
    *, out: Path, url: str, key: str | None, key_file: Path | None, journal: Path | None, since: datetime | None, **options: Any
) -> None:
    """Write findings and decisions into OUT/results.jsonl, a line for each case as the API gives it.

    Run it again for what was decided meanwhile: cases that have not changed are not written twice. A case whose decision was amended
    gets a further line; the last one counts.
    """
    from services.client.client import Client
    from services.client.errors import DermatrailError
    from workers.commands.portal_lines import LinesInUse
    from workers.commands.portal_results import Wanted, write_results

    day = since.replace(tzinfo=UTC) if since else None
    try:
        with Client(url, key_of(key, key_file)) as client:
            written = write_results(client, out, journal=journal, since=day, wanted=Wanted(**options))
    except (DermatrailError, LinesInUse, OSError, ValueError) as error:
        raise click.ClickException(f"{error} Run the same command again: it goes on where it stopped.") from error
    withheld = f", {written.withheld} not handed out" if written.withheld else ""
    click.echo(
        f"results: {written.written} written, {written.known} as before, {written.open} not decided yet{withheld}: {out / 'results.jsonl'}"
    )


def _watch_events(client: Any, cursor_file: Path | None, *, kind: str | None, every: float, once: bool, as_json: bool) -> None:
    cursor = cursor_file.read_text(encoding="utf-8").strip() if cursor_file and cursor_file.exists() else None
    while True:
        page = client.events(cursor=cursor, kind=kind)
        for event in page.events:
            click.echo(_event_line(event, as_json=as_json))
        if cursor_file is not None and page.cursor != cursor:
            # Shown first, kept afterwards: killed in between, an event is shown twice and never not at all.
            sys.stdout.flush()
            keep(cursor_file, page.cursor)
        cursor = page.cursor
        if page.more:
            continue
        if once:
            return
        time.sleep(every)


def _watch_cases(client: Any, journal: Path, *, kind: str | None, every: float, once: bool, as_json: bool) -> None:  # noqa: ARG001
    from workers.commands.portal_journal import accepted_cases

    told = None
    while True:
        counts = _counts(client, set(accepted_cases(journal)))
        if counts != told:
            said = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **counts}
            click.echo(json.dumps(said) if as_json else ", ".join(f"{count} {status}" for status, count in counts.items()))
            told = counts
        if once or set(counts) <= {"reviewed"}:
            return
        time.sleep(every)


def _counts(client: Any, wanted: set[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    statuses: Iterator[str] = (case.status for case in client.cases() if str(case.id) in wanted)
    for status in statuses:
        counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items()))


def _event_line(event: Any, *, as_json: bool) -> str:
    if as_json:
        said = {"id": str(event.id), "kind": event.kind, "subject_kind": event.subject_kind, "subject_id": str(event.subject_id)}
        return json.dumps(said | {"created_at": event.created_at.isoformat(), "payload": event.payload}, ensure_ascii=False)
    return f"{event.created_at:%Y-%m-%d %H:%M:%S}  {event.kind}  {event.subject_kind} {event.subject_id}"


def keep(file: Path, text: str) -> None:
    """Replace a file's text: a reader sees the old or the new one, and never half of it."""
    from workers.commands.portal_results import replace

    replace(file, (text + "\n").encode())
