"""``dermatrail bundle``: look at model bundles, verify them, make them from checkpoints. Needs no service."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
NON_COMMERCIAL = "non-commercial use only"


@click.group("bundle")
def bundle() -> None:
    """Model bundles: folders with weights.safetensors and bundle.json."""


@bundle.command("show")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def show(folder: Path, as_json: bool) -> None:
    """Show what the bundle in FOLDER is, how it is fed, how well it does and what it may be used for."""
    from models.bundle import BundleError, read_card
    from models.card import digest_of

    try:
        card = read_card(folder)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"digest": digest_of(card), **card}, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _facts(card, digest_of(card)).items():
        table.add_row(f"[bold]{name}[/]", value)
    Console().print(table)


@bundle.command("verify")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--json", "as_json", is_flag=True)
def verify(folders: tuple[Path, ...], as_json: bool) -> None:
    """Check signatures and card of each FOLDER and that this version can serve it; exit 1 where one cannot be."""
    found = [_verified(folder) for folder in folders]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        table = Table("folder", "", "digest", "name", "licence", box=None, pad_edge=False, header_style="bold")
        for each in found:
            problem = each["problem"]
            words = (each["digest"], escape(each["name"]), _coloured(each)) if not problem else ("", escape(problem), "")
            table.add_row(escape(each["folder"]), "[red]bad[/]" if problem else "[green]good[/]", *words)
        Console().print(table)
    if any(each["problem"] for each in found):
        raise SystemExit(1)


@bundle.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--architecture", required=True, help="Name of the network, such as mobilenet_v2; ensemble for several in one file.")
@click.option("--taxonomy", help="Taxonomy of the classes, such as ham10000; a segmenter has none.")
@click.option("--classes", default="", help="Codes in the order of the outputs, such as NV,MEL,BCC. Default: the taxonomy's order.")
@click.option("--side", required=True, type=int, help="Side of the square that the network reads, in px.")
@click.option("--crop", type=click.Choice(["whole", "lesion_square"]), default="whole", show_default=True)
@click.option("--step", "steps", multiple=True, help="Preprocessing step, such as clahe; repeat in order.")
@click.option("--normalisation", default="imagenet", show_default=True)
@click.option("--licence", required=True, help="Terms of weights and training data, as shown wherever it answers.")
@click.option("--commercial", is_flag=True, help="These terms allow commercial use.")
@click.option("--data", default="not stated", show_default=True, help="What it was trained on.")
@click.option("--name", help="Name shown to people; the file's name if left out.")
@click.option("--version", default="1", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle to write.")
def import_file(*, file: Path, out: Path, classes: str, commercial: bool, name: str | None, **given: Any) -> None:
    """Make a bundle of FILE, a PyTorch checkpoint. Only tensors are read from it; a file that holds more is refused."""
    from models.bundle import BundleError, load_bundle
    from models.checkpoints import Import, import_checkpoint

    codes = tuple(code.strip() for code in classes.split(",") if code.strip())
    try:
        said = Import(name=name or file.stem, classes=codes, non_commercial=not commercial, **given)
        card = import_checkpoint(file, folder=out, given=said)
        digest = load_bundle(out).digest
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {card['architecture']}, {digest}, licence: {said.licence}")
    if card["task"] != "segmentation":
        order = "as given" if codes else f"taken to be {given['taxonomy']}'s"
        click.echo(f"Order of the outputs, {order}: {', '.join(card['classes'])}")
        click.echo("It is not calibrated and has no out-of-distribution check yet: measure it before it serves.", err=True)


def _verified(folder: Path) -> dict[str, Any]:
    from models.bundle import BundleError, load_bundle

    try:
        loaded = load_bundle(folder)
    except BundleError as error:
        return {"folder": str(folder), "problem": str(error)}
    said = {name: loaded.card[name] for name in ("name", "version", "licence", "non_commercial")}
    return {"folder": str(folder), "digest": loaded.digest, **said, "problem": None}


def _facts(card: dict[str, Any], digest: str) -> dict[str, str]:
    given, options = card["input"], card["options"]
    steps = ", ".join(given["steps"]) or "no steps"
    facts = {
        "name": f"{card['name']} {card['version']}",
        "digest": digest,
        "task": card["task"],
        "network": card["architecture"] + (f" {json.dumps(options)}" if options else ""),
        "classes": ", ".join(card["classes"]) + (f" ({card['taxonomy']})" if card["taxonomy"] else ""),
        "input": f"{given['crop']}, {given['side']} px, {steps}, {given['normalisation']}, views: {card['views']}",
        "data": card["data"],
        **_figures(card),
    }
    return {**{name: escape(str(value)) for name, value in facts.items()}, "licence": _coloured(card)}


def _coloured(card: dict[str, Any]) -> str:
    terms = escape(str(card["licence"]))
    if not card["non_commercial"]:
        return terms
    return f"[yellow]{terms}[/]" if NON_COMMERCIAL in terms else f"[yellow]{terms} – {NON_COMMERCIAL}[/]"


def _figures(card: dict[str, Any]) -> dict[str, str]:
    """The plain numbers of each part of the metrics; the rest is in the JSON."""
    parts = {part: values for part, values in card["metrics"].items() if isinstance(values, dict)}
    plain = {part: {name: value for name, value in values.items() if isinstance(value, int | float)} for part, values in parts.items()}
    return {part: ", ".join(f"{name} {value:.4g}" for name, value in values.items()) for part, values in plain.items() if values}
