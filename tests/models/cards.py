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
