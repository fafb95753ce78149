"""What both training recipes share: schedule, one epoch, checkpoints that survive a kill."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

console = Console()


class LossOf(Protocol):
    """The loss of one batch, from the indices of its samples."""

    def __call__(self, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A scalar that can be differentiated."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a run besides the data. Stored in the bundle."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    side: int
    seed: int = 0


@dataclass(slots=True)
class Progressed:
    """The state of a run after ``epoch`` finished epochs."""

    epoch: int
    best: float
    history: list[dict[str, float]]


def train(
    *,
    network: nn.Module,
    recipe: Recipe,
    count: int,
    loss_of: LossOf,
    score: Callable[[], dict[str, float]],
    watch: str,
    folder: Path,
) -> list[dict[str, float]]:
    """Trains with AdamW and a one-cycle schedule; leaves the weights with the best ``watch`` in the network.

    ``loss_of`` takes the indices of a batch; ``score`` evaluates on validation data after each epoch. A run that finds its
    own checkpoint in ``folder`` continues there. Returns one dict of figures per epoch.
    """
    run = _Run.open(network=network, recipe=recipe, count=count, folder=folder)
    for epoch in range(run.state.epoch, recipe.epochs):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000 + epoch)
        loss = run.teach(_batches(count, recipe.batch, generator, epoch), partial(loss_of, generator=generator))
        figures = {"epoch": epoch + 1, "loss": loss, **score()}
        console.print("  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        run.finish_epoch(figures, watched=figures[watch])
    network.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
    network.eval()
    return run.state.history


@dataclass(slots=True)
class _Run:
    """A run and its checkpoint: ``last.pt`` to continue from, ``best.pt`` with the best weights so far."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    folder: Path
    state: Progressed

    @classmethod
    def open(cls, *, network: nn.Module, recipe: Recipe, count: int, folder: Path) -> "_Run":
        folder.mkdir(parents=True, exist_ok=True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        steps = -(-count // recipe.batch) * recipe.epochs
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.15)
        run = cls(network, optimizer, schedule, folder, Progressed(epoch=0, best=float("-inf"), history=[]))
        if (folder / "last.pt").exists():
            run._resume()
        return run

    def teach(self, batches: Iterator[torch.Tensor], loss_of: Callable[[torch.Tensor], torch.Tensor]) -> float:
        self.network.train()
        total, seen = 0.0, 0
        for indices in batches:
            loss = loss_of(indices)
            if not torch.isfinite(loss):
                raise FloatingPointError("the loss is not finite: lower the learning rate")
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves this one untyped
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
            total, seen = total + float(loss.detach()) * len(indices), seen + len(indices)
        self.network.eval()
        return total / seen

    def finish_epoch(self, figures: dict[str, float], *, watched: float) -> None:
        self.state.history.append(figures)
        self.state.epoch += 1
        if watched > self.state.best:
            self.state.best = watched
            torch.save(self.network.state_dict(), self.folder / "best.pt")
        unfinished = self.folder / "last.pt.partial"
        torch.save({**{name: part.state_dict() for name, part in self._parts().items()}, "state": asdict(self.state)}, unfinished)
        unfinished.replace(self.folder / "last.pt")

    def _resume(self) -> None:
        saved = torch.load(self.folder / "last.pt", weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.state = Progressed(**saved["state"])
        console.print(f"continuing after epoch {self.state.epoch}")

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}


def _batches(count: int, batch: int, generator: torch.Generator, epoch: int) -> Iterator[torch.Tensor]:
    order = torch.randperm(count, generator=generator)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(torch.split(order, batch), description=f"epoch {epoch + 1}")
