"""The ``dermatrail`` command. Heavy imports wait until a command needs them, so that ``--help`` answers at once."""

from pathlib import Path
from typing import Any

import click

from workers.commands import deidentify, portal


class Commands(click.Group):
    """Finds the commands for portals and folders at once; what others need (database, models) is imported when one of them is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in self.commands:
            register_rest(self)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        register_rest(self)
        return super().list_commands(ctx)


def register_rest(group: click.Group) -> None:
    """Add the commands that need more than the API; a second time changes nothing."""
    from services import admin
    from workers.commands import data, dataset, erasures, listener, models, portal_check, training

    for part in (admin, models, training, data, dataset, erasures, listener, portal_check):
        part.register(group)


@click.group(cls=Commands)
@click.version_option(package_name="dermatrail")
def main() -> None:
    """Dermatrail: decision support for tele-dermatology. No answer leaves without a dermatologist."""


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for what is written.")
@click.option("--bundles", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder with other bundles.")
@click.option("--segmenter", default="segmenter", show_default=True, help="Bundle that outlines the lesion.")
@click.option("--classifier", default="classifier", show_default=True, help="Bundle that names the diagnosis.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--backend", type=click.Choice(["torch", "openvino"]), default="torch", show_default=True)
@click.option("--heatmap", type=click.Choice(["cam", "gradcam", "off"]), default="cam", show_default=True, help="Which heat maps to make.")
@click.option("--strict", is_flag=True, help="Exit with 3 when a picture could not be analysed.")
def analyse(*, files: tuple[Path, ...], out: Path, strict: bool, **models: Any) -> None:
    """Analyse pictures without any service: a line per picture in findings.jsonl, a mask PNG and a heat map JPEG each."""
    from models.backends import BackendUnavailable
    from models.bundle import BundleError
    from models.explain import ExplainError
    from workers.offline import Models, analyse_files

    try:
        failed = analyse_files(files=files, out=out, models=Models(**models))
    except (BackendUnavailable, BundleError, ExplainError) as error:
        raise click.ClickException(str(error)) from error
    if failed and strict:
        raise SystemExit(3)


portal.register(main)
deidentify.register(main)
