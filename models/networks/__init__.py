"""The networks, by the name a bundle carries. They take N×3×H×W float, normalised RGB; ``cnn_lstm`` also whole series of it."""

from models.networks.base import Classifier, Network
from models.networks.catalogue import ARCHITECTURES, build_network, mobilenet_v2, unet_mobilenet_v2
from models.networks.features import WithFeatures
from models.networks.fold import fold_batch_norms
from models.networks.phases import backbone_parameters, freeze, head_parameters, unfreeze
from models.networks.weights import load_torchvision_weights

__all__ = [
    "ARCHITECTURES",
    "Classifier",
    "Network",
    "WithFeatures",
    "backbone_parameters",
    "build_network",
    "fold_batch_norms",
    "freeze",
    "head_parameters",
    "load_torchvision_weights",
    "mobilenet_v2",
    "unet_mobilenet_v2",
    "unfreeze",
]
