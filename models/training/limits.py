"""What a bundle must not be trusted with: it stands on its card, the dashboard and the report."""

from models.training.evolution import CHANGING, DARKENED, DARKENING, GROWN, GROWTH, SHRINKING
from models.training.recipe import Recipe, Task

LIMITS = {
    Task.SEGMENTATION: (
        "Lesions that leave the picture, several lesions in one picture, and pictures without a lesion were rare in training.",
        "The outline is a suggestion: measures taken from it carry its error.",
    ),
    Task.CLASSIFICATION: (
        "It knows its classes and no others; rare tumours are forced into the nearest of them unless the detector refuses them.",
        "Training pictures show mostly light skin; figures for other skin are not known where the subgroup table has none.",
        "It sees one picture: no history, no palpation, no patient.",
    ),
}
LIMITS[Task.SEQUENCE] = (
    *LIMITS[Task.CLASSIFICATION][:2],
    "It sees pictures: no history, no palpation, no patient.",
    "Trained on simulated evolution: no real follow-up was seen in training or measured.",
)
PROGRESSING = """\
Used beside the single-picture result, never instead of it: it has no detector of strangers and no prediction sets of its own.
Series were simulated: {changing:.0%} of malignant and {benign:.0%} of benign lesions change, growing by {growth[0]:.0%} to \
{growth[1]:.0%} of their diameter or {dark[0]:.0%} to {dark[1]:.0%} of their contrast in a year; {shrinking:.0%} of the others shrink. \
Its probabilities hold for such lesions; how often real ones change is not in them.
Progressing means that from the first visit to the last the diameter grew by {grown:.0%} or more, or the contrast against the \
skin by {darkened:.0%} or more. It is not defined for a single visit.
Without a known scale, pictures taken from another distance or through another lens look like growth or its absence.
It was taught series of up to {visits} visits; of a longer one it reads the first, the last and the ones nearest to equal steps."""
LEAKS = "Split by image: pictures of one lesion lie on both sides, so its figures are too good for new patients."


def limits_of(recipe: Recipe) -> list[str]:
    """The sentences for a bundle made by this recipe."""
    return [*LIMITS[recipe.task], *(_progressing(recipe) if recipe.progresses else []), *([LEAKS] if recipe.data.split == "image" else [])]


def _progressing(recipe: Recipe) -> list[str]:
    said = {
        "changing": CHANGING[True],
        "benign": CHANGING[False],
        "shrinking": SHRINKING,
        "growth": GROWTH,
        "dark": DARKENING,
        "grown": GROWN,
        "darkened": DARKENED,
        "visits": recipe.training.visits,
    }
    return PROGRESSING.format(**said).splitlines()
