"""Every architecture by its name, with its options and their usual values. Options are plain JSON values."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import segmentation_models_pytorch as smp

from models.networks.base import Classifier, Network
from models.networks.convolutional import ConvNeXt, FeatureClassifier, ResNet
from models.networks.ensemble import Ensemble
from models.networks.hybrid import Head, PatchSequence, ResNetLstm
from models.networks.sequence import OWN, CnnLstm
from models.networks.transformer import VisionTransformer
from models.networks.trunks import RESNETS
from models.networks.unet import DECODER_CHANNELS, EncoderUNet, UNet16

UNET = "unet_"


def unet_16(*, classes: int = 1) -> Network:
    """U-Net of 16 base filters, as in DermaCare. Sides: multiples of 16."""
    return UNet16(classes=classes)


def unet(encoder: str, *, classes: int = 1, decoder: Sequence[int] = DECODER_CHANNELS) -> Network:
    """U-Net over a known encoder; ``decoder``: channels of its five levels. Sides: multiples of 32."""
    return EncoderUNet(encoder, classes=classes, decoder=decoder)


unet_mobilenet_v2 = partial(unet, "mobilenet_v2")


def resnet(architecture: str, *, classes: int, dense: int | None = None, dropout: float = 0.0) -> Classifier:
    """ResNet; ``dense=512`` and ``dropout`` make DermaCare's head."""
    return ResNet(architecture, classes=classes, dense=dense, dropout=dropout)


def mobilenet_v2(*, classes: int, dropout: float = 0.2) -> Classifier:
    """MobileNetV2."""
    return FeatureClassifier("mobilenet_v2", classes=classes, dropout=dropout)


def efficientnet_b4(*, classes: int, dropout: float = 0.4) -> Classifier:
    """EfficientNet-B4."""
    return FeatureClassifier("efficientnet_b4", classes=classes, dropout=dropout)


def convnext_tiny(*, classes: int) -> Classifier:
    """ConvNeXt-T. Sides: 32 px or more."""
    return ConvNeXt(classes=classes)


def vit_b_16(*, classes: int, image_size: int = 224, layers: int = 12, dropout: float = 0.0) -> Classifier:
    """ViT-B/16 for squares of ``image_size`` px, a multiple of 16."""
    return VisionTransformer(classes=classes, image_size=image_size, layers=layers, dropout=dropout)


def cnn_resnet_lstm(*, classes: int, backbone: str = "resnet50", units: int = 256, layers: int = 1, dropout: float = 0.0) -> Classifier:
    """Convolution stem → ResNet stages → LSTM. ``backbone``: a ResNet."""
    return ResNetLstm(classes=classes, backbone=backbone, units=units, layers=layers, dropout=dropout)


def resnet50_bilstm(
    *, classes: int, backbone: str = "resnet50", head: Head = "bilstm", units: int = 256, layers: int = 2, dropout: float = 0.0
) -> Classifier:
    """SkinDiseaseNet: patches of a ResNet-50's map read by a BiLSTM or by self-attention. ``backbone``: any convolutional one."""
    return PatchSequence(classes=classes, backbone=backbone, head=head, units=units, layers=layers, dropout=dropout)


def cnn_lstm(
    *,
    classes: int,
    backbone: str = OWN,
    filters: int = 32,
    units: int = 128,
    layers: int = 1,
    dropout: float = 0.0,
    progressing: bool = False,
) -> Classifier:
    """CNN-LSTM over the visits of a lesion. ``backbone``: "convolutions" (with ``filters``) or any convolutional one.

    ``progressing``: with a second answer, whether the lesion changed from its first to its last visit.
    """
    return CnnLstm(
        classes=classes, backbone=backbone, filters=filters, units=units, layers=layers, dropout=dropout, progressing=progressing
    )


def ensemble(*, classes: int, members: Sequence[str | dict[str, Any]] = ("resnet18", "mobilenet_v2")) -> Classifier:
    """Classifiers with averaged logits. A member is a name, or {"architecture": name, "options": {…}}. Raises ValueError."""
    if not members:
        raise ValueError("an ensemble without members answers nothing: name one or more architectures in members")
    return Ensemble([_member(member, classes=classes) for member in members])


ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "unet_16": unet_16,
    "unet_mobilenet_v2": unet_mobilenet_v2,
    **{f"{UNET}{encoder}": partial(unet, encoder) for encoder in ("resnet18", "resnet34", "resnet50")},
    "mobilenet_v2": mobilenet_v2,
    **{name: partial(resnet, name) for name in RESNETS},
    "efficientnet_b4": efficientnet_b4,
    "convnext_tiny": convnext_tiny,
    "vit_b_16": vit_b_16,
    "cnn_resnet_lstm": cnn_resnet_lstm,
    "resnet50_bilstm": resnet50_bilstm,
    "cnn_lstm": cnn_lstm,
    "ensemble": ensemble,
}


def build_network(*, architecture: str, classes: int, **options: Any) -> Network:
    """A network with random weights: one of ``ARCHITECTURES``, or ``unet_`` and an encoder of segmentation-models-pytorch.

    Raises KeyError naming the known architectures when the name is not one of them, and ValueError for an option that the
    architecture does not take or a value that does not fit.
    """
    build = ARCHITECTURES.get(architecture) or _other_unet(architecture)
    if build is None:
        raise KeyError(f"unknown architecture {architecture!r}: choose one of {', '.join(sorted(ARCHITECTURES))}")
    known = [name for name in signature(build).parameters if name != "classes"]
    if unknown := sorted(options.keys() - set(known)):
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise ValueError(f"{architecture} has no option {', '.join(unknown)}: {takes}")
    return build(classes=classes, **options)


def _other_unet(architecture: str) -> Callable[..., Network] | None:
    encoder = architecture.removeprefix(UNET)
    known = architecture.startswith(UNET) and encoder in smp.encoders.get_encoder_names()
    return partial(unet, encoder) if known else None


def members_of(options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Architecture and options of each member of an ensemble with these options. Raises ValueError."""
    return [_described(member) for member in options["members"]]


def _described(member: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    named: dict[str, Any] = {"architecture": member} if isinstance(member, str) else member
    if "architecture" not in named or named.keys() - {"architecture", "options"}:
        raise ValueError(f'{member!r} is no member: give a name or {{"architecture": name, "options": {{…}}}}')
    return named["architecture"], named.get("options", {})


def _member(member: str | dict[str, Any], *, classes: int) -> Classifier:
    architecture, options = _described(member)
    network = build_network(architecture=architecture, classes=classes, **options)
    if not isinstance(network, Classifier):
        raise ValueError(f"{architecture} outlines lesions and cannot be a member of an ensemble of classifiers")
    return network
