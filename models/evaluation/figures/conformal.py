"""Do prediction sets hold the true class as often as they promise, and how large are they?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import DRAWS, Bootstrap, share_figures
from models.evaluation.figures.samples import Booleans, EvaluationError, Labels
from models.evaluation.figures.segmentation import mean_figures


def conformal_figures(
    *, sets: Booleans, labels: Labels, codes: Sequence[str], groups: Sequence[str], target: float, draws: int = DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Figures of prediction sets: ``sets`` N×C (True: the class is in the image's set), ``labels`` N, promised coverage ``target`` 0..1.

    Keys: images, lesions, target, coverage, mean_size, singletons, empty (each with ``_95``), sizes (images per size 0..C), by_class
    (images, coverage, mean size of the sets of each true class) and by_size (images and coverage per size: small sets must not cheat).
    Raises EvaluationError where the arrays do not fit together.
    """
    if sets.shape != (len(labels), len(codes)) or len(groups) != len(labels) or len(labels) == 0:
        raise EvaluationError(
            f"sets are {sets.shape}, labels {len(labels)}, groups {len(groups)}: must be images × {len(codes)}, images, images"
        )
    bootstrap = Bootstrap(groups, draws=draws, seed=seed)
    sizes = sets.sum(axis=1)
    covered, everyone = sets[np.arange(len(labels)), labels], np.ones(len(labels), np.bool_)
    return {
        "images": len(labels),
        "lesions": bootstrap.units,
        "target": target,
        **share_figures("coverage", bootstrap, covered, everyone),
        **mean_figures("mean_size", sizes.astype(np.float64), bootstrap),
        **share_figures("singletons", bootstrap, sizes == 1, everyone),
        **share_figures("empty", bootstrap, sizes == 0, everyone),
        "sizes": np.bincount(sizes, minlength=len(codes) + 1).tolist(),
        "by_class": {
            code: {
                "images": int(np.sum(labels == index)),
                **share_figures("coverage", bootstrap, covered, labels == index),
                "mean_size": float(sizes[labels == index].mean()) if (labels == index).any() else None,
            }
            for index, code in enumerate(codes)
        },
        "by_size": [
            {"size": int(size), "images": int(np.sum(sizes == size)), **share_figures("coverage", bootstrap, covered, sizes == size)}
            for size in np.unique(sizes)
        ],
    }
