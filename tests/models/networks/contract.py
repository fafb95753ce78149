"""What every architecture must keep: test classes to inherit, with the architecture and its options as class attributes."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.networks import (
    Classifier,
    Network,
    WithFeatures,
    backbone_parameters,
    build_network,
    fold_batch_norms,
    freeze,
    head_parameters,
    unfreeze,
)

STEPS = 4
Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taught:
    """A network after a few steps on one batch, ready for inference; the loss before each step; what no gradient reached."""

    network: Network
    losses: list[float]
    unreached: list[str]


class NetworkContract:
    """Tests of a network of three classes on squares of 64 px."""

    architecture: ClassVar[str]
    options: ClassVar[Options] = {}
    classes: ClassVar[int] = 3
    side: ClassVar[int] = 64
    learning_rate: ClassVar[float] = 1e-3

    @classmethod
    def build(cls) -> Network:
        """The network with random weights."""
        return build_network(architecture=cls.architecture, classes=cls.classes, **cls.options)

    @classmethod
    def inputs(cls, count: int) -> tuple[torch.Tensor, ...]:
        """What ``forward`` takes, for ``count`` lesions."""
        return (torch.randn(count, 3, cls.side, cls.side, generator=torch.Generator().manual_seed(count)),)

    @classmethod
    def loss(cls, answer: torch.Tensor) -> torch.Tensor:
        """What teaching lowers."""
        return functional.cross_entropy(answer, torch.arange(len(answer)) % cls.classes)

    @classmethod
    def answer_shape(cls, count: int, height: int, width: int) -> tuple[int, ...]:
        """The shape of the answer."""
        return (count, cls.classes)

    @pytest.fixture(scope="class")
    @classmethod
    def taught(cls) -> Taught:
        """The network after a few steps."""
        torch.manual_seed(1)
        network, inputs = cls.build().train(), cls.inputs(4)
        optimiser = torch.optim.AdamW(network.parameters(), lr=cls.learning_rate)
        losses = []
        for _ in range(STEPS):
            torch.manual_seed(2)  # the same dropout in each step, or its noise would hide so short a descent
            optimiser.zero_grad()
            loss = cls.loss(network(*inputs))
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        unreached = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
        optimiser.zero_grad()
        return Taught(network=network.eval(), losses=losses, unreached=unreached)

    def test_a_few_steps_on_one_batch_lower_its_loss(self, taught: Taught) -> None:
        assert taught.losses[-1] < taught.losses[0]

    def test_a_gradient_reaches_every_parameter(self, taught: Taught) -> None:
        assert taught.unreached == []

    def test_a_batch_of_one_is_answered_like_a_batch_of_many(self, taught: Taught) -> None:
        inputs = self.inputs(3)
        with torch.inference_mode():
            many, one = taught.network(*inputs), taught.network(*(part[1:2] for part in inputs))
        assert many.shape == self.answer_shape(3, self.side, self.side)
        torch.testing.assert_close(one, many[1:2], atol=1e-4, rtol=1e-3)

    def test_a_state_dict_makes_another_network_the_same(self, taught: Taught, tmp_path: Path) -> None:
        torch.save(taught.network.state_dict(), tmp_path / "weights.pth")
        other = self.build().eval()
        other.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
        with torch.inference_mode():
            torch.testing.assert_close(other(*self.inputs(2)), taught.network(*self.inputs(2)))

    # torch sees the weights of an LSTM change place while it traces, and warns though the graph is right.
    @pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")
    def test_it_is_exported_for_batches_of_any_size(self, taught: Taught) -> None:
        shapes = tuple({0: torch.export.Dim("lesions", min=1, max=64)} for _ in self.inputs(2))
        exported = torch.export.export(taught.network, self.inputs(2), dynamic_shapes=shapes).module()
        with torch.inference_mode():
            torch.testing.assert_close(exported(*self.inputs(3)), taught.network(*self.inputs(3)), atol=1e-4, rtol=1e-3)

    def test_folding_batch_norms_keeps_the_answers(self, taught: Taught) -> None:
        with torch.inference_mode():
            folded = fold_batch_norms(copy.deepcopy(taught.network))
            torch.testing.assert_close(folded(*self.inputs(2)), taught.network(*self.inputs(2)), atol=1e-4, rtol=1e-3)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())

    def test_backbone_and_head_share_the_parameters_between_them(self, taught: Taught) -> None:
        head, backbone = head_parameters(taught.network), backbone_parameters(taught.network)
        assert head
        assert backbone
        assert {id(parameter) for parameter in head + backbone} == {id(parameter) for parameter in taught.network.parameters()}
        assert len(head + backbone) == len(list(taught.network.parameters()))

    def test_a_frozen_backbone_leaves_the_head_to_learn(self, taught: Taught) -> None:
        assert freeze(taught.network) == sum(parameter.numel() for parameter in backbone_parameters(taught.network))
        assert not any(parameter.requires_grad for parameter in backbone_parameters(taught.network))
        assert all(parameter.requires_grad for parameter in head_parameters(taught.network))
        unfreeze(taught.network)
        assert all(parameter.requires_grad for parameter in taught.network.parameters())


class ServesAnySide(NetworkContract):
    """Networks that bear odd sides."""

    def test_odd_sides_are_served(self, taught: Taught) -> None:
        with torch.inference_mode():
            assert taught.network(torch.randn(2, 3, 65, 97)).shape == self.answer_shape(2, 65, 97)


class ServesMultiples(NetworkContract):
    """Networks whose sides have a common divisor."""

    multiple: ClassVar[int]

    def test_odd_sides_are_refused_with_sides_that_fit(self, taught: Taught) -> None:
        fit = self.side + self.multiple
        with pytest.raises(ValueError, match=f"multiples of {self.multiple}; resize or pad to {self.side}×{fit}"):
            taught.network(torch.randn(1, 3, self.side, self.side + 1))


class ClassifierContract(NetworkContract):
    """Tests of a classifier."""

    width: ClassVar[int]
    layout: ClassVar[str] = "put the three colours before the sides"

    def test_the_answer_is_the_class_of_the_features(self, taught: Taught) -> None:
        network, inputs = self.classifier(taught), self.inputs(2)
        with torch.inference_mode():
            features = network.embed(*inputs)
            assert features.shape == (2, self.width) == (2, network.width)
            torch.testing.assert_close(network.classify(features), network(*inputs))

    def test_features_come_beside_the_same_logits(self, taught: Taught) -> None:
        pictures = torch.randn(2, 3, self.side, self.side)
        with torch.inference_mode():
            seen = WithFeatures(taught.network)(pictures)
            assert seen.shape == (2, self.classes + self.width)
            torch.testing.assert_close(seen[:, : self.classes], taught.network(pictures))

    def test_every_layer_to_explain_gives_maps_that_move_the_answer(self, taught: Taught) -> None:
        network = self.classifier(taught)
        seen: list[torch.Tensor] = []

        def keep(_: nn.Module, __: Any, maps: torch.Tensor) -> None:
            maps.retain_grad()
            seen.append(maps)

        hooks = [layer.register_forward_hook(keep) for layer in network.explain_layers]
        network(torch.randn(2, 3, self.side, self.side))[:, 0].sum().backward()
        for hook in hooks:
            hook.remove()
        assert network.explain_layer is network.explain_layers[0]
        assert len(seen) == len(hooks) >= 1
        for maps in seen:
            assert maps.ndim == 4
            assert len(maps) == 2
            assert maps.grad is not None
            assert maps.grad.any()

    def test_pictures_of_another_layout_are_refused(self, taught: Taught) -> None:
        with pytest.raises(ValueError, match=self.layout):
            taught.network(torch.randn(2, self.side, self.side, 3))

    def classifier(self, taught: Taught) -> Classifier:
        """The network, known as a classifier."""
        assert isinstance(taught.network, Classifier)
        return taught.network


class SegmenterContract(ServesMultiples):
    """Tests of a network that outlines: one logit for each pixel."""

    classes = 1

    @classmethod
    def loss(cls, answer: torch.Tensor) -> torch.Tensor:
        """Against a square in the middle."""
        truth = torch.zeros_like(answer)
        truth[:, :, 16:48, 16:48] = 1
        return functional.binary_cross_entropy_with_logits(answer, truth)

    @classmethod
    def answer_shape(cls, count: int, height: int, width: int) -> tuple[int, ...]:
        """One map for each class."""
        return (count, cls.classes, height, width)
