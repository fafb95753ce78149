"""``dermatrail submit``, ``watch`` and ``results``: a portal's side on the command line. Needs the API alone, no database."""

import json
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from workers.commands import portal_follow
from workers.commands.portal_options import FILE, connected, key_of

REFUSED, UNSENT = 3, 1


def register(main: click.Group) -> None:
    """Adds the commands to ``dermatrail``."""
    main.add_command(submit)
    main.add_command(portal_follow.watch)
    main.add_command(portal_follow.results)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@connected
@click.option("--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV with a line for each case; see below.")
@click.option("--by-folder", is_flag=True, help="One case for each folder of pictures, not for each picture.")
@click.option("--batch", is_flag=True, help="Put the pictures into the store and submit hundreds of cases by one request.")
@click.option("--batch-size", default=200, show_default=True, type=click.IntRange(1, 10_000), help="Cases of one batch.")
@click.option("--journal", type=FILE, help="Where it is kept what was accepted. Default: beside the folder, the files or the manifest.")
@click.option("--again", is_flag=True, help="Send what was refused in an earlier run once more.")
@click.option("--senders", default=4, show_default=True, type=click.IntRange(1, 32), help="Requests at the same time.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each case, and one at the end.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def submit(*, paths: tuple[Path, ...], manifest: Path | None, url: str, key: str | None, key_file: Path | None, **options: Any) -> None:
    """Submit the pictures of a FOLDER, or FILES: one case each, unless said otherwise.

    Run the same command again after an interruption, whatever it was: it goes on where it stopped, and no case is made twice.

    \b
    A manifest is a CSV file (UTF-8) with a head line. Its columns: files (paths relative to FOLDER, or to the manifest;
    several separated by "|") and patient_reference, and if you like reference, urgency, clinical_notes, visited_at, sex,
    birth_year, fitzpatrick, consent_training, consent_care, consent_audit, lesion_reference, body_site, laterality,
    modality, pixel_spacing_mm, magnification.

    \b
    Exit code: 0 all are accepted; 3 some are refused; 1 some could not be sent (run the command again); 2 wrong usage.
    """
    from services.client.client import Client
    from workers.commands.portal_journal import Journal, JournalError
    from workers.commands.portal_lines import LinesInUse
    from workers.commands.portal_plan import ManifestError

    secret = key_of(key, key_file)
    try:
        planned, where = _plan(paths, manifest, by_folder=options["by_folder"])
        with (
            Client(url, secret, connections=2 * options["senders"]) as client,
            Journal(options["journal"] or where, url=url, again=options["again"]) as journal,
        ):
            code = _submit(client, journal, planned, options)
    except ManifestError as error:
        raise click.UsageError(f"Nothing was sent, for the manifest has faults:\n{error}") from error
    except (JournalError, LinesInUse, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(code)


def _plan(paths: tuple[Path, ...], manifest: Path | None, *, by_folder: bool) -> tuple[Iterable[Any], Path]:
    """The cases, and where their journal lies if nothing else is said."""
    from workers.commands import portal_plan as plan

    folders = [path for path in paths if path.is_dir()]
    if manifest is not None:
        if len(paths) > 1 or len(folders) != len(paths):
            raise click.UsageError("With --manifest name at most the folder that its paths are relative to.")
        return plan.plan_manifest(manifest, root=folders[0] if folders else manifest.parent), beside(manifest)
    if len(folders) == 1 and len(paths) == 1:
        return plan.plan_folder(folders[0], by_folder=by_folder), beside(folders[0])
    if folders or not paths:
        raise click.UsageError("Name one folder, or files, or a manifest.")
    return plan.plan_files(paths), paths[0].resolve().parent / "dermatrail-submit.jsonl"


def beside(what: Path) -> Path:
    """Where the journal of a folder or manifest lies: beside it, so that a folder stays as it is."""
    whole = what.resolve()
    return whole.parent / f"{whole.name}.dermatrail.jsonl"


def _submit(client: Any, journal: Any, planned: Iterable[Any], options: dict[str, Any]) -> int:
    from workers.commands.portal_batch import submit_batches
    from workers.commands.portal_submit import Run, SubmitStopped, Tally, submit_all

    tally, began, why = Tally(), time.monotonic(), None
    cases = list(planned)
    with _progress(len(cases), hidden=options["quiet"] or options["as_json"]) as progress:
        run = Run(client, journal, _teller(as_json=options["as_json"]), progress, senders=options["senders"])
        try:
            if options["batch"]:
                submit_batches(run, cases, tally, size=options["batch_size"])
            else:
                submit_all(run, cases, tally)
        except SubmitStopped as stop:
            why = str(stop)
    left = len(cases) - tally.total
    _summary(tally, left, time.monotonic() - began, journal.path, why, as_json=options["as_json"])
    return UNSENT if why or tally.unsent or left else REFUSED if tally.refused else 0


def _progress(total: int, *, hidden: bool) -> Any:
    """A bar on a terminal's error stream; nothing elsewhere."""
    if hidden or not sys.stderr.isatty():
        return nullcontext(lambda count: None)  # noqa: ARG005
    from workers.commands.portal_progress import bar

    return bar(total)


def _teller(*, as_json: bool) -> Any:
    def tell(outcome: Any) -> None:
        if as_json:
            said = {"name": outcome.planned.name, "case": outcome.case_id, "replayed": outcome.replayed}
            wrong = {} if outcome.case_id else {"reason": outcome.reason, "detail": outcome.detail, "final": outcome.final}
            click.echo(json.dumps(said | wrong, ensure_ascii=False))
        elif not outcome.case_id:
            click.echo(f"{outcome.planned.name}: {'refused' if outcome.final else 'not sent'}: {outcome.detail}", err=True)

    return tell


def _summary(tally: Any, left: int, seconds: float, journal: Path, why: str | None, *, as_json: bool) -> None:
    unsent = tally.unsent + left
    if as_json:
        counts = {name: getattr(tally, name) for name in ("accepted", "replayed", "before", "refused")}
        click.echo(json.dumps(counts | {"unsent": unsent, "seconds": round(seconds, 3), "journal": str(journal), "stopped": why}))
        return
    if why or unsent:
        click.echo(f"{why or 'Some cases could not be sent.'}\nRun the same command again: it goes on where it stopped.", err=True)
    again = f" ({tally.replayed} of them before, unnoticed)" if tally.replayed else ""
    click.echo(
        f"submit: {tally.accepted} accepted{again}, {tally.before} before, {tally.refused} refused, {unsent} not sent "
        f"in {seconds:.1f} s; journal: {journal}"
    )
