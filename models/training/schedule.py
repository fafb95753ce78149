"""Optimisers, learning-rate schedules and the two phases of fine-tuning."""

import math
from typing import Any

import torch
from torch import nn

from models.networks import freeze, unfreeze
from models.training.recipe import Training


def optimiser_of(network: nn.Module, training: Training, *, steps: int) -> dict[str, Any]:
    """The optimiser and what moves its rate, as lightning wants them. ``steps``: of the whole run."""
    kind = torch.optim.Adam if training.optimiser == "adam" else torch.optim.AdamW
    optimiser = kind(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    if training.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.1, patience=training.patience)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": plateau, "monitor": "loss", "interval": "epoch"}}
    per_epoch = max(1, steps // training.epochs)
    factor = _Factor(training=training, steps=steps, per_epoch=per_epoch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Factor:
    """The learning rate of a step over that of the recipe."""

    def __init__(self, *, training: Training, steps: int, per_epoch: int) -> None:
        self.training, self.steps, self.per_epoch = training, max(1, steps), per_epoch

    def __call__(self, step: int) -> float:
        training = self.training
        first = training.frozen_epochs * self.per_epoch
        if step < first:  # phase one keeps the full rate: only the head moves
            return 1.0
        base = 1.0 if training.fine_tune_learning_rate is None or not first else training.fine_tune_learning_rate / training.learning_rate
        return base * self._shape(step - first, max(1, self.steps - first))

    def _shape(self, step: int, steps: int) -> float:
        rising = self.training.warm_up * steps
        if step < rising:
            return (step + 1) / (rising + 1)
        if self.training.schedule == "step":
            return float(0.1 ** (step // (self.training.patience * self.per_epoch)))
        if self.training.schedule == "constant":
            return 1.0
        # Cosine annealing (Loshchilov and Hutter 2017, equation 5), one period.
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


def phase_of(network: nn.Module, optimiser: Any, training: Training, *, epoch: int) -> None:
    """Phase one (``frozen_epochs``) teaches the head alone; phase two everything, at its own rate.

    With ``freeze_upto`` the backbone is frozen up to that layer only, and without ``frozen_epochs`` for the whole run.
    """
    if not training.frozen_epochs and training.freeze_upto is None:
        return
    if epoch < training.frozen_epochs or not training.frozen_epochs:
        freeze(network, upto=training.freeze_upto)
        return
    unfreeze(network)
    if epoch == training.frozen_epochs and training.fine_tune_learning_rate and training.schedule == "plateau":
        for group in optimiser.param_groups:
            group["lr"] = training.fine_tune_learning_rate
