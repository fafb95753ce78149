"""The whole way from a recipe and a data folder to a trained network."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from models.bundle import load_bundle, read_card
from models.datasets import DatasetError, Record, Split, check_parts, check_records, partition, read, refuse, relabel
from models.networks import build_network, catalogue, load_torchvision_weights
from models.networks.base import Network as BaseNetwork
from models.networks.ensemble import Ensemble
from models.taxonomy import Taxonomy, taxonomy_of
from models.training.fit import Fitted, fit, teacher_of
from models.training.licences import Terms
from models.training.recipe import Network, Recipe, RecipeError, Task
from models.training.samples import Samples, load

console = Console()
Parts = dict[Split, list[Record]]


@dataclass(frozen=True, slots=True)
class Start:
    """Where weights come from before training: a bundle of the same network, torchvision state dicts, or nowhere."""

    bundle: Path | None = None
    torchvision: tuple[Path, ...] = ()
    member: int | None = None  # which of a bundle that is an ensemble

    @property
    def terms(self) -> Terms | None:
        """Those of the bundle, which what comes of it inherits."""
        if not self.bundle:
            return None
        card = read_card(self.bundle)
        return Terms(data=card["data"], licence=card["licence"], non_commercial=card["non_commercial"])

    def told(self) -> list[str]:
        """For the bundle's card."""
        return [path.name for path in (self.bundle, *self.torchvision) if path]


def records_of(recipe: Recipe, data: Path) -> list[Record]:
    """Every usable record of the recipe's sources under its taxonomy. Raises DatasetError saying what to mend, before any training."""
    records = [record for source in recipe.data.sources for record in read(source=source, folder=data)]
    if recipe.task is Task.SEGMENTATION:
        refuse(check_records(records, masks=True, decode=False))
        records = [record for record in records if record.mask]
    else:
        records = relabel(records, taxonomy=recipe.data.taxonomy)
    if not records:
        raise DatasetError(f"{', '.join(recipe.data.sources)}: no picture is usable for {recipe.task}; look at masks and labels")
    return records


def parts_of(recipe: Recipe, records: Sequence[Record]) -> Parts:
    """The records in train, validation and test, checked. Raises DatasetError."""
    parts = partition(records, by=recipe.data.split, shares=recipe.data.shares, seed=recipe.data.split_seed)
    if recipe.data.most:
        parts = {split: spread(part, most=recipe.data.most) for split, part in parts.items()}
    held = {split: part for (split, part), share in zip(parts.items(), recipe.data.shares, strict=True) if share > 0}
    used = [record for part in held.values() for record in part]
    segments = recipe.task is Task.SEGMENTATION
    refuse([*check_records(used, masks=segments), *check_parts(held, codes=() if segments else _present(used))])
    # A protocol without validation part chooses its checkpoint on the test part, as published; the report says so.
    parts[Split.VALIDATION] = held.get(Split.VALIDATION, parts[Split.TEST])
    return parts


def spread(records: Sequence[Record], *, most: int) -> list[Record]:
    """At most so many records, one of each class in turn, always the same ones."""
    by_class: dict[str | None, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.diagnosis, []).append(record)
    turns = itertools.zip_longest(*by_class.values())
    return [record for turn in turns for record in turn if record is not None][:most]


def _present(records: Sequence[Record]) -> list[str]:
    # A data set need not have every class of a wide taxonomy; those that it has must stand in every part.
    return sorted({record.diagnosis for record in records if record.diagnosis})


def codes_of(recipe: Recipe) -> tuple[str, ...]:
    """The classes of the network's answer."""
    return ("lesion",) if recipe.task is Task.SEGMENTATION else taxonomy_of(recipe.data.taxonomy).codes


def train(*, recipe: Recipe, parts: Parts, start: Start, work: Path, devices: int = 1, member: int | None = None) -> Fitted:
    """Trains the recipe's network. Checkpoints lie below ``work``.

    The members of an ensemble are trained one after the other; one that is finished there is taken as it is. ``member``: train only
    this one, so that several processes or machines may share the work. Raises RecipeError where there is no such member.
    """
    members = members_of(recipe)
    if member is not None and member >= len(members):
        raise RecipeError(f"{recipe.name} has {len(members) or 'no'} members: --member counts them from 0")
    loaded = {split: _load(recipe, parts[split], split) for split in (Split.TRAIN, Split.VALIDATION)}
    if not members:
        return _train_one(recipe, loaded, start, work, devices)
    if member is not None:
        name, one = list(members.items())[member]
        return _train_one(one, loaded, replace(start, member=member), work / name, devices)
    fitted = []
    for index, (name, one) in enumerate(members.items()):
        console.print(f"member {name}")
        fitted.append(_train_one(one, loaded, replace(start, member=index), work / name, devices))
    together = build_network(architecture="ensemble", classes=len(codes_of(recipe)), **recipe.network.options)
    for place, part in zip(together.members, fitted, strict=True):  # type: ignore[arg-type]
        place.load_state_dict(part.network.state_dict())
    history = [{**row, "member": index} for index, part in enumerate(fitted) for row in part.history]
    return Fitted(network=together.eval(), history=history)


def members_of(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe of each member of an ensemble by the name of its folder; of one architecture each has a seed of its own."""
    members: dict[str, Recipe] = {}
    if recipe.network.architecture != "ensemble":
        return members
    seen: Counter[str] = Counter()
    for architecture, options in catalogue.members_of(recipe.network.options):
        earlier = seen[architecture]
        seen[architecture] += 1
        one = recipe.changed({"training": {"seed": recipe.training.seed + earlier}})
        members[f"{architecture}-{earlier + 1}" if earlier else architecture] = one.model_copy(
            update={"network": Network(architecture=architecture, options=options)}
        )
    return members


def _train_one(recipe: Recipe, loaded: dict[Split, Samples], start: Start, work: Path, devices: int) -> Fitted:
    codes = codes_of(recipe)
    network = build_network(architecture=recipe.network.architecture, classes=len(codes), **recipe.network.options)
    _begin(network, recipe, start)
    training = loaded[Split.TRAIN]
    malignant = [False] if recipe.task is Task.SEGMENTATION else _malignant(taxonomy_of(recipe.data.taxonomy))
    teacher = teacher_of(recipe=recipe, network=network, labels=training.labels, malignant=malignant)
    return fit(recipe=recipe, teacher=teacher, training=training, validation=loaded[Split.VALIDATION], folder=work, devices=devices)


def _begin(network: nn.Module, recipe: Recipe, start: Start) -> None:
    if start.bundle:
        other, found = _held_by(start.bundle, start.member)
        own = recipe.network.architecture
        if other != own:
            raise RecipeError(
                f"{start.bundle.name} holds a {other}, the recipe {recipe.name} trains a {own}: "
                "start from a bundle of the same architecture, or from nothing"
            )
        _take_over(network, found.state_dict(), bundle=start.bundle.name)
    for path in start.torchvision:
        try:
            load_torchvision_weights(network, path)
        except ValueError as reason:
            # A member of an ensemble for which these weights are not meant starts from scratch, and the log says so.
            console.print(f"{recipe.network.architecture} starts from scratch: {reason}")


def _held_by(folder: Path, member: int | None) -> tuple[str, nn.Module]:
    """Architecture and network of a bundle, or of its ensemble's member where a member is trained."""
    bundle = load_bundle(folder)
    if member is None or not isinstance(bundle.network, Ensemble):
        return bundle.card["architecture"], bundle.network
    members = bundle.network.each()
    if member >= len(members):
        raise RecipeError(f"{folder.name} has {len(members)} members, the recipe trains more: start from a bundle with as many")
    architecture, _ = catalogue.members_of(bundle.card["options"])[member]
    return architecture, members[member]


def _take_over(network: nn.Module, state: dict[str, torch.Tensor], *, bundle: str) -> None:
    """All weights of the bundle. A head that it does not have starts from nothing, and the log says so; any other gap is refused."""
    heads = tuple(f"{name}." for name in network.heads_of()) if isinstance(network, BaseNetwork) else ()
    missing, strange = network.load_state_dict(state, strict=False)
    if strange or any(not name.startswith(heads) for name in missing):
        raise RecipeError(f"{bundle} has other options than the recipe ({', '.join([*strange, *missing][:3])} …): use its options")
    for head in sorted({name.partition(".")[0] for name in missing}):
        console.print(f"{head} starts from nothing: {bundle} has none")


def _malignant(taxonomy: Taxonomy) -> list[bool]:
    return [code in taxonomy.malignant for code in taxonomy.codes]


def _load(recipe: Recipe, records: Sequence[Record], split: Split) -> Samples:
    return load(records, codes=codes_of(recipe), steps=recipe.input.steps, crop=recipe.input.crop, title=str(split))
