"""Runs learn, stop, keep their best epoch, and after a kill go on exactly as they would have."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from models.training.fit import EpochSampler, Fitted, fit, teacher_of
from models.training.recipe import Recipe
from tests.models.training.drawn import CLASSES, Tiny, recipe, samples

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore:`isinstance\\(treespec:FutureWarning")


def run(chosen: Recipe, folder: Path, *, outputs: int = CLASSES) -> Fitted:
    torch.manual_seed(1)
    drawn = samples()
    teacher = teacher_of(recipe=chosen, network=Tiny(outputs), labels=drawn.labels, malignant=[True, False, False])
    return fit(recipe=chosen, teacher=teacher, training=drawn, validation=drawn, folder=folder)


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"loss": "focal", "class_weight_power": 0.5},
        {"optimiser": "adam", "schedule": "plateau", "patience": 1},
        {"schedule": "step", "patience": 2, "sampling_power": 1.0},
        {"schedule": "constant", "label_smoothing": 0.1, "average": 0.5},
    ],
    ids=lambda over: "-".join(over) or "plain",
)
def test_a_run_lowers_its_loss(over: dict[str, object], tmp_path: Path) -> None:
    history = run(recipe(training={"epochs": 8, **over}), tmp_path).history
    assert len(history) == 8
    assert min(row["train_loss"] for row in history[-3:]) < history[0]["train_loss"]


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path) -> None:
    fitted = run(recipe(training={"epochs": 6, "learning_rate": 0.3}), tmp_path)
    best = max(row["accuracy"] for row in fitted.history)
    drawn = samples()
    teacher = teacher_of(recipe=recipe(), network=fitted.network, labels=drawn.labels, malignant=[True, False, False])
    network = fitted.network
    batch = {"pictures": torch.from_numpy(drawn.pictures).permute(0, 3, 1, 2), "squares": torch.from_numpy(drawn.squares)}
    with torch.inference_mode():
        predicted = network(teacher.pictures_of(batch, side=16)).argmax(1)
    assert (predicted.numpy() == drawn.labels).mean() == pytest.approx(best)


def test_early_stopping_ends_a_run_that_learns_nothing_more(tmp_path: Path) -> None:
    fitted = run(recipe(training={"epochs": 50, "learning_rate": 1e-9, "stop_after": 2}), tmp_path)
    assert len(fitted.history) <= 4


def test_frozen_epochs_move_the_head_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = Tiny().get_parameter("body.0.weight").detach().clone()
    fitted = run(recipe(training={"epochs": 1, "frozen_epochs": 1}), tmp_path / "frozen")
    assert torch.equal(fitted.network.get_parameter("body.0.weight"), before)
    freed = run(recipe(training={"epochs": 2, "frozen_epochs": 1, "fine_tune_learning_rate": 0.5, "keep": "loss"}), tmp_path / "freed")
    last = torch.load(tmp_path / "freed" / "last.ckpt", weights_only=False)["state_dict"]["network.body.0.weight"]
    assert not torch.equal(last, before)
    assert len(freed.history) == 2


def test_the_first_epochs_see_small_pictures(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watching(Tiny):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if self.training and (not seen or seen[-1] != pictures.shape[-1]):
                seen.append(pictures.shape[-1])
            return super().forward(pictures)

    drawn = samples()
    chosen = recipe(input={"side": 32}, training={"epochs": 3, "first_side": 16, "first_epochs": 2})
    teacher = teacher_of(recipe=chosen, network=Watching(), labels=drawn.labels, malignant=[True, False, False])
    fit(recipe=chosen, teacher=teacher, training=drawn, validation=drawn, folder=tmp_path)
    assert seen == [16, 32]


def test_a_loss_that_is_not_finite_ends_the_run_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        run(recipe(training={"learning_rate": 1e30, "clip": None, "epochs": 5}), tmp_path)


SCRIPT = """
import sys, time
from pathlib import Path
import torch
from models.training import fit as module
from tests.models.training.drawn import recipe
from tests.models.training.test_fit import run

class Slow(module.History):
    def on_train_epoch_end(self, trainer, pl_module):
        super().on_train_epoch_end(trainer, pl_module)
        time.sleep(float(sys.argv[2]))

module.History = Slow
fitted = run(recipe(training={"epochs": 6, "average": 0.9}), Path(sys.argv[1]))
torch.save({"history": fitted.history, "weights": fitted.network.state_dict()}, Path(sys.argv[1]) / "fitted.pt")
"""


def started(folder: Path, *, pause: float = 0.0) -> subprocess.Popen[bytes]:
    """A run in a process of its own: bits repeat only where threads and arithmetic modes are the same, and other tests change both."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(pause)], env=environment)


def fitted_in(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "fitted.pt", weights_only=True))


def test_a_run_killed_on_its_way_ends_with_the_same_weights(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole, process = started(undisturbed), started(killed, pause=0.5)
    deadline = time.monotonic() + 120
    while not (killed / "last.ckpt").exists():
        assert time.monotonic() < deadline, "the run never wrote a checkpoint"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "fitted.pt").exists()
    assert started(killed).wait(120) == whole.wait(120) == 0
    resumed, straight = fitted_in(killed), fitted_in(undisturbed)
    assert [row["epoch"] for row in resumed["history"]] == [1, 2, 3, 4, 5, 6]
    assert resumed["history"] == straight["history"]
    for name, value in straight["weights"].items():
        assert torch.equal(resumed["weights"][name], value), name


def test_each_epoch_has_its_own_order_and_repeats_it() -> None:
    sampler = EpochSampler(samples().labels, power=0, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == sorted(second) == list(range(len(first)))
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_a_full_sampling_power_draws_every_class_equally_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 100).numpy()
    drawn = labels[list(EpochSampler(labels, power=1.0, seed=0))]
    assert drawn.mean() == pytest.approx(0.5, abs=0.06)
