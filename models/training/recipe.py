"""Recipes: one TOML file says everything that decides a training run besides the pictures. Stored whole in the bundle."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

RECIPES = Path(__file__).parent.parent / "recipes"
SMOKE_PICTURES = 120


class RecipeError(Exception):
    """A recipe that cannot be run: unknown, malformed, or asking for what does not exist."""


class Task(StrEnum):
    """What a network answers: a mask, classes of one picture, or classes of a series of visits."""

    SEGMENTATION = "segmentation"
    CLASSIFICATION = "classification"
    SEQUENCE = "sequence"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
    """Which pictures, under which names, and who may stand on both sides of a split."""

    sources: tuple[str, ...]
    taxonomy: str = "isic2019"
    # "patient" (the lesion where no patient is known) and "lesion" keep together what belongs together; "image" leaks, as reports say.
    split: Literal["lesion", "patient", "image"] = "patient"
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0
    most: int | None = Field(default=None, ge=40)  # pictures of each part at most, spread over the classes

    @model_validator(mode="after")
    def _shares_fill_the_whole(self) -> Self:
        if abs(sum(self.shares) - 1) > 1e-6 or min(self.shares) < 0 or self.shares[0] == 0:
            raise ValueError("shares are train, validation and test, at least 0 each, and add up to 1")
        return self


class Input(_Part):
    """How a picture becomes a network's input; copied into the bundle as it is."""

    side: int = Field(ge=16, le=1024)
    crop: Literal["lesion_square", "whole"] = "whole"
    steps: tuple[str, ...] = ()
    normalisation: Literal["imagenet", "unit"] = "imagenet"


class Network(_Part):
    """An architecture of models.networks and its options. An ensemble's members are trained one after the other."""

    architecture: str
    options: dict[str, Any] = {}


class Augment(_Part):
    """Ranges of the random views; zero or one means: left alone."""

    flips: bool = True
    rotation: float = Field(default=180, ge=0, le=180)  # degrees to either side
    zoom: tuple[float, float] = (1.0, 1.0)  # 1 shows what the analyzer would show, 2 twice as much
    aspect: float = Field(default=1.0, ge=1, le=2)
    shift: float = Field(default=0.0, ge=0, le=1)  # halves of the view
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    saturation: float = Field(default=0.0, ge=0, lt=1)
    balance: float = Field(default=0.0, ge=0, lt=1)  # white balance: each channel by itself


class Training(_Part):
    """The optimisation."""

    epochs: int = Field(ge=1)
    # Smaller pictures first: the early epochs cost less, and later ones see what small pictures lack (Tan and Le 2021, section 4.2).
    first_side: int | None = Field(default=None, ge=16, le=1024)
    first_epochs: int = Field(default=0, ge=0)
    batch: int = Field(default=32, ge=1)
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["cosine", "plateau", "step", "constant"] = "cosine"
    patience: int = Field(default=10, ge=1)  # epochs without progress before plateau (or step) divides the rate by ten
    warm_up: float = Field(default=0.1, ge=0, lt=1)  # share of all steps in which the rate rises
    loss: Literal["cross_entropy", "focal", "bce_dice"] = "cross_entropy"
    focal_gamma: float = Field(default=2.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    # Weight of a class = (1 / its share) ** this, normalised to mean 1 over the pictures; 1 is full balancing.
    class_weight_power: float = Field(default=0.0, ge=0, le=1)
    # The same power for how often a class is drawn (WeightedRandomSampler); 0 draws every picture once an epoch.
    sampling_power: float = Field(default=0.0, ge=0, le=1)
    frozen_epochs: int = Field(default=0, ge=0)  # phase one: only the head learns
    freeze_upto: str | None = None  # a layer's name: selective freezing, see models.networks.freeze
    fine_tune_learning_rate: float | None = Field(default=None, gt=0)  # of phase two
    stop_after: int | None = Field(default=None, ge=1)  # epochs without progress: early stopping
    average: float | None = Field(default=None, gt=0, lt=1)  # decay of an exponential moving average of the weights
    clip: float | None = Field(default=5.0, gt=0)
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    keep: Literal["loss", "accuracy", "balanced_accuracy", "mean", "jaccard", "auroc", "both_aurocs"] = "loss"
    visits: int = Field(default=4, ge=1)  # of a sequence at most
    progress_weight: float = Field(default=1.0, ge=0)  # of a sequence's second answer in the loss
    seed: int = 0

    @model_validator(mode="after")
    def _first_side_has_its_epochs(self) -> Self:
        if (self.first_side is None) != (self.first_epochs == 0) or self.first_epochs > self.epochs:
            raise ValueError("first_side and first_epochs stand together, and first_epochs are some of the epochs")
        return self


class Measuring(_Part):
    """What is done with the trained network before it is packaged."""

    # Of the squares that are served; None: as trained. Small augmented views make lesions look larger than they are served, so that a
    # network may answer better on larger squares than it was taught on (Touvron et al. 2019, arXiv:1906.06423).
    side: int | None = Field(default=None, ge=16, le=1024)
    views: Literal[1, 2, 4, 8] = 1
    accepted: Annotated[float, Field(gt=0.5, lt=1)] = 0.965  # of validation lesions; new ones are refused a little more often
    coverage: Annotated[float, Field(gt=0.5, lt=1)] = 0.90
    sensitivity: Annotated[float, Field(gt=0.5, lt=1)] = 0.90


class Recipe(_Part):
    """A whole run. ``published`` holds the paper's figures and protocol, printed beside ours and never used."""

    name: str
    title: str
    system: str
    task: Task
    data: Data
    input: Input
    network: Network
    augment: Augment = Augment()
    training: Training
    measuring: Measuring = Measuring()
    published: dict[str, Any] = {}
    smoke: dict[str, Any] = {}
    # What a search may change: dotted names to {low, high, log} or {choices}.
    search: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _only_single_pictures_begin_small(self) -> Self:
        if self.task is Task.SEQUENCE and self.training.first_side is not None:
            raise ValueError("training.first_side is for single pictures: a sequence's visits have one size, leave it out")
        return self

    @property
    def progresses(self) -> bool:
        """Whether its network says of a series if the lesion progresses."""
        return self.task is Task.SEQUENCE and bool(self.network.options.get("progressing"))

    def smoked(self) -> "Recipe":
        """The same recipe with the overrides of its ``[smoke]`` table: the whole way in under two minutes on two cores."""
        return self.changed({"data": {"most": SMOKE_PICTURES}}).changed(self.smoke)

    def changed(self, over: dict[str, Any]) -> "Recipe":
        """The same recipe with nested values replaced. Raises RecipeError when the result makes no sense."""
        try:
            return Recipe.model_validate(_merged(self.model_dump(mode="json"), over))
        except ValidationError as error:
            raise RecipeError(f"{self.name}: " + "; ".join(_sentence(item) for item in error.errors())) from error


def load_recipe(name: str) -> Recipe:
    """Reads a shipped recipe by its name, or any TOML file by its path. Raises RecipeError saying what to change."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.exists():
        raise RecipeError(f"there is no recipe {name!r}: choose one of {', '.join(recipe_names())}, or give the path of a TOML file")
    try:
        return Recipe.model_validate({"name": path.stem, **tomllib.loads(path.read_text())})
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        raise RecipeError(f"{path.name}: " + "; ".join(_sentence(item) for item in error.errors())) from error


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def _sentence(item: Any) -> str:
    return f"{'.'.join(str(part) for part in item['loc']) or 'recipe'}: {item['msg']}"


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merged(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
    return merged
