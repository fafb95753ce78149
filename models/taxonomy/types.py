"""What a taxonomy is: an ordered list of diagnoses under one name."""

from dataclasses import dataclass, field


class UnknownTaxonomy(LookupError):
    """A taxonomy that this program does not have."""


class UnknownDiagnosis(LookupError):
    """A code that is no class of a taxonomy."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One class.

    ``malignant`` counts direct precursors of malignancy, too. ``snomed`` (SNOMED CT concept) and ``icd10`` (ICD-10, WHO) are given only
    where one concept covers the class; a class that gathers several diseases has None. ``aliases`` are other names that tables and
    folders of pictures use.
    """

    code: str
    name: str
    malignant: bool
    description: str = ""
    snomed: str | None = None
    icd10: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Diagnoses in the order of a network's outputs. ``taxonomy["MEL"]`` is the diagnosis with that code."""

    name: str
    title: str
    diagnoses: tuple[Diagnosis, ...]
    _by_code: dict[str, Diagnosis] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_code", {diagnosis.code: diagnosis for diagnosis in self.diagnoses})

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes, in order."""
        return tuple(self._by_code)

    @property
    def malignant(self) -> frozenset[str]:
        """The codes that count as malignant."""
        return frozenset(diagnosis.code for diagnosis in self.diagnoses if diagnosis.malignant)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __len__(self) -> int:
        return len(self.diagnoses)

    def __getitem__(self, code: str) -> Diagnosis:
        """The diagnosis with this code. Raises UnknownDiagnosis."""
        try:
            return self._by_code[code]
        except KeyError:
            raise UnknownDiagnosis(f"{code!r} is no class of {self.name}: its classes are {', '.join(self.codes)}") from None
