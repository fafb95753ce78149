"""What a classifier saw besides its answer, in one tensor a runtime can return: logits, features and class activation maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.networks import Classifier
from models.networks.ensemble import Ensemble

Rows = NDArray[np.float32]
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in an observed row: C logits, then F features, then C×h×w maps row by row, unless ``map_sides`` is None."""

    classes: int
    features: int
    map_sides: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        """Length of a row."""
        height, width = self.map_sides or (0, 0)
        return self.classes + self.features + self.classes * height * width

    def logits_of(self, rows: Rows) -> Rows:
        """N×width → N×C."""
        return self._checked(rows)[:, : self.classes]

    def features_of(self, rows: Rows) -> Rows:
        """N×width → N×F, what the last layer reads."""
        return self._checked(rows)[:, self.classes : self.classes + self.features]

    def maps_of(self, rows: Rows) -> Rows | None:
        """N×width → N×C×h×w: how much each cell speaks for each class; their mean over cells and the class's bias make its logit.

        None where the network has no such maps.
        """
        if self.map_sides is None:
            return None
        return self._checked(rows)[:, self.classes + self.features :].reshape(-1, self.classes, *self.map_sides)

    def _checked(self, rows: Rows) -> Rows:
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"observed rows are {rows.shape}, this layout is for N×{self.width}: use the layout of the same observer")
        return rows


class Observer(nn.Module):
    """A classifier in inference mode that tells what it saw: N×3×side×side, normalised → N×``layout.width``.

    The maps are class activation maps (Zhou et al. 2016, "Learning deep features for discriminative localization", section 2), for
    networks whose logits are linear in the mean of their last feature map; Grad-CAM equals them there (Selvaraju et al. 2017,
    arXiv:1610.02391, section 3.1). Whether a network is one is found out by trying, not by its name. They cost a matrix product of
    the map's cells with the last layer. There are no hooks, so that several threads may run it, and export and compilation see
    a plain function.

    Fold batch norms before or after wrapping, as you like. Raises TypeError for a network that is no classifier, and whatever the
    network raises for pictures of ``side`` px.
    """

    layout: Layout

    def __init__(self, network: nn.Module, *, side: int) -> None:
        super().__init__()
        if not isinstance(network, Classifier):
            raise TypeError(f"{type(network).__name__} cannot be observed: give one of the classifiers of models.networks")
        self.network = network.eval()
        self.layout = _layout_of(network, side=side)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """One row a picture; ``layout`` says what stands where."""
        if self.layout.map_sides is None:
            features = self.network.embed(pictures)
            return torch.cat([self.network.classify(features), features], dim=1)
        found = _map_of(self.network, pictures)
        assert found is not None  # noqa: S101  # the layout has sides: it was there
        features = found.mean((2, 3))
        evidence = _linear_part(self.network, found.movedim(1, -1)).movedim(-1, 1)
        return torch.cat([self.network.classify(features), features, evidence.flatten(1)], dim=1)


def _layout_of(network: Classifier, *, side: int) -> Layout:
    """Tries two pictures of noise."""
    weight = next(network.parameters())
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, 3, side, side, generator=generator).to(weight)
    with torch.inference_mode():
        features = network.embed(pictures)
        logits = network.classify(features)
        found = _map_of(network, pictures)
        linear = found is not None and _reads_the_mean(network, features, found)
    sides = (int(found.shape[2]), int(found.shape[3])) if found is not None and linear else None
    return Layout(classes=int(logits.shape[1]), features=int(features.shape[1]), map_sides=sides)


def _reads_the_mean(network: Classifier, features: torch.Tensor, found: torch.Tensor) -> bool:
    mean = found.mean((2, 3))
    if mean.shape != features.shape or not torch.allclose(mean, features, rtol=TOLERANCE, atol=TOLERANCE):
        return False
    one, other = _linear_part(network, features[:1]), _linear_part(network, features[1:])
    return torch.allclose(_linear_part(network, features[:1] - 2 * features[1:]), one - 2 * other, rtol=TOLERANCE, atol=TOLERANCE)


def _linear_part(network: Classifier, features: torch.Tensor) -> torch.Tensor:
    """…×F → …×C: the logits without the bias."""
    return network.classify(features) - network.classify(features.new_zeros(1, features.shape[-1]))


def _map_of(network: nn.Module, pictures: torch.Tensor) -> torch.Tensor | None:
    """N×3×H×W → N×F×h×w, the last feature map; of an ensemble its members' side by side. None where there is none, or sizes differ."""
    if isinstance(network, Ensemble):
        maps = [_map_of(member, pictures) for member in network.each()]
        found = [one for one in maps if one is not None]
        alike = len(found) == len(maps) and len({one.shape[2:] for one in found}) == 1
        return torch.cat(found, dim=1) if alike else None
    feature_map: Any = getattr(network, "feature_map", None)
    return feature_map(pictures) if feature_map else None
