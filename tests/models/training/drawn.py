"""Tiny things to train on: discs whose colour tells their class."""

import numpy as np
import torch
from torch import nn

from models.datasets import Record
from models.networks.base import Classifier
from models.training.recipe import Recipe
from models.training.samples import SIDE, Samples, squares_of

CLASSES = 3


def recipe(**over: object) -> Recipe:
    """A recipe that trains in seconds."""
    base = Recipe.model_validate(
        {
            "name": "tiny",
            "title": "Tiny",
            "system": "test",
            "task": "classification",
            "data": {"sources": ["drawn"], "taxonomy": "ham10000"},
            "input": {"side": 16},
            "network": {"architecture": "mobilenet_v2"},
            "augment": {"rotation": 90, "brightness": 0.1, "zoom": [0.9, 1.1]},
            "training": {"epochs": 3, "batch": 4, "learning_rate": 0.02, "precision": "fp32", "keep": "accuracy"},
        }
    )
    return base.changed(over)


def samples(count: int = 12, *, classes: int = CLASSES) -> Samples:
    """Discs on skin: the class is the channel that is dark."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    pictures = np.full((count, SIDE, SIDE, 3), 200, np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    labels = np.arange(count, dtype=np.int64) % classes
    for index in range(count):
        radius = generator.integers(40, 80)
        disc = (x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2 < radius**2
        masks[index][disc] = 255
        pictures[index][disc, labels[index] % 3] = 60
    records = [Record(image=None, mask=None, lesion=str(index), patient=None, diagnosis=None, taxonomy="ham10000", source="drawn",  # type: ignore[arg-type]
                      age=None, sex=None, site=None, fitzpatrick=None) for index in range(count)]  # fmt: skip
    return Samples(pictures, masks, labels, squares_of(masks, crop="whole"), records)


class Tiny(Classifier):
    """A network of a few hundred weights, with batch norm and dropout, whose runs must nevertheless repeat exactly."""

    HEAD = ("classifier",)

    def __init__(self, outputs: int = CLASSES) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, outputs))

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×8."""
        return torch.as_tensor(self.body(pictures))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×8 → N×outputs."""
        return torch.as_tensor(self.classifier(features))
