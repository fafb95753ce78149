"""Every fault that would cost hours is told before: what, where, and how to mend it."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets import DatasetError, Problem, Record, Split, check_parts, check_records, refuse
from tests.datasets.layouts import draw, draw_mask


def records(folder: Path, count: int = 4, *, masked: bool = False) -> list[Record]:
    made = []
    for index in range(count):
        image = draw(folder / f"{index}.jpg", side=64, seed=index)
        mask = draw_mask(folder / "masks" / f"{index}.png", width=32, height=32) if masked else None
        made.append(Record(image, mask, str(index), None, "MEL", "isic2019", "ham10000"))
    return made


def only(problems: list[Problem]) -> Problem:
    (problem,) = problems
    return problem


def test_a_sound_data_set_has_no_problems(tmp_path: Path) -> None:
    assert check_records(records(tmp_path, masked=True), masks=True) == []


def test_no_records_at_all_are_a_problem() -> None:
    assert only(check_records([])).fatal


def test_missing_pictures_are_counted_by_source(tmp_path: Path) -> None:
    given = records(tmp_path)
    given[1].image.unlink()
    given[2].image.unlink()
    problem = only(check_records(given))
    assert problem.fatal
    assert problem.sentence.startswith(f"2 of 4 pictures of ham10000 are missing, first {given[1].image}: unpack all parts")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_a_truncated_picture_is_unreadable(suffix: str, tmp_path: Path) -> None:
    image = draw(tmp_path / f"0{suffix}", side=64)
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    given = [*records(tmp_path / "more"), Record(image, None, "0", source="ham10000")]
    problem = only(check_records(given))
    assert problem.fatal
    assert f"Pictures that cannot be read: 1, first {image} (" in problem.sentence
    assert check_records(given, decode=False) == []


def test_a_text_file_under_the_name_of_a_picture_is_unreadable(tmp_path: Path) -> None:
    given = records(tmp_path)
    given[0].image.write_text("<html>not found</html>")
    assert "cannot be read" in only(check_records(given)).sentence


def test_a_few_pictures_without_mask_are_named_and_none_with_one_is_fatal(tmp_path: Path) -> None:
    given = records(tmp_path, masked=True)
    few = [replace(given[0], mask=None), *given[1:]]
    problem = only(check_records(few, masks=True))
    assert not problem.fatal
    assert "1 of 4 pictures of ham10000 have no mask" in problem.sentence
    none = only(check_records([replace(record, mask=None) for record in given], masks=True))
    assert none.fatal
    assert "None of the 4 pictures has a mask" in none.sentence
    assert check_records(few) == []


def test_a_mask_that_cannot_be_read_is_fatal(tmp_path: Path) -> None:
    given = records(tmp_path, masked=True)
    (tmp_path / "masks" / "2.png").write_bytes(b"")
    problem = only(check_records(given, masks=True))
    assert problem.fatal
    assert "Masks that cannot be read: 1, first" in problem.sentence


def test_a_mask_of_other_proportions_belongs_to_another_picture(tmp_path: Path) -> None:
    given = records(tmp_path, masked=True)
    draw_mask(tmp_path / "masks" / "3.png", width=40, height=32)
    problem = only(check_records(given, masks=True))
    assert problem.fatal
    assert "other proportions" in problem.sentence
    assert "40×32 beside 64×64" in problem.sentence


def test_a_mask_without_lesion_is_named(tmp_path: Path) -> None:
    given = records(tmp_path, masked=True)
    draw_mask(tmp_path / "masks" / "3.png", width=32, height=32, empty=True)
    problem = only(check_records(given, masks=True))
    assert not problem.fatal
    assert "Masks that mark no lesion at all: 1" in problem.sentence


def test_unknown_classes_are_told_with_the_nearest(tmp_path: Path) -> None:
    given = records(tmp_path)
    problem = only(check_records([replace(given[0], diagnosis="MELANOM"), *given[1:]]))
    assert problem.fatal
    assert "Pictures of a class 'MELANOM'" in problem.sentence
    assert "did you mean MEL (Melanoma)?" in problem.sentence


def test_fatal_problems_come_first(tmp_path: Path) -> None:
    given = records(tmp_path, masked=True)
    given[0].image.unlink()
    problems = check_records([*given[:3], replace(given[3], mask=None)], masks=True)
    assert [problem.fatal for problem in problems] == [True, False]


def test_a_progressive_picture_with_large_metadata_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "0.jpg"
    pixels = np.zeros((64, 64, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    path.write_bytes(path.read_bytes() + b"trailing bytes of a camera")
    assert check_records([Record(path, None, "0")]) == []


def test_an_empty_part_is_fatal(tmp_path: Path) -> None:
    problem = only(check_parts({Split.TRAIN: records(tmp_path), Split.VALIDATION: []}))
    assert problem.fatal
    assert problem.sentence.startswith("No picture falls into validation:")


def test_a_class_that_a_part_lacks_is_named(tmp_path: Path) -> None:
    given = records(tmp_path)
    parts = {Split.TRAIN: given[:2], Split.VALIDATION: [replace(given[2], diagnosis="NV")], Split.TEST: given[3:]}
    problems = check_parts(parts, codes=("MEL", "NV"))
    assert [(problem.sentence.split(",")[0], problem.fatal) for problem in problems] == [
        ("train has no picture of NV", True),
        ("validation has no picture of MEL", True),
        ("test has no picture of NV", False),
    ]
    lacking = check_parts({Split.TRAIN: given}, codes=("MEL", "NV", "BCC", "AK"))
    assert "no picture of NV, BCC and AK, of 4 pictures" in lacking[0].sentence


def test_the_same_file_in_two_parts_is_found_under_any_name(tmp_path: Path) -> None:
    given = records(tmp_path)
    copy = tmp_path / "copy.jpg"
    shutil.copy(given[0].image, copy)
    again = Record(copy, None, "again", None, "MEL")
    problem = only(check_parts({Split.TRAIN: given, Split.TEST: [again]}))
    assert not problem.fatal
    assert f"first {given[0].image} and {copy}" in problem.sentence
    assert check_parts({Split.TRAIN: [*given, again]}) == []


def test_refusing_names_every_fatal_problem_and_no_other() -> None:
    refuse([Problem("so so", fatal=False)])
    with pytest.raises(DatasetError, match=r"^one\ntwo$"):
        refuse([Problem("one", fatal=True), Problem("so so", fatal=False), Problem("two", fatal=True)])
