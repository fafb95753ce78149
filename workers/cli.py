"""The ``dermatrail`` command. Heavy imports wait until a command needs them, so that ``--help`` answers at once."""

from pathlib import Path

import click

from services import admin


@click.group()
@click.version_option(package_name="dermatrail")
def main() -> None:
    """Dermatrail: decision support for tele-dermatology. No answer leaves without a dermatologist."""


admin.register(main)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for findings.jsonl and the masks.")
@click.option("--bundles", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder with other bundles.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--backend", type=click.Choice(["torch", "openvino"]), default="torch", show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 3 when a picture could not be analysed.")
def analyse(*, files: tuple[Path, ...], out: Path, bundles: Path | None, device: str, backend: str, strict: bool) -> None:
    """Analyse pictures without any service: a line per picture in findings.jsonl, a mask PNG of the picture's own size each."""
    from workers.offline import analyse_files

    failed = analyse_files(files=files, out=out, bundles=bundles, device=device, backend=backend)
    if failed and strict:
        raise SystemExit(3)


@main.group()
def train() -> None:
    """Train the shipped bundles from public data."""


@train.command("segmenter")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="Folder that holds isic2018_task1/.")
@click.option("--imagenet", type=click.Path(path_type=Path, exists=True), help="torchvision mobilenet_v2 state dict to start from.")
@click.option("--out", type=click.Path(path_type=Path), help="Bundle folder. Default: the shipped one.")
@click.option("--work", type=click.Path(path_type=Path), default=Path(".local/training/segmenter"), show_default=True, help="Checkpoints.")
def train_segmenter(data: Path, imagenet: Path | None, out: Path | None, work: Path) -> None:
    """Train, measure and package the U-Net that outlines the lesion."""
    from models.training.recipes import segmenter

    segmenter(data=data, imagenet=imagenet, out=out, work=work)


@train.command("classifier")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="Folder that holds ham10000/ (and ood/).")
@click.option("--imagenet", type=click.Path(path_type=Path, exists=True), help="torchvision mobilenet_v2 state dict to start from.")
@click.option("--out", type=click.Path(path_type=Path), help="Bundle folder. Default: the shipped one.")
@click.option("--work", type=click.Path(path_type=Path), default=Path(".local/training/classifier"), show_default=True, help="Checkpoints.")
def train_classifier(data: Path, imagenet: Path | None, out: Path | None, work: Path) -> None:
    """Train, calibrate, measure and package the eight-class classifier. Needs the segmenter's bundle."""
    from models.training.recipes import classifier

    classifier(data=data, imagenet=imagenet, out=out, work=work)
