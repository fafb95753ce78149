"""``dermatrail deidentify``: folders of pictures without what tells who the patients are."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.deidentify.secret import Secret

# The values of models.deidentify.table.Option: written out, so that ``--help`` loads nothing.
KEEPS = ("uids", "device", "institution", "patient", "full_dates", "modified_dates", "descriptors")
DEFAULTS = ("patient", "device", "modified_dates", "descriptors")
VARIABLE = "DERMATRAIL_DEIDENTIFY_KEY"


def register(main: click.Group) -> None:
    """Adds the command."""
    main.add_command(deidentify)


@click.command()
@click.argument("src", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("dst", type=click.Path(path_type=Path, file_okay=False))
@click.option("--key-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help=f"File with the secret; else {VARIABLE}.")
@click.option("--keep", multiple=True, type=click.Choice(KEEPS), help=f"PS3.15 options; repeatable. Default: {', '.join(DEFAULTS)}.")
@click.option("--keep-nothing", is_flag=True, help="The basic profile alone, without any option.")
@click.option("--strict", is_flag=True, help="Exit with 3 when a file was held or refused.")
def deidentify(*, src: Path, dst: Path, key_file: Path | None, keep: tuple[str, ...], keep_nothing: bool, strict: bool) -> None:
    """De-identify the DICOM files and photographs below SRC into DST.

    DICOM by PS3.15 annex E; photographs lose all metadata, no pixel changes. Pictures that may hold writing go to DST/held: look at
    them. DST.deidentified.csv and .json say what became of each file; they name the sources, keep them apart. Under the same secret
    the same patient gets the same pseudonym. An interrupted run goes on when the same command is run again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from models.deidentify.secret import SecretTooShort
    from models.deidentify.table import Option
    from workers.deidentifying import DeidentifyRefused, Job, Outcome, deidentify_folder

    if keep and keep_nothing:
        raise click.UsageError("--keep and --keep-nothing exclude each other.")
    chosen = () if keep_nothing else keep or DEFAULTS
    try:
        job = Job(src, dst, _secret(key_file), frozenset(Option(name) for name in chosen))
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("de-identifying", total=None)
            counts = deidentify_folder(job, tell=lambda done, total: progress.update(bar, completed=done, total=total))
    except (DeidentifyRefused, SecretTooShort, OSError) as error:
        raise click.ClickException(str(error)) from error
    named = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    click.echo(f"{dst}: {named}. The list: {job.journal.with_suffix('.csv')}")
    if strict and counts[Outcome.HELD] + counts[Outcome.REFUSED]:
        raise SystemExit(3)


def _secret(key_file: Path | None) -> "Secret":
    from models.deidentify.secret import Secret

    if key_file is not None:
        return Secret.read(key_file)
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise click.UsageError(f"A secret is needed: --key-file FILE or {VARIABLE}. Make one: openssl rand -hex 32")
    return Secret(given.encode())
