"""What may go wrong before or during training: each carries a sentence that says what to do."""

from models.bundle import BundleError
from models.datasets import DatasetError
from models.evaluation.figures import EvaluationError
from models.training.recipe import RecipeError

KNOWN: tuple[type[Exception], ...] = (
    BundleError,
    DatasetError,
    EvaluationError,
    RecipeError,
    FloatingPointError,
    FileNotFoundError,
    MemoryError,
)
