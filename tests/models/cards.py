"""Valid cards to spoil, and small networks to go with them."""

from typing import Any


def classifier_card(**changes: Any) -> dict[str, Any]:
    """A card of format 2 for a MobileNetV2 of two classes, without signatures."""
    card: dict[str, Any] = {
        "format": 2,
        "name": "Net",
        "version": "1",
        "task": "classification",
        "architecture": "mobilenet_v2",
        "taxonomy": "isic2019",
        "classes": ["MEL", "NV"],
        "input": {"side": 64},
        "quality": {"sharpness": 0.0},
        "data": "drawn",
        "licence": "CC0-1.0",
        "non_commercial": False,
    }
    return {**card, **changes}


def segmenter_card(**changes: Any) -> dict[str, Any]:
    """A card of format 2 for a small U-Net, without signatures."""
    plain = {"task": "segmentation", "architecture": "unet_16", "taxonomy": None, "classes": ["lesion"], "quality": None}
    return classifier_card(**{**plain, **changes})


def sequence_card(**changes: Any) -> dict[str, Any]:
    """A card of format 2 for a small network that reads series, without signatures."""
    series = {
        "task": "sequence",
        "architecture": "cnn_lstm",
        "options": {"filters": 4, "units": 8, "progressing": True},
        "input": {"side": 64, "crop": "lesion_square"},
        "views": 4,
        "quality": None,
        "progressing": {"visits": 4, "grown": 0.1, "darkened": 0.15},
    }
    return classifier_card(**{**series, **changes})
