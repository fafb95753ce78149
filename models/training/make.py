"""What ``dermatrail train`` does: from the name of a recipe to a bundle with its report, or to a table of many runs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from models.backends import keep_memory
from models.bundle import SHIPPED
from models.training import folds as many
from models.training.package import Provenance, package
from models.training.recipe import Recipe, RecipeError, load_recipe
from models.training.run import Start, parts_of, records_of, train

__all__ = ["Start", "make"]

console = Console()
LOCAL = Path(".local")
OUTSIDE = "ood"  # folder of the data root with folders of pictures that are no lesions


def make(
    *,
    recipe: str,
    data: Path,
    start: Start,
    out: Path | None,
    work: Path | None,
    segmenter: Path | None,
    devices: int,
    member: int | None,
    smoke: bool,
    folds: int | None,
    search: int | None,
) -> None:
    """Runs one command. Raises RecipeError, DatasetError, BundleError, FloatingPointError or MemoryError, each with its remedy."""
    if sum(option is not None for option in (folds, search, member)) > 1:
        raise RecipeError("--folds, --search and --member are different runs: search first, then cross-validate or train what it writes")
    keep_memory()
    chosen = load_recipe(recipe)
    chosen = chosen.smoked() if smoke else chosen
    work = work or LOCAL / "training" / (chosen.name + ("-smoke" if smoke else ""))
    records = records_of(chosen, data)
    if folds:
        _tell_folds(chosen, many.cross_validate(recipe=chosen, records=records, k=folds, start=start, work=work, devices=devices), work)
        return
    parts = parts_of(chosen, records)
    inherited = start.terms  # read now: the bundle may be the one that is replaced
    console.print(f"{chosen.title}: " + ", ".join(f"{len(part)} {split}" for split, part in parts.items()))
    if search:
        _tell_search(*many.search(recipe=chosen, parts=parts, trials=search, start=start, work=work, devices=devices), work)
        return
    fitted = train(recipe=chosen, parts=parts, start=start, work=work, devices=devices, member=member)
    if member is not None:
        console.print(f"member {member} is trained: run the same command without --member once all are, or let it train the others")
        return
    folder = out or LOCAL / "bundles" / chosen.name
    outside = data / OUTSIDE
    report = package(
        recipe=chosen,
        fitted=fitted,
        parts=parts,
        provenance=Provenance(command=_command(), revision=_revision(), start=start.told(), inherited=inherited, smoke=smoke),
        segmenter=segmenter or SHIPPED / "segmenter",
        outside=outside if outside.is_dir() else None,
        folder=folder,
        work=work,
    )
    console.print(f"bundle: {folder}\nreport: {report}")


def _tell_folds(recipe: Recipe, figures: dict[str, Any], work: Path) -> None:
    table = Table(title=f"{recipe.title}: {len(figures['folds'])} folds, split by {recipe.data.split}")
    for column in ("figure", "mean", "± sd", *(f"fold {index + 1}" for index in range(len(figures["folds"])))):
        table.add_column(column, justify="right")
    for name, mean in figures["mean"].items():
        table.add_row(name, f"{mean:.4f}", f"{figures['deviation'][name]:.4f}", *(f"{fold[name]:.4f}" for fold in figures["folds"]))
    console.print(table)
    _write(work / "folds.json", figures)


def _tell_search(best: Recipe, study: dict[str, Any], work: Path) -> None:
    table = Table(title=f"{best.title}: {best.training.keep} of each trial")
    names = list(study["best"])
    for column in ("trial", best.training.keep, *names):
        table.add_column(column, justify="right")
    for trial in study["trials"]:
        table.add_row(str(trial["number"]), f"{trial['value']:.4f}", *(f"{trial[name]:.4g}" for name in names))
    console.print(table)
    _write(work / "search.json", {**study, "recipe": best.model_dump(mode="json")})


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    console.print(f"written: {path}")


def _command() -> str:
    # Without folders of this machine: the options and their last path parts say enough to repeat the run.
    return " ".join(["dermatrail", *(Path(word).name if "/" in word else word for word in sys.argv[1:])])


def _revision() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
