"""Names as people write them in tables and on folders, and the class that is meant."""

import difflib
import re

from models.taxonomy.types import Diagnosis, Taxonomy


def plain(text: str) -> str:
    """``"Seborrh_Keratoses "`` → ``"seborrhkeratoses"``: without case, blanks, hyphens and underscores."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def find(taxonomy: Taxonomy, text: str) -> Diagnosis | None:
    """The class that ``text`` names by code, name or alias, or None."""
    return _names(taxonomy).get(plain(text))


def closest(taxonomy: Taxonomy, text: str) -> Diagnosis | None:
    """The class whose name looks most like ``text``, or None where nothing comes near."""
    names = _names(taxonomy)
    near = difflib.get_close_matches(plain(text), names, n=1, cutoff=0.6)
    return names[near[0]] if near else None


def suggestion(taxonomy: Taxonomy, text: str) -> str:
    """``"did you mean MEL (Melanoma)?"``, or the list of classes where nothing comes near."""
    near = closest(taxonomy, text)
    if near is not None:
        return f"did you mean {near.code} ({near.name})?"
    return f"its classes are {', '.join(taxonomy.codes)}."


def _names(taxonomy: Taxonomy) -> dict[str, Diagnosis]:
    names: dict[str, Diagnosis] = {}
    for diagnosis in taxonomy.diagnoses:
        for name in (diagnosis.code, diagnosis.name, *diagnosis.aliases):
            names.setdefault(plain(name), diagnosis)
    return names
