"""Splits and folds: lesions and patients stay whole, shipped weights keep theirs, image-level is what it says."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.datasets import DatasetError, Record, Split, folds, group_keys, partition, split_of, straddling


def record(name: str, *, lesion: str | None = None, patient: str | None = None, diagnosis: str = "NV", source: str = "x") -> Record:
    return Record(Path(source, f"{name}.jpg"), None, lesion or name, patient, diagnosis, source=source)


def homes(parts: dict[Split, list[Record]]) -> dict[Path, Split]:
    return {record.image: split for split, part in parts.items() for record in part}


def tenth(key: str) -> Split:
    # Written out once more: the shipped weights were trained on exactly this split.
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 10
    return Split.VALIDATION if number == 8 else Split.TEST if number == 9 else Split.TRAIN


def test_known_lesions_stay_where_the_shipped_weights_had_them() -> None:
    places = {key: split_of(key) for key in ("HAM_0000118", "HAM_0000002", "HAM_0000009", "ISIC_0000000", "ISIC_0000003", "MSK4_0011169")}
    assert list(places.values()) == [Split.TRAIN, Split.VALIDATION, Split.TEST, Split.TRAIN, Split.VALIDATION, Split.TRAIN]


@given(keys=st.lists(st.text(min_size=1), min_size=1, max_size=40, unique=True))
def test_the_usual_shares_split_as_the_hash_alone_does(keys: list[str]) -> None:
    records = [record(str(index), lesion=key) for index, key in enumerate(keys)]
    for by in ("lesion", "patient"):
        where = homes(partition(records, by=by))
        assert [where[item.image] for item in records] == [tenth(key) for key in keys]


@given(lesions=st.lists(st.integers(0, 30), min_size=1, max_size=60), seed=st.integers(0, 3))
def test_every_picture_of_a_lesion_falls_into_one_part(lesions: list[int], seed: int) -> None:
    records = [record(str(index), lesion=f"L{lesion}") for index, lesion in enumerate(lesions)]
    parts = partition(records, by="lesion", seed=seed)
    assert sum(map(len, parts.values())) == len(records)
    assert straddling(parts) == 0


def test_splits_are_about_eighty_ten_ten() -> None:
    shares = [sum(split_of(f"lesion {index}") is split for index in range(5_000)) / 5_000 for split in Split]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_other_shares_are_met_and_a_larger_test_share_contains_the_smaller() -> None:
    records = [record(f"lesion {index}") for index in range(4_000)]
    small, large = (partition(records, shares=shares) for shares in ((0.8, 0.1, 0.1), (0.63, 0.17, 0.2)))
    assert [len(large[split]) / 4_000 for split in Split] == pytest.approx([0.63, 0.17, 0.2], abs=0.02)
    assert {item.lesion for item in small[Split.TEST]} <= {item.lesion for item in large[Split.TEST]}
    assert {item.lesion for item in large[Split.TRAIN]} <= {item.lesion for item in small[Split.TRAIN]}


def test_a_share_of_nothing_leaves_its_part_empty_and_another_seed_splits_anew() -> None:
    records = [record(f"lesion {index}") for index in range(200)]
    parts = partition(records, shares=(0.8, 0.0, 0.2))
    assert (parts[Split.VALIDATION], len(parts[Split.TEST]) > 20) == ([], True)
    assert homes(partition(records, seed=1)) != homes(partition(records))


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.2, -0.2, 0.0), (0.9, 0.1)])
def test_shares_that_are_no_whole_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError, match="adding up to 1"):
        partition([record("a")], shares=shares)


def test_patients_stay_whole_by_default_and_lesions_alone_when_asked() -> None:
    records = [record(str(index), lesion=f"L{index}", patient=f"P{index % 40}") for index in range(400)]
    assert straddling(partition(records), by="patient") == 0
    assert straddling(partition(records, by="lesion"), by="patient") > 0
    assert straddling(partition(records, by="lesion"), by="lesion") == 0


def test_one_picture_in_two_data_sets_follows_the_lesion_that_one_of_them_knows() -> None:
    ignorant = [record(f"ISIC_{index:07}", source="isic2017") for index in range(200)]
    knowing = [record(f"ISIC_{index:07}_downsampled", lesion=f"MSK4_{index // 3}", source="isic2019") for index in range(200)]
    records = [*ignorant, *knowing]
    keys = group_keys(records, by="lesion")
    assert keys == [item.lesion for item in knowing] * 2
    parts = partition(records, by="lesion")
    assert straddling(parts) == 0
    where = homes(parts)
    assert all(where[item.image] is tenth(item.lesion) for item in knowing)


def test_lesions_that_share_a_picture_or_a_patient_are_one_group() -> None:
    records = [
        record("ISIC_0000001", lesion="B", source="one"),
        record("ISIC_0000001", lesion="A", source="two"),
        record("c", lesion="A", patient="P"),
        record("d", lesion="D", patient="P"),
        record("e"),
    ]
    assert group_keys(records, by="lesion") == ["A", "A", "A", "D", "e"]
    assert group_keys(records, by="patient") == ["P", "P", "P", "P", "e"]


def test_the_order_of_the_records_does_not_matter() -> None:
    records = [record(f"ISIC_{index:07}", lesion=f"L{index // 2}", diagnosis="MEL" if index % 5 else "NV") for index in range(100)]
    for by in ("patient", "lesion", "image"):
        assert homes(partition(records, by=by)) == homes(partition(records[::-1], by=by))


def test_image_level_gives_every_class_its_shares_and_tears_lesions_apart() -> None:
    records = [record(f"ISIC_{index:07}", lesion=f"L{index // 4}", diagnosis="NV" if index < 300 else "MEL") for index in range(400)]
    parts = partition(records, by="image", shares=(0.8, 0.0, 0.2))
    assert Counter(item.diagnosis for item in parts[Split.TEST]) == {"NV": 60, "MEL": 20}
    assert Counter(item.diagnosis for item in parts[Split.TRAIN]) == {"NV": 240, "MEL": 80}
    assert straddling(parts) > 0
    assert homes(partition(records, by="image", shares=(0.8, 0.0, 0.2), seed=1)) != homes(parts)


def test_image_level_splits_are_drawn_from_names_not_from_where_the_data_lie() -> None:
    here, there = (
        [Record(Path(root, f"{index}.jpg"), None, f"L{index}", source="x") for index in range(50)] for root in ("/here", "/elsewhere")
    )
    assert [part.image.name for part in partition(here, by="image")[Split.TEST]] == [
        part.image.name for part in partition(there, by="image")[Split.TEST]
    ]


def test_folds_hold_every_picture_out_once_and_keep_groups_and_classes_together() -> None:
    records = [record(str(index), lesion=f"L{index // 3}", diagnosis="MEL" if index % 30 < 6 else "NV") for index in range(300)]
    pairs = folds(records, k=5)
    assert sorted(item.image for _, held in pairs for item in held) == sorted(item.image for item in records)
    for rest, held in pairs:
        assert len(held) == pytest.approx(60, abs=3)
        assert Counter(item.diagnosis for item in held)["MEL"] == pytest.approx(12, abs=3)
        assert not {item.lesion for item in rest} & {item.lesion for item in held}
        assert len(rest) + len(held) == 300


def test_folds_by_patient_keep_patients_together() -> None:
    records = [record(str(index), patient=f"P{index % 7}") for index in range(70)]
    for rest, held in folds(records, k=3, by="patient"):
        assert not {item.patient for item in rest} & {item.patient for item in held}


@pytest.mark.parametrize("k", [0, 1, 4])
def test_more_folds_than_groups_are_refused(k: int) -> None:
    with pytest.raises(DatasetError, match="choose 2 to 3"):
        folds([record(name) for name in "abc"], k=k)
