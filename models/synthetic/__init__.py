"""Dermoscopy-like pictures drawn from a seed, with exact masks. For demonstrations, benchmarks and tests, never for training
or for judging a model: they follow the look of a lesion, not its biology."""

from models.synthetic.picture import SyntheticPicture, draw
from models.synthetic.recipes import Kind
from models.synthetic.scene import draw_scene

__all__ = ["Kind", "SyntheticPicture", "draw", "draw_scene"]
