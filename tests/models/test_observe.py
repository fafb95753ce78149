"""One tensor with everything a classifier saw, the same from every runtime."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.networks import build_network, fold_batch_norms
from models.observe import Layout, Observer

SIDE = 64
# Architecture, options, and whether its logits are linear in the mean of its last map.
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("mobilenet_v2", {}, True),
    ("resnet18", {}, True),
    ("resnet18", {"dense": 16, "dropout": 0.5}, False),
    ("convnext_tiny", {}, False),
    ("cnn_resnet_lstm", {"backbone": "resnet18", "units": 8}, False),
    ("ensemble", {"members": ["resnet18", "mobilenet_v2"]}, True),
    ("ensemble", {"members": [{"architecture": "resnet18", "options": {"dense": 16}}, "mobilenet_v2"]}, False),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options, _ in CASES]


def built(architecture: str, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return build_network(architecture=architecture, classes=3, **options).eval()


def pictures(count: int) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(count))


def observed(network: nn.Module, batch: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(network(batch).numpy())


@pytest.mark.parametrize(("architecture", "options", "has_maps"), CASES, ids=IDS)
def test_a_row_holds_logits_and_features_of_the_network_and_maps_where_they_exist(
    architecture: str, options: dict[str, Any], *, has_maps: bool
) -> None:
    network = built(architecture, options)
    observer, batch = Observer(network, side=SIDE), pictures(3)
    layout, rows = observer.layout, observed(observer, pictures(3))
    assert rows.shape == (3, layout.width)
    with torch.inference_mode():
        assert layout.logits_of(rows) == pytest.approx(network(batch).numpy(), abs=1e-4)
        assert layout.features_of(rows) == pytest.approx(network.embed(batch).numpy(), abs=1e-4)  # type: ignore[operator]
    assert (layout.maps_of(rows) is not None) is has_maps


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "resnet18"])
def test_the_mean_of_a_map_and_the_bias_are_the_logit(architecture: str) -> None:
    network = built(architecture, {})
    observer = Observer(network, side=SIDE)
    rows = observed(observer, pictures(2))
    maps = observer.layout.maps_of(rows)
    assert maps is not None
    assert maps.shape == (2, 3, 2, 2)
    last = network.classifier[1] if architecture == "mobilenet_v2" else network.fc  # type: ignore[index]
    bias = last.bias.detach().numpy()  # type: ignore[union-attr, operator]
    assert maps.mean((2, 3)) + bias == pytest.approx(observer.layout.logits_of(rows), abs=1e-4)


def test_the_maps_are_what_grad_cam_finds_before_it_cuts_negative_evidence_off() -> None:
    network = built("resnet18", {})
    observer, batch = Observer(network, side=SIDE), pictures(1)
    found = network.feature_map(batch).detach().requires_grad_()  # type: ignore[operator]
    network.classify(found.mean((2, 3)))[0, 1].backward()  # type: ignore[operator]
    assert found.grad is not None
    # Selvaraju's weights are means of gradients over cells: one cell's share of a mean is that much smaller.
    grad_cam = (found.grad.mean((2, 3), keepdim=True) * found).sum(1)[0].detach().numpy() * found[0, 0].numel()
    maps = observer.layout.maps_of(observed(observer, batch))
    assert maps is not None
    assert maps[0, 1] == pytest.approx(grad_cam, abs=1e-4)


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "resnet18"])
def test_folding_batch_norms_before_or_after_changes_nothing(architecture: str) -> None:
    network, batch = built(architecture, {}), pictures(2)
    plain = observed(Observer(copy.deepcopy(network), side=SIDE), batch)
    before = observed(Observer(fold_batch_norms(copy.deepcopy(network)), side=SIDE), batch)
    after = observed(fold_batch_norms(Observer(copy.deepcopy(network), side=SIDE)), batch)
    assert before == pytest.approx(plain, abs=1e-3)
    assert after == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize(("architecture", "options"), [("mobilenet_v2", {}), ("ensemble", {"members": ["resnet18", "mobilenet_v2"]})])
def test_it_can_be_exported_for_any_number_of_pictures(architecture: str, options: dict[str, Any]) -> None:
    observer = Observer(built(architecture, options), side=SIDE)
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    exported = torch.export.export(observer, (pictures(2),), dynamic_shapes=shapes).module()
    for count in (1, 5):
        assert exported(pictures(count)).detach().numpy() == pytest.approx(observed(observer, pictures(count)), abs=1e-3)


def test_openvino_answers_as_torch() -> None:
    openvino = pytest.importorskip("openvino", reason="the openvino extra is not installed")
    observer = Observer(built("resnet18", {}), side=SIDE)
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    exported = torch.export.export(observer, (pictures(2),), dynamic_shapes=shapes)
    compiled = openvino.Core().compile_model(openvino.convert_model(exported), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in (1, 3):
        assert compiled(pictures(count).numpy())[0] == pytest.approx(observed(observer, pictures(count)), abs=2e-3)


def test_a_network_in_training_is_put_into_inference_mode() -> None:
    observer = Observer(build_network(architecture="mobilenet_v2", classes=3).train(), side=SIDE)
    assert not any(module.training for module in observer.network.modules())


def test_what_is_no_classifier_cannot_be_observed() -> None:
    with pytest.raises(TypeError, match="one of the classifiers"):
        Observer(build_network(architecture="unet_16", classes=1), side=SIDE)


def test_rows_of_another_observer_are_refused() -> None:
    layout = Layout(classes=3, features=10, map_sides=(2, 2))
    assert layout.width == 25
    with pytest.raises(ValueError, match="N×25"):
        layout.logits_of(np.zeros((1, 24), np.float32))
