"""The diagnosis classes of ISIC 2019 (Combalia et al. 2019, arXiv:1908.02288), under the codes that data set uses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One class: its ISIC 2019 code, its clinical name and whether it is malignant or a direct precursor of malignancy."""

    code: str
    name: str
    malignant: bool


ISIC2019: tuple[Diagnosis, ...] = (
    Diagnosis("MEL", "Melanoma", malignant=True),
    Diagnosis("NV", "Melanocytic naevus", malignant=False),
    Diagnosis("BCC", "Basal cell carcinoma", malignant=True),
    # Actinic keratosis is carcinoma in situ of the keratinocyte line and is treated, not watched: it counts as malignant.
    Diagnosis("AK", "Actinic keratosis", malignant=True),
    Diagnosis("BKL", "Benign keratosis", malignant=False),
    Diagnosis("DF", "Dermatofibroma", malignant=False),
    Diagnosis("VASC", "Vascular lesion", malignant=False),
    Diagnosis("SCC", "Squamous cell carcinoma", malignant=True),
)
CODES: tuple[str, ...] = tuple(diagnosis.code for diagnosis in ISIC2019)
MALIGNANT: frozenset[str] = frozenset(diagnosis.code for diagnosis in ISIC2019 if diagnosis.malignant)
NAMES: dict[str, str] = {diagnosis.code: diagnosis.name for diagnosis in ISIC2019}
