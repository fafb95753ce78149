"""What is learnt in one step: lightning modules around a network, one per task."""

from dataclasses import dataclass
from typing import Any, cast

import lightning
import numpy as np
import torch
from torch import nn
from torchvision import tv_tensors

from models.networks.sequence import CnnLstm
from models.preprocess import normalise
from models.training import losses
from models.training.augment import RandomColour, RandomView, Squares, inside_squares, series_views, warp
from models.training.evolution import Course, Look, course_of, visits_of
from models.training.recipe import Recipe
from models.training.schedule import optimiser_of, phase_of

Batch = dict[str, torch.Tensor]


class Teacher(lightning.LightningModule):
    """Augments on the device, steps, and tells its progress. Subclasses say what is lost and what is scored."""

    def __init__(self, *, recipe: Recipe, network: nn.Module) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = network.to(memory_format=torch.channels_last)
        self.view = RandomView(augment=recipe.augment, side=recipe.input.side)
        self.colour = RandomColour(augment=recipe.augment)
        self.seen: list[tuple[torch.Tensor, ...]] = []

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """The loss of one augmented batch, a scalar."""
        raise NotImplementedError

    def answer(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """What validation keeps of one batch."""
        raise NotImplementedError

    def score(self, kept: list[torch.Tensor]) -> dict[str, float]:
        """Validation figures of everything kept; higher is better, but for ``loss``."""
        raise NotImplementedError

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and schedule."""
        return optimiser_of(self.network, self.recipe.training, steps=int(self.trainer.estimated_stepping_batches))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Every draw of a step hangs on its number alone, so that a run that was killed goes on exactly as it would have."""
        torch.manual_seed(self.recipe.training.seed * 1_000_003 + self.global_step)

    def on_train_epoch_start(self) -> None:
        """Freezes or frees the backbone, and sets the size of the views."""
        training = self.recipe.training
        phase_of(self.network, self.optimizers(), training, epoch=self.current_epoch)
        small = training.first_side is not None and self.current_epoch < training.first_epochs
        self.view.side = training.first_side if small and training.first_side else self.recipe.input.side

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:  # noqa: ARG002
        """One step; a loss that is not finite ends the run with its remedy."""
        loss = self.loss_of(batch)
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite: lower the learning rate, or use precision fp32")
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["labels"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Keeps the answers on the processor until the epoch is over."""
        self.seen.append(tuple(part.detach().float().cpu() for part in self.answer(batch)))

    def on_validation_epoch_end(self) -> None:
        """Scores the whole split at once."""
        figures = self.score([torch.cat(parts) for parts in zip(*self.seen, strict=True)])
        self.seen.clear()
        for name, value in figures.items():
            self.log(name, value, sync_dist=True)

    def pictures_of(self, batch: Batch, *, side: int) -> torch.Tensor:
        """The squares themselves, unchanged: N×3×side×side, normalised."""
        still = torch.eye(2, 3, device=batch["squares"].device).expand(len(batch["squares"]), 2, 3)
        view = warp(batch["pictures"].float(), inside_squares(still, batch["squares"]), side=side)
        return self.normalised(view)

    def normalised(self, pictures: torch.Tensor) -> torch.Tensor:
        """Float 0..255 → the network's input."""
        return normalise(pictures, normalisation=self.recipe.input.normalisation).contiguous(memory_format=torch.channels_last)


class Classification(Teacher):
    """Random views of each square against its label."""

    weights: torch.Tensor | None
    malignant: torch.Tensor

    def __init__(self, *, recipe: Recipe, network: nn.Module, weights: torch.Tensor | None, malignant: torch.Tensor) -> None:
        super().__init__(recipe=recipe, network=network)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("malignant", malignant, persistent=False)

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy or focal loss."""
        pictures, _ = self.view(tv_tensors.Image(batch["pictures"]), batch["squares"].as_subclass(Squares))
        logits = self.network(self.normalised(self.colour(pictures).as_subclass(torch.Tensor))).float()
        return self.loss_of_logits(logits, batch["labels"])

    def loss_of_logits(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy or focal loss of N×C logits."""
        training = self.recipe.training
        if training.loss == "focal":
            return losses.focal(logits, labels, weights=self.weights, gamma=training.focal_gamma)
        return losses.cross_entropy(logits, labels, weights=self.weights, smoothing=training.label_smoothing)

    def answer(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Logits N×C and labels N."""
        return self.network(self.pictures_of(batch, side=self.recipe.input.side)), batch["labels"]

    def score(self, kept: list[torch.Tensor]) -> dict[str, float]:
        """Loss, accuracy, balanced accuracy, their mean, and the area under the ROC curve of malignancy."""
        return class_scores(kept[0], kept[1].long(), malignant=self.malignant)


class Series(Classification):
    """Simulated visits of each lesion against its label and against what became of it; see models.training.evolution."""

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the whole series, and where the network says whether it progresses, that of this answer beside it."""
        series = self.series_of(batch)
        if not self.progresses:
            return self.loss_of_logits(self.network(*series.inputs).float(), batch["labels"])
        logits, progress = self.reader.answers(*series.inputs)
        several = series.course.lengths > 1  # one visit cannot progress
        gained = nn.functional.binary_cross_entropy_with_logits(progress.float(), series.course.progressing.float(), weight=several.float())
        return self.loss_of_logits(logits.float(), batch["labels"]) + self.recipe.training.progress_weight * gained

    def answer(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Logits of series that are the same ones every epoch, and labels; then logits of progressing, its truth, and visits."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(batch["labels"].sum()) + len(batch["labels"]))
            series = self.series_of(batch)
        if not self.progresses:
            return self.network(*series.inputs), batch["labels"]
        logits, progress = self.reader.answers(*series.inputs)
        return logits, batch["labels"], progress, series.course.progressing, series.course.lengths

    def score(self, kept: list[torch.Tensor]) -> dict[str, float]:
        """The classes' figures, and the area under the ROC curve of progressing, of series of two visits or more."""
        figures = super().score(kept)
        if not self.progresses:
            return figures
        progress, progressing, lengths = kept[2:]
        several = lengths > 1
        gained = auroc(progress[several], progressing[several].bool())
        return {**figures, "progress_auroc": gained, "both_aurocs": (figures["auroc"] + gained) / 2}

    @property
    def reader(self) -> CnnLstm:
        """The network by its own type."""
        return cast("CnnLstm", self.network)

    @property
    def progresses(self) -> bool:
        """Whether the network says if a lesion progresses."""
        return self.reader.progress is not None

    def series_of(self, batch: Batch) -> "Drawn":
        """Visits of each lesion, every one with its own turn, zoom, place and light."""
        look = Look(pictures=batch["pictures"], masks=batch["masks"], frames=batch["frames"])
        course = course_of(self.malignant[batch["labels"]], longest=self.recipe.training.visits)
        views = series_views(*course.size.shape, augment=self.recipe.augment, device=batch["frames"].device)
        pictures, _ = visits_of(look, course, views, side=self.recipe.input.side)
        lit = self.colour(tv_tensors.Image(pictures.flatten(0, 1))).as_subclass(torch.Tensor)
        return Drawn(self.normalised(lit).reshape(pictures.shape), course)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Visits N×T×3×side×side, normalised, and what is true of them."""

    pictures: torch.Tensor
    course: Course

    @property
    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the network reads: pictures, gaps, lengths."""
        return self.pictures, self.course.gaps, self.course.lengths


class Segmentation(Teacher):
    """Random views of the whole picture against the same view of its mask."""

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """Binary cross-entropy plus Dice."""
        squares = batch["squares"].as_subclass(Squares)
        pictures, masks, _ = self.view(tv_tensors.Image(batch["pictures"]), tv_tensors.Mask(batch["masks"]), squares)
        logits = self.network(self.normalised(self.colour(pictures).as_subclass(torch.Tensor))).float()
        return losses.bce_dice(logits[:, 0], (masks[:, 0] > 127).as_subclass(torch.Tensor).float())

    def answer(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Jaccard of each picture at the size held in memory, and the loss of the batch repeated for each."""
        small = nn.functional.interpolate(batch["pictures"].float(), size=(self.recipe.input.side,) * 2, mode="area")
        logits = self.network(self.normalised(small)).float()
        full = nn.functional.interpolate(logits, size=batch["masks"].shape[2:], mode="bilinear")
        predicted, truth = full[:, 0] > 0, batch["masks"][:, 0] > 127
        union = (predicted | truth).sum((1, 2))
        jaccard = torch.where(union == 0, 1.0, (predicted & truth).sum((1, 2)) / union.clamp(min=1))
        return jaccard, losses.bce_dice(full[:, 0], truth.float()).expand(len(jaccard))

    def score(self, kept: list[torch.Tensor]) -> dict[str, float]:
        """Mean Jaccard, the same with failures under 0.65 counted as nothing, and the loss."""
        jaccard, loss = kept
        return {
            "loss": float(loss.mean()),
            "jaccard": float(jaccard.mean()),
            "thresholded_jaccard": float(torch.where(jaccard < 0.65, 0, jaccard).mean()),
        }


def class_scores(logits: torch.Tensor, labels: torch.Tensor, *, malignant: torch.Tensor) -> dict[str, float]:
    """Validation figures of N×C logits against N labels; ``malignant`` C bool says which classes count together."""
    predicted = logits.argmax(1)
    right = (predicted == labels).float()
    recalls = [float(right[labels == label].mean()) for label in torch.unique(labels)]
    accuracy, balanced = float(right.mean()), float(np.mean(recalls))
    bad = malignant.cpu()[labels]
    return {
        "loss": float(nn.functional.cross_entropy(logits, labels)),
        "accuracy": accuracy,
        "balanced_accuracy": balanced,
        "mean": (accuracy + balanced) / 2,
        "auroc": auroc(logits.softmax(1)[:, malignant.cpu()].sum(1), bad),
    }


def auroc(scores: torch.Tensor, positive: torch.Tensor) -> float:
    """Area under the ROC curve by ranks, ties counted half; 0.5 when one side is empty."""
    if positive.all() or not positive.any():
        return 0.5
    _, inverse, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
