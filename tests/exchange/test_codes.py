"""Codes mean what we mean: DICOM's own dictionary and the models' taxonomies are the witnesses."""

import inspect
from typing import Any

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from models.taxonomy import TAXONOMIES
from services.exchange import codes
from services.exchange.codes import Coded, Scheme
from services.records.states import Laterality
from tests.conftest import ROOT

CONCEPTS: Any = concepts
GROUPS: Any = cid_concepts
# SNOMED CT observable entity, in no context group of DICOM.
BEYOND_DICOM = {codes.DIAGNOSIS}


def said_by_dicom(coded: Coded) -> set[str]:
    """The meanings that PS3.16 gives a code."""
    return {told[coded.code][0].removesuffix(" (procedure)") for told in CONCEPTS[coded.scheme.value].values() if coded.code in told}


def constants() -> list[Coded]:
    return [value for _, value in inspect.getmembers(codes) if isinstance(value, Coded)]


@pytest.mark.parametrize("coded", [c for c in constants() if c.scheme in (Scheme.SNOMED, Scheme.DICOM) and c not in BEYOND_DICOM], ids=str)
def test_a_standard_code_means_what_dicom_says(coded: Coded) -> None:
    assert coded.meaning in said_by_dicom(coded)


def test_sites_are_dicoms_dermatology_sites() -> None:
    known = {code for scheme, words in GROUPS[4029].items() for word in words for code in CONCEPTS[scheme][word]}
    assert all(site.code in known and site.meaning in said_by_dicom(site) for site in codes.SITES.values())


def test_sides_are_dicoms() -> None:
    assert all(side.meaning in said_by_dicom(side) for side in codes.SIDES.values())
    assert set(codes.SIDES) == set(Laterality)


def test_every_other_word_for_a_site_leads_to_a_code() -> None:
    assert {*codes.SAME.values(), *codes.WIDER.values()} <= set(codes.SITES)
    assert not (set(codes.SAME) | set(codes.WIDER)) & set(codes.SITES)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("back", "Skin of back"),
        ("Left Upper Back", "Skin of back of upper thoracic region"),
        ("skin of the thigh", "Skin of lower extremity"),
    ],
)
def test_a_site_is_known_by_its_words(words: str, meaning: str) -> None:
    site = codes.site_code(words)
    assert site is not None
    assert site.meaning == meaning


@pytest.mark.parametrize("words", [None, "", "somewhere", "4711"])
def test_what_is_not_known_has_no_code(words: str | None) -> None:
    assert codes.site_code(words) is None


def test_diseases_are_the_models_classes() -> None:
    told: dict[str, Any] = {diagnosis.code: diagnosis for taxonomy in TAXONOMIES.values() for diagnosis in taxonomy.diagnoses}
    assert {code: (disease.name, disease.snomed, disease.icd10) for code, disease in codes.DISEASES.items()} == {
        code: (diagnosis.name, diagnosis.snomed, diagnosis.icd10) for code, diagnosis in told.items()
    }


def test_code_values_and_meanings_fit_their_attributes() -> None:
    ours = [codes.diagnosis_code(name) for name in codes.DISEASES] + [codes.probability_code(name) for name in codes.DISEASES]
    every = [*constants(), *codes.SITES.values(), *codes.SIDES.values(), *codes.DECISIONS.values(), *codes.MANAGEMENTS.values(), *ours]
    assert all(len(coded.code) <= 16 and len(coded.meaning) <= 64 for coded in every)


def test_a_class_without_a_concept_is_a_code_of_our_own() -> None:
    assert codes.diagnosis_code("BKL") == Coded("BKL", Scheme.OURS, "Benign keratosis")
    assert codes.diagnosis_code("a class that nobody knows").scheme is Scheme.OURS
    assert codes.diagnosis_icd10("BKL") is None
    assert codes.diagnosis_icd10("MEL") == Coded("C43", Scheme.ICD10, "Melanoma")


def test_every_code_of_our_own_is_explained() -> None:
    page = (ROOT / "docs" / "dicom-results.md").read_text(encoding="utf-8")
    told = [*constants(), *codes.DECISIONS.values(), *codes.MANAGEMENTS.values(), *map(codes.diagnosis_code, codes.DISEASES)]
    assert not [coded for coded in told if coded.scheme is Scheme.OURS and f"| `{coded.code}` | {coded.meaning} |" not in page]
