"""Relabelling keeps what has a counterpart, counts what has none, and complains when nothing is left."""

from pathlib import Path

import pytest

from models.datasets import DatasetError, Record, relabel, unmapped
from models.taxonomy import UnknownTaxonomy


def records(*codes: str | None, taxonomy: str = "isic2019") -> list[Record]:
    return [Record(Path(f"{index}.jpg"), None, str(index), None, code, taxonomy, "x") for index, code in enumerate(codes)]


def test_diagnoses_are_told_in_the_other_taxonomy() -> None:
    relabelled = relabel(records("AK", "SCC", "NV"), taxonomy="ham10000")
    assert [(record.diagnosis, record.taxonomy) for record in relabelled] == [(code, "ham10000") for code in ("AKIEC", "AKIEC", "NV")]


def test_sources_of_several_taxonomies_become_one() -> None:
    mixed = [
        *records("ACK", "NEV", taxonomy="pad_ufes_20"),
        *records("AKIEC", taxonomy="ham10000"),
        *records("MALIGNANT", taxonomy="binary"),
    ]
    assert [record.diagnosis for record in relabel(mixed, taxonomy="binary")] == ["MALIGNANT", "BENIGN", "MALIGNANT", "MALIGNANT"]
    assert [record.diagnosis for record in relabel(mixed, taxonomy="isic2019")] == ["AK", "NV", "AK"]


def test_what_has_no_counterpart_is_dropped_and_counted() -> None:
    given = records("MEL", "DF", "DF", None)
    assert [record.diagnosis for record in relabel(given, taxonomy="pad_ufes_20")] == ["MEL"]
    assert unmapped(given, taxonomy="pad_ufes_20") == {"DF (isic2019)": 2, "no diagnosis": 1}


def test_outlines_can_keep_pictures_without_diagnosis() -> None:
    kept = relabel(records("DF", None, "MEL"), taxonomy="pad_ufes_20", keep_others=True)
    assert [record.diagnosis for record in kept] == [None, None, "MEL"]


def test_nothing_left_is_refused_with_what_there_was() -> None:
    with pytest.raises(DatasetError, match=r"None of the 2 pictures has a diagnosis in isic2019 \(MEL, .*theirs are BENIGN \(binary\)"):
        relabel(records("BENIGN", "MALIGNANT", taxonomy="binary"), taxonomy="isic2019")
    assert relabel([], taxonomy="isic2019") == []


def test_a_code_that_its_own_taxonomy_does_not_have_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"0\.jpg: 'AKIEC' is no class of isic2019"):
        relabel(records("AKIEC"), taxonomy="binary")


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UnknownTaxonomy, match="isic2018"):
        relabel(records("MEL"), taxonomy="isic2018")
