"""Runs a recipe: lightning's trainer, with checkpoints from which a killed run goes on exactly as it would have."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader, Sampler

from models.training.losses import class_weights
from models.training.modules import Classification, Segmentation, Series, Teacher
from models.training.recipe import Recipe, Task
from models.training.samples import Batches, Samples

console = Console()
PRECISIONS: dict[str, Any] = {"bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32-true"}
LOWER_IS_BETTER = ("loss",)
OUT_OF_MEMORY = "out of memory: halve training.batch or input.side in the recipe; the run goes on from its last finished epoch"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The network with the best validation figure of its run, and one dict of figures per epoch."""

    network: nn.Module
    history: list[dict[str, float]]


def fit(*, recipe: Recipe, teacher: Teacher, training: Samples, validation: Samples, folder: Path, devices: int = 1) -> Fitted:
    """Trains until the recipe's last epoch or early stopping; goes on from ``folder``/last.ckpt where there is one."""
    history = History()
    keep: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(filename="best", monitor=recipe.training.keep, mode=_mode(recipe), **keep)
    last = ModelCheckpoint(filename="last", every_n_epochs=1, **keep)
    callbacks: list[lightning.Callback] = [best, last, history, Progress(refresh_rate=10)]
    if recipe.training.average:
        callbacks.append(EMAWeightAveraging(decay=recipe.training.average))
    if recipe.training.stop_after:
        callbacks.append(EarlyStopping(recipe.training.keep, mode=_mode(recipe), patience=recipe.training.stop_after))
    trainer = lightning.Trainer(
        max_epochs=recipe.training.epochs,
        accelerator="auto",
        devices=devices,
        precision=PRECISIONS[recipe.training.precision],
        gradient_clip_val=recipe.training.clip,
        callbacks=callbacks,
        logger=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        benchmark=True,
    )
    # Its remarks on the hardware and on other products would bury the figures.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    resumed = folder / "last.ckpt"
    loading = loaders(recipe, training, validation)
    try:
        trainer.fit(teacher, *loading, ckpt_path=str(resumed) if resumed.exists() else None, weights_only=False)
    except RuntimeError as error:  # torch has one class for a full card and none for a full machine
        if "memory" in str(error):
            raise MemoryError(OUT_OF_MEMORY) from error
        raise
    return Fitted(network=best_network(teacher, folder), history=history.epochs)


def best_network(teacher: Teacher, folder: Path) -> nn.Module:
    """The teacher's network with the weights of ``folder``/best.ckpt, ready for inference."""
    state = torch.load(folder / "best.ckpt", weights_only=False, map_location="cpu")["state_dict"]
    network = teacher.network
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")})
    return network.cpu().eval()


def teacher_of(*, recipe: Recipe, network: nn.Module, labels: np.ndarray[Any, np.dtype[np.int64]], malignant: list[bool]) -> Teacher:
    """The lightning module that teaches ``network`` the recipe's task."""
    if recipe.task is Task.SEGMENTATION:
        return Segmentation(recipe=recipe, network=network)
    power = recipe.training.class_weight_power
    weights = class_weights(labels, classes=len(malignant), power=power) if power else None
    kind = Series if recipe.task is Task.SEQUENCE else Classification
    return kind(recipe=recipe, network=network, weights=weights, malignant=torch.tensor(malignant))


def loaders(recipe: Recipe, training: Samples, validation: Samples) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Shuffled (or class-weighted) training batches and validation batches, as they lie."""
    batch, power = recipe.training.batch, recipe.training.sampling_power
    order = EpochSampler(training.labels, power=power, seed=recipe.training.seed)
    teaching = DataLoader(Batches(training), batch_size=batch, sampler=order, collate_fn=_as_it_is, drop_last=len(training) > batch)
    return teaching, DataLoader(Batches(validation), batch_size=2 * batch, collate_fn=_as_it_is)


class Progress(TQDMProgressBar):
    """One bar an epoch; validation is too short for one of its own."""

    def init_validation_tqdm(self) -> Any:
        """A bar that draws nothing."""
        bar = super().init_validation_tqdm()
        bar.disable = True
        return bar


class EpochSampler(Sampler[int]):
    """A new order each epoch that hangs on seed and epoch alone; with ``power`` > 0 rare classes are drawn more often."""

    def __init__(self, labels: np.ndarray[Any, np.dtype[np.int64]], *, power: float, seed: int) -> None:
        self.labels, self.power, self.seed, self.epoch = labels, power, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 10_007 + self.epoch)
        if not self.power:
            return iter(torch.randperm(len(self), generator=generator).tolist())
        weights = class_weights(self.labels, classes=int(self.labels.max()) + 1, power=self.power)[torch.from_numpy(self.labels)]
        return iter(torch.utils.data.WeightedRandomSampler(weights.tolist(), len(self), generator=generator))


class History(lightning.Callback):
    """The validation figures of every finished epoch; part of the checkpoint, so that a resumed run keeps its past."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    @property
    def state_key(self) -> str:
        """Its place in the checkpoint, whatever becomes of the class's name."""
        return "history"

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Adds and prints one epoch."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.epochs.append({"epoch": trainer.current_epoch + 1, **figures})
        console.print("  ".join(f"{name} {value:.4g}" for name, value in self.epochs[-1].items()))

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.epochs = list(state_dict["epochs"])


def _as_it_is(batch: Any) -> Any:
    return batch


def _mode(recipe: Recipe) -> str:
    return "min" if recipe.training.keep in LOWER_IS_BETTER else "max"
