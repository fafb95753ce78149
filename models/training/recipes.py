"""The two whole ways from a data folder to a shipped bundle."""

import sys
from pathlib import Path

from rich.pretty import pprint

from models.bundle import SHIPPED
from models.training.classification import train_classifier
from models.training.data import Split, load, of_split, read_ham10000, read_isic2018_task1
from models.training.package import package_classifier, package_segmenter
from models.training.segmentation import train_segmenter


def segmenter(*, data: Path, imagenet: Path | None, out: Path | None, work: Path) -> None:
    """Trains on ``data``/isic2018_task1 and writes the bundle to ``out``."""
    records = read_isic2018_task1(data / "isic2018_task1")
    training, validation = (load(of_split(records, split), hair_free=True, title=split) for split in (Split.TRAIN, Split.VALIDATION))
    network, run = train_segmenter(training=training, validation=validation, imagenet_weights=imagenet, folder=work)
    pprint(package_segmenter(network=network, run=run, records=records, command=_command(), folder=out or SHIPPED / "segmenter"))


def classifier(*, data: Path, imagenet: Path | None, out: Path | None, work: Path) -> None:
    """Trains on ``data``/ham10000, measures rejection on ``data``/ood where it exists, and writes the bundle to ``out``."""
    records = read_ham10000(data / "ham10000")
    training, validation = (load(of_split(records, split), hair_free=False, title=split) for split in (Split.TRAIN, Split.VALIDATION))
    network, run = train_classifier(training=training, validation=validation, imagenet_weights=imagenet, folder=work)
    outside = data / "ood"
    metrics = package_classifier(
        network=network,
        run=run,
        records=records,
        outside=outside if outside.exists() else None,
        command=_command(),
        folder=out or SHIPPED / "classifier",
        segmenter=SHIPPED / "segmenter",
    )
    pprint(metrics)


def _command() -> str:
    # Without folders of this machine: the options and their last path parts say enough to repeat the run.
    return " ".join(["dermatrail", *(Path(word).name if "/" in word else word for word in sys.argv[1:])])
