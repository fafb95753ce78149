"""What happens to an RGB picture before a network sees it, by names that a bundle can record.

``steps`` are pure functions of one picture at working size (long side ≤ 512 px): the same hair, grain and lamp colour then cost
and look the same whatever the camera. A filter never runs at native size: there hair removal alone costs more than the networks.

The order of steps is the caller's and is kept as given. The one that makes sense, each rule with its reason:

1. **Hair first** (``hair_closing_fill`` or ``hair_telea``): its threshold is in grey levels of the camera; a median thins hairs below
   it and CLAHE lifts skin texture above it.
2. **Noise before contrast** (``denoise``): CLAHE enlarges grain as it does structure.
3. **Colour constancy before contrast** (``shades_of_grey`` or ``grey_world``): it estimates the lamp from the camera's values.
4. **CLAHE last.** At most one step of each kind.

What the published systems use: S0 ``denoise`` and ``unit``; S1, S3 and S4 no step and ``imagenet``;
S2 ``hair_telea``, ``clahe`` and ``unit``.

Cost on one core at about 512×360 px, median of 44 dermoscopic pictures: ``denoise`` 0.2 ms, ``hair_closing_fill`` 0.5,
``shades_of_grey`` and ``grey_world`` 0.5, ``clahe`` 1.8, ``hair_telea`` 7 (14 in a tenth of them: it grows with the hair).
"""

from models.preprocess.colour import clahe, denoise, grey_world, shades_of_grey
from models.preprocess.hair import hair_mask, remove_hair, remove_hair_telea
from models.preprocess.normalisation import IMAGENET_MEAN, IMAGENET_STD, NORMALISATIONS, UnknownNormalisation, normalise
from models.preprocess.sizes import WORKING_SIDE, to_size, to_square, to_working_size
from models.preprocess.steps import STEPS, PictureTooLarge, Step, UnknownStep, apply_steps, check_steps

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NORMALISATIONS",
    "STEPS",
    "WORKING_SIDE",
    "PictureTooLarge",
    "Step",
    "UnknownNormalisation",
    "UnknownStep",
    "apply_steps",
    "check_steps",
    "clahe",
    "denoise",
    "grey_world",
    "hair_mask",
    "normalise",
    "remove_hair",
    "remove_hair_telea",
    "shades_of_grey",
    "to_size",
    "to_square",
    "to_working_size",
]
