"""Pictures of one's own: a folder per class, any CSV table, and what can be wrong with both."""

from pathlib import Path

import pytest

from models.datasets import DatasetError, read, read_csv
from models.datasets.own import best_taxonomy
from tests.datasets.layouts import draw, draw_mask, folders, masks, pictures, table


def test_a_folder_per_class_chooses_the_taxonomy_that_knows_its_names(tmp_path: Path) -> None:
    records = read(source="folder", folder=folders(tmp_path / "mine", {"Melanoma": 2, "nevus": 1}))
    assert [(record.diagnosis, record.taxonomy) for record in records] == [("MEL", "isic2019")] * 2 + [("NV", "isic2019")]
    assert [record.lesion for record in records] == ["Melanoma/0", "Melanoma/1", "nevus/0"]
    assert {record.source for record in records} == {"mine"}
    skin = read(source="folder", folder=folders(tmp_path / "skin", {"Acne": 1, "SkinCancer": 1, "Unknown_Normal": 1}))
    assert [record.diagnosis for record in skin] == ["ACNE", "SKIN_CANCER", "UNKNOWN_NORMAL"]


def test_a_taxonomy_can_be_named(tmp_path: Path) -> None:
    (record,) = read(source="folder", folder=folders(tmp_path, {"melanoma": 1}), taxonomy="pad_ufes_20")
    assert record.taxonomy == "pad_ufes_20"


@pytest.mark.parametrize(
    ("names", "taxonomy"),
    [
        (["benign", "malignant"], "binary"),
        (["akiec", "bcc", "nv"], "ham10000"),
        (["NEV", "ACK"], "pad_ufes_20"),
        (["MEL", "UNK"], "isic2019_unknown"),
        (["lupus", "tinea"], "skindiseasenet"),
        (["MEL", "NV"], "isic2019"),
        ([], "isic2019"),
    ],
)
def test_the_taxonomy_that_knows_most_names_is_taken(names: list[str], taxonomy: str) -> None:
    assert best_taxonomy(names) == taxonomy


def test_parts_below_the_folder_are_no_classes_and_the_test_part_is_kept_apart(tmp_path: Path) -> None:
    folders(tmp_path / "train", {"MEL": 2})
    folders(tmp_path / "validation", {"NV": 1})
    folders(tmp_path / "test", {"MEL": 4})
    draw(tmp_path / "train" / "MEL" / "test_9.jpg")
    assert [record.diagnosis for record in read(source="folder", folder=tmp_path)] == ["MEL", "MEL", "MEL", "NV"]
    assert len(read(source="folder_test", folder=tmp_path)) == 4


def test_masks_lie_in_a_folder_of_the_same_shape(tmp_path: Path) -> None:
    folders(tmp_path, {"MEL": 1, "NV": 1})
    mask = draw_mask(tmp_path / "masks" / "MEL" / "0.png")
    melanoma, naevus = read(source="folder", folder=tmp_path)
    assert (melanoma.mask, naevus.mask) == (mask, None)


def test_pictures_of_known_archives_keep_lesion_and_patient(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "ISIC_0000001.jpg")
    draw(tmp_path / "NV" / "PAT_8_15_820.png")
    first, second = read(source="folder", folder=tmp_path)
    assert (first.lesion, first.patient) == ("ISIC_0000001", None)
    assert (second.lesion, second.patient) == ("PAT_8_15", "PAT_8")


def test_a_folder_that_is_no_class_is_told_with_the_nearest(tmp_path: Path) -> None:
    folders(tmp_path, {"melanom": 1, "nevus": 1})
    with pytest.raises(DatasetError, match=r"no class of isic2019: 'melanom', did you mean MEL \(Melanoma\)\? Rename or remove"):
        read(source="folder", folder=tmp_path)


def test_a_picture_outside_of_any_class_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "stray.jpg")
    with pytest.raises(DatasetError, match=r"stray.jpg lies in no class"):
        read(source="folder", folder=tmp_path)


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="put each class's pictures into a folder with the class's name"):
        read(source="folder", folder=tmp_path)


def test_any_table_is_read_by_the_usual_names_of_columns(tmp_path: Path) -> None:
    pictures(tmp_path / "pictures", ["a", "b"])
    masks(tmp_path / "outlines", ["a"])
    table(
        tmp_path / "visits.csv",
        "filename;dx;patient;lesion_id;gender;age;region;skin_type;mask",
        "pictures/a.jpg;melanoma;P1;L1;F;71;back;4;outlines/a_segmentation.png",
        "b;;;;;;;;",
    )
    first, second = read(source="csv", folder=tmp_path)
    assert first.image == tmp_path / "pictures" / "a.jpg"
    assert first.mask == tmp_path / "outlines" / "a_segmentation.png"
    assert (first.diagnosis, first.patient, first.lesion, first.sex, first.age, first.site, first.fitzpatrick, first.source) == (
        "MEL", "P1", "L1", "female", 71, "torso", "IV", "visits",
    )  # fmt: skip
    assert (second.image, second.diagnosis, second.lesion, second.age) == (tmp_path / "pictures" / "b.jpg", None, "b", None)


def test_a_table_may_be_given_itself_and_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    pictures(tmp_path, ["a"])
    (tmp_path / "one.csv").write_text("\ufeffimage,label\na.jpg,malignant\n", encoding="utf-8")
    table(tmp_path / "other.csv", "image", "a.jpg")
    (record,) = read_csv(tmp_path / "one.csv")
    assert (record.diagnosis, record.taxonomy) == ("MALIGNANT", "binary")


def test_several_tables_are_ambiguous_unless_one_is_called_labels(tmp_path: Path) -> None:
    pictures(tmp_path, ["a"])
    table(tmp_path / "one.csv", "image", "a.jpg")
    table(tmp_path / "two.csv", "image", "a.jpg")
    with pytest.raises(DatasetError, match="holds 2 tables: give the path of the one"):
        read(source="csv", folder=tmp_path)
    table(tmp_path / "labels.csv", "image", "a.jpg")
    assert read(source="csv", folder=tmp_path)[0].source == "labels"


def test_a_folder_without_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no table"):
        read(source="csv", folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name,label\na.jpg,MEL\n", "has no column 'image' or 'image_id' or"),
        (b"image,label\n", "has no rows"),
        (b"\xff\xfe\x00\x01", "is not a table of comma-separated values in UTF-8"),
        (b"image,label\na.jpg,MELL\n", r"'MELL' \(line 2\), did you mean MEL"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(content: bytes, sentence: str, tmp_path: Path) -> None:
    pictures(tmp_path, ["a"])
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=sentence):
        read(source="csv", folder=tmp_path)


def test_an_unknown_source_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no data source 'ham1000': did you mean 'ham10000'\?"):
        read(source="ham1000", folder=tmp_path)
    with pytest.raises(DatasetError, match="choose one of isic2016, "):
        read(source="?", folder=tmp_path)


def test_a_folder_that_is_not_there_and_one_that_is_still_packed_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        read(source="ham10000", folder=tmp_path / "nowhere")
    (tmp_path / "ham10000-0.tar.gz").touch()
    (tmp_path / "ham10000-1.tar.gz").touch()
    with pytest.raises(DatasetError, match=r"still packed: unpack ham10000-0.tar.gz and ham10000-1.tar.gz"):
        read(source="ham10000", folder=tmp_path)


def test_what_archivers_leave_behind_is_no_picture(tmp_path: Path) -> None:
    folders(tmp_path, {"MEL": 1})
    (tmp_path / "__MACOSX" / "MEL").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "MEL" / "0.jpg").write_bytes(b"")
    (tmp_path / "MEL" / "._0.jpg").write_bytes(b"")
    assert len(read(source="folder", folder=tmp_path)) == 1


EXPORT = "image,mask,diagnosis,taxonomy,lesion,patient,source,age,sex,site,fitzpatrick"


def test_an_export_tells_each_rows_taxonomy_and_portal(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["a1", "b2"])
    mask = draw_mask(tmp_path / "masks" / "a1.png")
    rows = ("images/a1.jpg,masks/a1.png,MEL,isic2019,l1,p1,north,41,female,torso,2", "images/b2.jpg,,ACNE,skindiseasenet,l2,p2,south,,,,")
    table(tmp_path / "cases.csv", EXPORT, *rows)
    melanoma, acne = read(source="dermatrail", folder=tmp_path)
    assert (melanoma.image, melanoma.mask) == (tmp_path / "images" / "a1.jpg", mask)
    assert (melanoma.diagnosis, melanoma.taxonomy, melanoma.source) == ("MEL", "isic2019", "north")
    assert (melanoma.patient, melanoma.lesion, melanoma.age, melanoma.fitzpatrick) == ("p1", "l1", 41, "II")
    assert (acne.diagnosis, acne.taxonomy, acne.source, acne.mask) == ("ACNE", "skindiseasenet", "south", None)


def test_a_class_that_its_own_taxonomy_lacks_is_named_with_its_line(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["a1"])
    table(tmp_path / "cases.csv", EXPORT, "images/a1.jpg,,ACNE,isic2019,l1,p1,north,,,,")
    with pytest.raises(DatasetError, match=r"'ACNE' \(line 2\)"):
        read(source="dermatrail", folder=tmp_path)


def test_a_folder_without_the_table_of_an_export_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cases\.csv is missing"):
        read(source="dermatrail", folder=tmp_path)
