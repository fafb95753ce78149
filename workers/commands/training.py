"""``dermatrail train`` and ``dermatrail evaluate``."""

from pathlib import Path

import click

from services.admin import owner_transaction

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def register(main: click.Group) -> None:
    """Adds the two commands."""
    main.add_command(train)
    main.add_command(evaluate)


def require_nobody_erased(data: Path) -> None:
    """Refuse exported data sets with pictures of erased patients, where the records can be asked; say so where they cannot."""
    from sqlalchemy.exc import SQLAlchemyError

    from workers.pruning import ErasedInside, NoExport, exports_in, require_pruned

    folders = exports_in(data)
    if not folders:
        return
    try:
        require_pruned(folders=folders, transaction=owner_transaction)
    except (ErasedInside, NoExport) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except (click.ClickException, SQLAlchemyError):
        named = ", ".join(str(folder) for folder in folders)
        click.echo(f"Not asked: whether {named} holds pictures of erased patients. Set DERMATRAIL_DATABASE_URL to the owner's.", err=True)


@click.command()
@click.argument("recipe")
@click.option("--data", required=True, type=FOLDER, help="Folder that holds the recipe's sources, such as ham10000/.")
@click.option(
    "--weights", multiple=True, type=click.Path(path_type=Path, exists=True), help="torchvision weights to start from; repeatable."
)
@click.option("--start", type=FOLDER, help="Bundle of the same network to start from.")
@click.option("--out", type=click.Path(path_type=Path), help="Bundle folder to write. Default: .local/bundles/RECIPE.")
@click.option("--work", type=click.Path(path_type=Path), help="Checkpoints and report. Default: .local/training/RECIPE.")
@click.option("--segmenter", type=FOLDER, help="Bundle that outlines the lesion while a classifier is measured. Default: the shipped one.")
@click.option("--devices", default=1, show_default=True, help="Number of GPUs.")
@click.option("--member", type=click.IntRange(0), help="Train only this member of an ensemble; writes no bundle. Then run without it.")
@click.option("--smoke", is_flag=True, help="The whole way in under two minutes on two cores, for a look at the machinery.")
@click.option("--folds", type=click.IntRange(2), help="Cross-validate with this many folds instead; writes no bundle.")
@click.option("--search", type=click.IntRange(1), help="Try this many settings from the recipe's [search] table; writes no bundle.")
def train(
    *,
    recipe: str,
    data: Path,
    weights: tuple[Path, ...],
    start: Path | None,
    out: Path | None,
    work: Path | None,
    segmenter: Path | None,
    devices: int,
    member: int | None,
    smoke: bool,
    folds: int | None,
    search: int | None,
) -> None:
    """Train, measure and package RECIPE: a shipped one by its name (s0 … s4, classifier, segmenter, …) or a TOML file."""
    from models.training import errors, make

    require_nobody_erased(data)
    try:
        make.make(
            recipe=recipe,
            data=data,
            start=make.Start(bundle=start, torchvision=weights),
            out=out,
            work=work,
            segmenter=segmenter,
            devices=devices,
            member=member,
            smoke=smoke,
            folds=folds,
            search=search,
        )
    except errors.KNOWN as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=FOLDER)
@click.option("--data", required=True, type=FOLDER, help="Folder that holds the sources.")
@click.option("--source", "sources", multiple=True, help="Source to measure on; repeatable. Default: those of the bundle's recipe.")
@click.option("--part", type=click.Choice(["validation", "test"]), default="test", show_default=True, help="Part of the split.")
@click.option("--by", type=click.Choice(["lesion", "patient", "image"]), help="How to split. Default: as the bundle was trained.")
@click.option("--segmenter", type=FOLDER, help="Bundle that outlines the lesion. Default: the shipped one.")
@click.option("--outside", type=FOLDER, help="Folder of folders with pictures that are no lesions, for the out-of-distribution figures.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for report.html and report.json.")
def evaluate(
    *,
    bundles: tuple[Path, ...],
    data: Path,
    sources: tuple[str, ...],
    part: str,
    by: str | None,
    segmenter: Path | None,
    outside: Path | None,
    out: Path,
) -> None:
    """Measure BUNDLES through the analyzer, as they are served, and write one report; several bundles are compared."""
    from models.training import errors
    from models.training import evaluate as measuring

    require_nobody_erased(data)
    try:
        path = measuring.evaluate(
            bundles=bundles, data=data, sources=sources, part=part, by=by, segmenter=segmenter, outside=outside, out=out
        )
    except errors.KNOWN as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"report: {path}")
