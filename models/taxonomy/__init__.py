"""The classes that networks tell apart, as data, and the ways between them.

``taxonomy_of("isic2019")["MEL"].name`` is "Melanoma"; ``mapping(source="isic2019", target="ham10000")["SCC"]`` is "AKIEC".
"""

import difflib

from models.taxonomy.lesions import BINARY, HAM10000, ISIC2019_TAXONOMY, ISIC2019_UNKNOWN, PAD_UFES_20
from models.taxonomy.mappings import through_hub, to_binary
from models.taxonomy.naming import closest, find, plain, suggestion
from models.taxonomy.skin_disease import SKINDISEASENET
from models.taxonomy.types import Diagnosis, Taxonomy, UnknownDiagnosis, UnknownTaxonomy

TAXONOMIES: dict[str, Taxonomy] = {
    taxonomy.name: taxonomy for taxonomy in (BINARY, HAM10000, ISIC2019_TAXONOMY, ISIC2019_UNKNOWN, SKINDISEASENET, PAD_UFES_20)
}

# The eight classes of the default classifier.
ISIC2019: tuple[Diagnosis, ...] = ISIC2019_TAXONOMY.diagnoses
CODES: tuple[str, ...] = ISIC2019_TAXONOMY.codes
MALIGNANT: frozenset[str] = ISIC2019_TAXONOMY.malignant
NAMES: dict[str, str] = {diagnosis.code: diagnosis.name for diagnosis in ISIC2019}

__all__ = [
    "CODES",
    "ISIC2019",
    "MALIGNANT",
    "NAMES",
    "TAXONOMIES",
    "Diagnosis",
    "Taxonomy",
    "UnknownDiagnosis",
    "UnknownTaxonomy",
    "closest",
    "find",
    "mapping",
    "plain",
    "suggestion",
    "taxonomy_of",
]


def taxonomy_of(name: str) -> Taxonomy:
    """The taxonomy with this name. Raises UnknownTaxonomy, naming the nearest."""
    try:
        return TAXONOMIES[name]
    except KeyError:
        near = difflib.get_close_matches(name, TAXONOMIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(TAXONOMIES)}."
        raise UnknownTaxonomy(f"There is no taxonomy {name!r}: {hint}") from None


def mapping(*, source: str, target: str) -> dict[str, str]:
    """Code of ``source`` → code of ``target``. Codes without counterpart, or with several, are absent. Raises UnknownTaxonomy."""
    origin, aim = taxonomy_of(source), taxonomy_of(target)
    if origin.name == aim.name:
        return {code: code for code in origin.codes}
    if aim.name == BINARY.name:
        return to_binary(origin)
    return through_hub(origin, aim)
