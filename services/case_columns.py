"""A case as a line of a table: the columns of a manifest, the same for the API that reads one and the command that sends one."""

from collections.abc import Callable, Mapping
from typing import Any

WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def truth(text: str) -> bool:
    """Read a cell that says yes or no, in any case of letters. Raises ValueError."""
    if text.lower() not in WORDS:
        raise ValueError("write true or false")
    return WORDS[text.lower()]


# Where a cell belongs in the case, and how it is read. Cells that are empty say nothing.
CASE_COLUMNS: Mapping[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "reference": (("reference",), str),
    "urgency": (("urgency",), str),
    "clinical_notes": (("clinical_notes",), str),
    "visited_at": (("visited_at",), str),
    "patient_reference": (("patient", "reference"), str),
    "sex": (("patient", "sex"), str),
    "birth_year": (("patient", "birth_year"), int),
    "fitzpatrick": (("patient", "fitzpatrick"), int),
    "consent_training": (("patient", "consent_training"), truth),
    "consent_care": (("patient", "consent_care"), truth),
    "consent_audit": (("patient", "consent_audit"), truth),
    "lesion_reference": (("lesion", "reference"), str),
    "body_site": (("lesion", "body_site"), str),
    "laterality": (("lesion", "laterality"), str),
}
# What is said of every picture of the line.
IMAGE_COLUMNS: Mapping[str, Callable[[str], Any]] = {"modality": str, "pixel_spacing_mm": float, "magnification": float}
