"""The report's words: one name and one plain explanation per figure."""

ATTRIBUTES = {"age": "Age", "sex": "Sex", "site": "Body site", "fitzpatrick": "Fitzpatrick type", "source": "Source"}

FIGURES = {
    "accuracy": ("Accuracy", "images whose most probable class is the diagnosis"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall over the classes, so that a rare class counts as much as a common one"),
    "macro.f1": ("Macro F1", "mean F1 over the classes"),
    "weighted.f1": ("Weighted F1", "mean F1, classes weighted by their images"),
    "macro.precision": ("Macro precision", "mean precision over the classes"),
    "macro.recall": ("Macro recall", "mean recall over the classes"),
    "macro.auroc": ("Macro ROC-AUC", "mean area under the one-against-rest ROC curves"),
    "malignant_auroc": (
        "Malignant ROC-AUC",
        "probability that a malignant image is given a higher malignant probability than a benign one",
    ),
    "expected_calibration_error": (
        "Calibration error (ECE)",
        "mean gap between the stated probability and the share that is right; lower is better",
    ),
    "sensitivity": ("Sensitivity", "malignant images flagged at the operating point"),
    "specificity": ("Specificity", "benign images not flagged at the operating point"),
    "positive_predictive_value": ("Positive predictive value", "flagged images that are malignant, at this collection's prevalence"),
    "negative_predictive_value": ("Negative predictive value", "images not flagged that are benign, at this collection's prevalence"),
    "jaccard": ("Jaccard index", "overlap of outline and truth over their union, mean over images"),
    "thresholded_jaccard": ("Thresholded Jaccard", "the same with every image under 0.65 counted as 0 (ISIC 2018 task 1)"),
    "share_under_0.65": ("Share under 0.65", "images whose outline would have to be redrawn; lower is better"),
    "dice": ("Dice coefficient", "twice the overlap over the two areas, mean over images"),
    "precision": ("Precision", "pixels in the outline that are lesion"),
    "f1": ("F1", "harmonic mean of precision and sensitivity"),
    "global_accuracy": ("Global accuracy", "pixels that are right"),
    "coverage": ("Coverage", "images whose set holds the diagnosis"),
    "mean_size": ("Mean set size", "classes in a set"),
    "singletons": ("Single-class sets", "images with exactly one class in the set"),
    "empty": ("Empty sets", "images with no class in the set"),
}
CLASSIFICATION_HEADLINES = ("balanced_accuracy", "accuracy", "macro.f1", "weighted.f1", "macro.auroc", "malignant_auroc")
CALIBRATION_HEADLINES = ("expected_calibration_error",)
OPERATING_POINT = ("sensitivity", "specificity", "positive_predictive_value", "negative_predictive_value")
SEGMENTATION_HEADLINES = ("jaccard", "thresholded_jaccard", "share_under_0.65", "dice")
PIXELS = {
    "sensitivity": "lesion pixels inside the outline",
    "specificity": "skin pixels outside the outline",
    "precision": "pixels in the outline that are lesion",
    "f1": "harmonic mean of precision and sensitivity",
    "global_accuracy": "pixels on the right side of the outline",
}
CONFORMAL_HEADLINES = ("coverage", "mean_size", "singletons", "empty")
FOREST = {
    "accuracy": "Accuracy",
    "sensitivity": "Malignant sensitivity",
    "specificity": "Malignant specificity",
    "jaccard": "Jaccard index",
    "thresholded_jaccard": "Thresholded Jaccard",
}
FACTS = {
    "bundle": "Bundle",
    "data": "Data",
    "split": "Split",
    "split_by": "Kept apart by",
    "images": "Images",
    "lesions": "Lesions",
    "command": "Command",
    "revision": "Code revision",
    "licence": "Licence of the training data",
}
SPLITS = {
    "lesion": "lesion: all images of a lesion lie on one side",
    "patient": "patient: all images of a patient lie on one side",
    "image": "image: images of one lesion lie on both sides",
    "external": "collection: none of its images was trained on",
}


def title_of(key: str) -> str:
    """A figure's name for people."""
    return FIGURES[key][0] if key in FIGURES else key.replace("_", " ").replace(".", " ").capitalize()


def fact_of(key: str) -> str:
    """A fact's name for people."""
    return FACTS.get(key, key.replace("_", " ").capitalize())
