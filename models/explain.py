"""Where in a picture the evidence for a class lies: class activation maps, and Grad-CAM for networks that have none.

A class activation map (Zhou et al. 2016, "Learning deep features for discriminative localization", section 2) is the sum of the
last feature maps, weighted by the class's row of the linear layer that reads their mean: it falls out of the forward pass. Where
the last layer is not linear on pooled features, Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391, section 3) takes the mean
gradients for weights and costs a backward pass.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import nn

from models.backends import Backend, TorchBackend
from models.crop import Square
from models.inputs import InputPlan
from models.observe import Layout
from models.pictures.types import Gray
from models.preprocess import normalise
from models.views import mean_upright

QUALITY = 75

Squares: TypeAlias = NDArray[np.uint8]
Rows: TypeAlias = NDArray[np.float32]
Classes: TypeAlias = NDArray[np.intp]
Evidence: TypeAlias = NDArray[np.float32]
# N×S×S×3 squares, the rows of all their views (models.observe) and N class indices → N times h×w evidence for the class, or None.
Explain: TypeAlias = Callable[[Squares, Rows, Classes], Sequence[Evidence | None]]


class HeatMaps(StrEnum):
    """Which heat maps are made: those that cost nothing, also those that need a backward pass, or none."""

    CAM = "cam"
    GRADCAM = "gradcam"
    OFF = "off"


class ExplainError(Exception):
    """A heat map was asked for that this network or runtime cannot give."""


def explainer_of(network: nn.Module, *, wanted: HeatMaps, layout: Layout, plan: InputPlan, runs_on: Backend) -> Explain:
    """The way to the wanted heat maps of a classifier: its observed maps where it has them, Grad-CAM where that is asked for.

    Raises ExplainError when Grad-CAM is asked for and the network does not run on torch.
    """
    if wanted is HeatMaps.OFF or (wanted is HeatMaps.CAM and layout.map_sides is None):
        return _nothing
    if layout.map_sides is not None:
        return partial(_from_maps, layout=layout, views=plan.views)
    if not isinstance(runs_on, TorchBackend):
        raise ExplainError(f"Grad-CAM needs the backend torch, this classifier runs on {runs_on.name}: choose torch, or heat maps 'cam'")
    cam = GradCam(network, device=str(runs_on.device), normalisation=plan.normalisation)
    return lambda squares, _, classes: list(cam(squares, classes))


def _nothing(squares: Squares, rows: Rows, classes: Classes) -> list[Evidence | None]:  # noqa: ARG001
    return [None] * len(squares)


def _from_maps(squares: Squares, rows: Rows, classes: Classes, *, layout: Layout, views: int) -> list[Evidence]:  # noqa: ARG001
    maps = layout.maps_of(rows)
    assert maps is not None  # noqa: S101  # explainer_of has asked
    return list(mean_upright(maps[np.arange(len(rows)), np.tile(classes, views)], count=views))


def heatmap_jpeg(evidence: Evidence, *, square: Square, width: int, height: int) -> bytes:
    """h×w evidence inside ``square`` → grayscale JPEG, width×height px, of the whole picture; empty where nothing speaks for the class.

    Evidence against the class (below 0) is black; the strongest place is white, whatever its absolute value: a heat map says
    where, the probability says how much.
    """
    strongest = float(evidence.max(initial=0.0))
    if not strongest > 0:  # also where the network has answered NaN
        return b""
    grey = (np.clip(evidence, 0, None) * (255 / strongest)).astype(np.uint8)
    heat = placed(grey, square=square, width=width, height=height)
    return bytes(simplejpeg.encode_jpeg(heat[:, :, None], quality=QUALITY, colorspace="GRAY", colorsubsampling="Gray"))


def placed(grey: Gray, *, square: Square, width: int, height: int) -> Gray:
    """h×w uint8 inside ``square`` → height×width uint8 in whole-picture coordinates, 0 outside the square."""
    left, right = round((square.x - square.half_x) * width), round((square.x + square.half_x) * width)
    top, bottom = round((square.y - square.half_y) * height), round((square.y + square.half_y) * height)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    picture = np.zeros((height, width), np.uint8)
    size = (max(right - left, 1), max(bottom - top, 1))
    picture[top : top + size[1], left : left + size[0]] = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
    return picture


class GradCam:
    """Grad-CAM of one classifier, by the ``grad-cam`` library. A copy of the network of its own: its hooks slow no inference down.

    ``network``: a classifier of models.networks, with ``explain_layers``; the maps of several (an ensemble's) are averaged.
    Raises ExplainError when it names none.
    """

    def __init__(self, network: nn.Module, *, device: str, normalisation: str) -> None:
        if not _layers_of(network):
            raise ExplainError(f"{type(network).__name__} names no layer to explain: use the heat maps 'cam' or 'off'")
        from pytorch_grad_cam import GradCAM  # brings matplotlib and scikit-learn, so only where it is asked for

        self.network = copy.deepcopy(network).float().to(device).eval().requires_grad_(requires_grad=False)
        self.normalisation = normalisation
        # The gradient starts at the pixels, so that frozen weights keep none of their own.
        self.cam = GradCAM(model=self.network, target_layers=_layers_of(self.network))
        self._lock = threading.Lock()  # the library keeps activations and gradients on the object

    def __call__(self, squares: Squares, classes: Classes) -> Evidence:
        """N×S×S×3 uint8 and N class indices → N×S×S evidence for the class, 0..1 in each picture."""
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        pixels = normalise(torch.from_numpy(squares).to(self.cam.device).permute(0, 3, 1, 2), self.normalisation).requires_grad_()
        targets: list[Any] = [ClassifierOutputTarget(int(index)) for index in classes]
        # cuDNN's recurrent layers have no backward pass outside of training.
        with self._lock, torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            return np.asarray(self.cam(input_tensor=pixels, targets=targets), np.float32)


def _layers_of(network: nn.Module) -> list[nn.Module]:
    found: Any = getattr(network, "explain_layers", None)
    return list(found or ())
