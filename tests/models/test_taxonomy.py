"""Taxonomies: complete, unambiguous, and mapped onto one another only where a counterpart exists."""

from itertools import pairwise, product

import pytest

from models.taxonomy import (
    CODES,
    ISIC2019,
    MALIGNANT,
    NAMES,
    TAXONOMIES,
    Taxonomy,
    UnknownDiagnosis,
    UnknownTaxonomy,
    find,
    mapping,
    plain,
    suggestion,
    taxonomy_of,
)

every_taxonomy = pytest.mark.parametrize("taxonomy", list(TAXONOMIES.values()), ids=list(TAXONOMIES))
# The dihedral group D5 and the permutation of Verhoeff's check digit, which ends every SNOMED CT identifier.
_TIMES = [[(a + b) % 5 if a < 5 else 5 + (a - b) % 5 for b in range(5)] + [5 + (a + b) % 5 if a < 5 else (a - b) % 5 for b in range(5)]
          for a in range(10)]  # fmt: skip
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def has_valid_check_digit(concept: str) -> bool:
    check = 0
    for place, digit in enumerate(map(int, reversed(concept))):
        for _ in range(place % 8):
            digit = _TURN[digit]  # noqa: PLW2901
        check = _TIMES[check][digit]
    return check == 0


def test_there_are_six_taxonomies_with_the_number_of_classes_their_sources_have() -> None:
    sizes = {name: len(taxonomy) for name, taxonomy in TAXONOMIES.items()}
    assert sizes == {"binary": 2, "ham10000": 7, "isic2019": 8, "isic2019_unknown": 9, "skindiseasenet": 22, "pad_ufes_20": 6}


def test_the_default_eight_keep_the_order_that_shipped_weights_were_trained_in() -> None:
    assert CODES == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    assert frozenset({"MEL", "BCC", "AK", "SCC"}) == MALIGNANT
    assert NAMES["NV"] == "Melanocytic naevus"
    assert [diagnosis.code for diagnosis in ISIC2019] == list(CODES)


@every_taxonomy
def test_codes_are_unique_and_every_class_is_described(taxonomy: Taxonomy) -> None:
    assert len(set(taxonomy.codes)) == len(taxonomy.diagnoses)
    for diagnosis in taxonomy.diagnoses:
        assert taxonomy[diagnosis.code] is diagnosis
        assert diagnosis.name
        assert diagnosis.description.endswith(".")
        assert diagnosis.snomed is None or has_valid_check_digit(diagnosis.snomed)


@every_taxonomy
def test_no_name_means_two_classes(taxonomy: Taxonomy) -> None:
    owners: dict[str, str] = {}
    for diagnosis in taxonomy.diagnoses:
        for name in {plain(name) for name in (diagnosis.code, diagnosis.name, *diagnosis.aliases)}:
            assert owners.setdefault(name, diagnosis.code) == diagnosis.code


@pytest.mark.parametrize(("source", "target"), list(product(TAXONOMIES, repeat=2)))
def test_a_mapping_goes_from_codes_to_codes_and_never_changes_malignancy(source: str, target: str) -> None:
    origin, aim = taxonomy_of(source), taxonomy_of(target)
    for code, counterpart in mapping(source=source, target=target).items():
        assert aim[counterpart].malignant == origin[code].malignant
    if source == target:
        assert mapping(source=source, target=target) == dict(zip(origin.codes, origin.codes, strict=True))


@pytest.mark.parametrize("source", [name for name in TAXONOMIES if name != "binary"])
def test_every_class_but_the_undecided_has_a_side(source: str) -> None:
    sides = mapping(source=source, target="binary")
    assert set(taxonomy_of(source).codes) - set(sides) <= {"UNK", "UNKNOWN_NORMAL"}
    assert {code for code, side in sides.items() if side == "MALIGNANT"} == taxonomy_of(source).malignant


def test_mappings_follow_what_the_data_sets_mean() -> None:
    to_ham = mapping(source="isic2019", target="ham10000")
    assert (to_ham["AK"], to_ham["SCC"], to_ham["DF"]) == ("AKIEC", "AKIEC", "DF")
    assert mapping(source="ham10000", target="isic2019")["AKIEC"] == "AK"
    assert mapping(source="pad_ufes_20", target="isic2019") == {
        "BCC": "BCC", "SCC": "SCC", "ACK": "AK", "SEK": "BKL", "MEL": "MEL", "NEV": "NV",
    }  # fmt: skip
    assert mapping(source="isic2019", target="skindiseasenet")["MEL"] == "SKIN_CANCER"
    assert mapping(source="skindiseasenet", target="isic2019_unknown")["LUPUS"] == "UNK"


def test_classes_without_a_single_counterpart_are_absent() -> None:
    assert "SKIN_CANCER" not in mapping(source="skindiseasenet", target="isic2019")
    assert "LUPUS" not in mapping(source="skindiseasenet", target="isic2019")
    assert "UNK" not in mapping(source="isic2019_unknown", target="isic2019")
    assert "DF" not in mapping(source="isic2019", target="pad_ufes_20")
    assert mapping(source="binary", target="isic2019") == {}


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("isic2019", "nv", "NV"),
        ("isic2019", "Melanocytic_nevi", "NV"),
        ("isic2019", "  Basal cell carcinoma ", "BCC"),
        ("ham10000", "actinic keratosis", "AKIEC"),
        ("pad_ufes_20", "nev", "NEV"),
        ("skindiseasenet", "Seborrh_Keratoses", "SK"),
        ("skindiseasenet", "SkinCancer", "SKIN_CANCER"),
        ("skindiseasenet", "DrugEruption", "DRUG_ERUPTION"),
        ("skindiseasenet", "Sun_Sunlight_Damage", "SUN_DAMAGE"),
        ("skindiseasenet", "Infestations_Bites", "INFESTATION_BITE"),
        ("skindiseasenet", "Unknown_Normal", "UNKNOWN_NORMAL"),
        ("binary", "malignant", "MALIGNANT"),
    ],
)
def test_names_are_found_as_people_write_them(name: str, text: str, code: str) -> None:
    found = find(taxonomy_of(name), text)
    assert found is not None
    assert found.code == code


def test_an_unknown_name_is_answered_with_the_nearest_or_with_the_list() -> None:
    assert find(taxonomy_of("isic2019"), "melanom") is None
    assert suggestion(taxonomy_of("isic2019"), "melanom") == "did you mean MEL (Melanoma)?"
    assert suggestion(taxonomy_of("binary"), "xyz") == "its classes are BENIGN, MALIGNANT."


def test_unknown_taxonomies_and_codes_are_refused_by_name() -> None:
    with pytest.raises(UnknownTaxonomy, match=r"no taxonomy 'isic2018': did you mean 'isic2019'\?"):
        taxonomy_of("isic2018")
    with pytest.raises(UnknownTaxonomy, match="choose one of binary, ham10000"):
        mapping(source="isic2019", target="zzz")
    with pytest.raises(UnknownDiagnosis, match=r"'AKIEC' is no class of isic2019: its classes are MEL, NV"):
        taxonomy_of("isic2019")["AKIEC"]
    assert "AKIEC" not in taxonomy_of("isic2019")


def test_binary_puts_benign_first_so_that_the_second_output_is_the_risk() -> None:
    assert all(not first.malignant and second.malignant for first, second in pairwise(TAXONOMIES["binary"].diagnoses))
