"""The real folders, where DERMATRAIL_DATA names the one that holds them: counts, splits of the shipped weights, soundness."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from models.datasets import check_records, partition, read, relabel, split_of, straddling
from models.taxonomy import CODES

DATA = Path(os.environ.get("DERMATRAIL_DATA", "nowhere"))


def needs(source: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (DATA / source).is_dir(), reason=f"DERMATRAIL_DATA holds no {source}")


@needs("ham10000")
def test_the_eight_classes_of_ham10000_are_its_own_seven_told_finer() -> None:
    records = relabel(read(source="ham10000", folder=DATA), taxonomy="ham10000")
    with (DATA / "ham10000" / "labels.csv").open(newline="") as file:
        truth = {row["image_id"]: row["dx_ham"].upper() for row in csv.DictReader(file)}
    assert {record.image.stem: record.diagnosis for record in records} == truth


@needs("ham10000")
@needs("isic2018_task1")
@needs("uda1_originals")
@needs("ood")
def test_no_lesion_moves_when_other_sets_are_read_along() -> None:
    shipped = [*read(source="isic2018_task1", folder=DATA), *read(source="ham10000", folder=DATA)]
    parts = partition([*shipped, *read(source="uda1_originals", folder=DATA), *read(source="ood", folder=DATA)])
    assert straddling(parts) == 0
    where = {record.image: split for split, part in parts.items() for record in part}
    assert all(where[record.image] is split_of(record.lesion) for record in shipped)
    assert {record.diagnosis for record in shipped} == set(CODES)


@needs("pad_ufes_20")
def test_pad_ufes_20_is_sound_and_knows_its_patients() -> None:
    records = read(source="pad_ufes_20", folder=DATA)
    assert check_records(records, masks=True) == []
    assert straddling(partition(records), by="patient") == 0
    assert Counter(record.diagnosis for record in records)["SCC"] == 22
