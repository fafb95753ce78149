"""The diagnoses a dermatologist may choose when no model has named its own list.

The eight codes are those of ISIC 2019 (Combalia et al. 2019, arXiv:1908.02288), in that data set's order. The models
carry the same list; services may not import models, so a test keeps the two equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One choice: its code, its clinical name and whether it is malignant or a direct precursor of malignancy."""

    code: str
    name: str
    malignant: bool


DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis("MEL", "Melanoma", malignant=True),
    Diagnosis("NV", "Melanocytic naevus", malignant=False),
    Diagnosis("BCC", "Basal cell carcinoma", malignant=True),
    # Treated, not watched: counts with the malignant classes.
    Diagnosis("AK", "Actinic keratosis", malignant=True),
    Diagnosis("BKL", "Benign keratosis", malignant=False),
    Diagnosis("DF", "Dermatofibroma", malignant=False),
    Diagnosis("VASC", "Vascular lesion", malignant=False),
    Diagnosis("SCC", "Squamous cell carcinoma", malignant=True),
)
