"""What a bundle must not be trusted with: it stands on its card, the dashboard and the report."""

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
    *LIMITS[Task.CLASSIFICATION],
    "Trained on simulated evolution: no real follow-up was seen in training or measured.",
)
LEAKS = "Split by image: pictures of one lesion lie on both sides, so its figures are too good for new patients."


def limits_of(recipe: Recipe) -> list[str]:
    """The sentences for a bundle made by this recipe."""
    return [*LIMITS[recipe.task], *([LEAKS] if recipe.data.split == "image" else [])]
