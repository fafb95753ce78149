"""``dermatrail data``: which public data sets there are, and how to fetch them."""

from pathlib import Path

import click


def register(main: click.Group) -> None:
    """Adds the group."""
    main.add_command(data)


@click.group()
def data() -> None:
    """Public data sets to train and measure on."""


@data.command("list")
def list_sets() -> None:
    """Name, title and licence of each data set that can be fetched."""
    from rich.console import Console
    from rich.table import Table

    from models.datasets import CATALOGUE

    table = Table("name", "what", "licence", "page")
    for found in CATALOGUE.values():
        table.add_row(found.name, found.title, found.licence, found.page)
    Console().print(table)


@data.command()
@click.argument("name")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for data sets.")
def fetch(name: str, folder: Path) -> None:
    """Download the data set NAME into a folder of its name, checked and unpacked; an interrupted download goes on."""
    from models.datasets import DatasetError, DownloadFailed
    from models.datasets import fetch as fetch_set

    try:
        click.echo(f"data: {fetch_set(name, folder)}")
    except (DatasetError, DownloadFailed) as error:
        raise click.ClickException(str(error)) from error
