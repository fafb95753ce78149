"""The ISIC challenge layouts: their folder names, their tables, and their test parts kept apart."""

from pathlib import Path

import pytest

from models.datasets import DatasetError, Record, read
from tests.datasets.layouts import draw, masks, pictures, table


def by_name(records: list[Record]) -> dict[str, Record]:
    return {record.image.stem: record for record in records}


def test_2016_reads_outlines_and_a_table_without_header(tmp_path: Path) -> None:
    pictures(tmp_path / "ISBI2016_ISIC_Part1_Training_Data", ["ISIC_0000000", "ISIC_0000001", "ISIC_0000002"])
    masks(tmp_path / "ISBI2016_ISIC_Part1_Training_GroundTruth", ["ISIC_0000000"], end="_Segmentation.png")
    table(tmp_path / "ISBI2016_ISIC_Part3_Training_GroundTruth.csv", "ISIC_0000000,benign", "ISIC_0000001,malignant")
    records = by_name(read(source="isic2016", folder=tmp_path))
    assert [record.diagnosis for record in records.values()] == ["BENIGN", "MALIGNANT", None]
    assert records["ISIC_0000000"].taxonomy == "binary"
    assert records["ISIC_0000000"].mask is not None
    assert records["ISIC_0000001"].mask is None


def test_2016_test_part_says_it_in_numbers(tmp_path: Path) -> None:
    pictures(tmp_path / "ISBI2016_ISIC_Part1_Test_Data", ["ISIC_0000003", "ISIC_0000004"])
    table(tmp_path / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "ISIC_0000003,0.0", "ISIC_0000004,1.0")
    records = read(source="isic2016_test", folder=tmp_path)
    assert [(record.diagnosis, record.source) for record in records] == [("BENIGN", "isic2016_test"), ("MALIGNANT", "isic2016_test")]


def test_2017_knows_melanoma_keratosis_and_naevus_for_neither(tmp_path: Path) -> None:
    names = ["ISIC_0000000", "ISIC_0000001", "ISIC_0000002"]
    pictures(tmp_path / "ISIC-2017_Training_Data", names)
    draw(tmp_path / "ISIC-2017_Training_Data" / "ISIC_0000000_superpixels.png")
    masks(tmp_path / "ISIC-2017_Training_Part1_GroundTruth", names)
    table(
        tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv",
        "image_id,melanoma,seborrheic_keratosis",
        "ISIC_0000000,0.0,0.0",
        "ISIC_0000001,1.0,0.0",
        "ISIC_0000002,0.0,1.0",
    )
    table(
        tmp_path / "ISIC-2017_Training_Data" / "ISIC-2017_Training_Data_metadata.csv",
        "image_id,age_approximate,sex",
        "ISIC_0000000,55,female",
        "ISIC_0000001,unknown,unknown",
    )
    records = read(source="isic2017", folder=tmp_path)
    assert [record.diagnosis for record in records] == ["NV", "MEL", "BKL"]
    assert [record.age for record in records] == [55, None, None]
    assert records[0].sex == "female"
    assert all(record.mask is not None and record.lesion == record.image.stem for record in records)


def test_training_never_reads_the_official_test_part(tmp_path: Path) -> None:
    for part, name in (("Training", "ISIC_0000000"), ("Validation", "ISIC_0000001"), ("Test_v2", "ISIC_0000002")):
        pictures(tmp_path / f"ISIC-2017_{part}_Data", [name])
        table(tmp_path / f"ISIC-2017_{part}_Part3_GroundTruth.csv", "image_id,melanoma,seborrheic_keratosis", f"{name},0,0")
    assert list(by_name(read(source="isic2017", folder=tmp_path))) == ["ISIC_0000000", "ISIC_0000001"]
    assert list(by_name(read(source="isic2017_test", folder=tmp_path))) == ["ISIC_0000002"]


def test_the_folder_of_a_test_part_may_be_given_itself(tmp_path: Path) -> None:
    folder = tmp_path / "ISIC2018_Task1-2_Test_Input"
    pictures(folder, ["ISIC_0000000"])
    assert len(read(source="isic2018_task1_test", folder=folder)) == 1


def test_2018_task_1_has_outlines_and_no_diagnosis(tmp_path: Path) -> None:
    pictures(tmp_path / "ISIC2018_Task1-2_Training_Input", ["ISIC_0000000"])
    masks(tmp_path / "ISIC2018_Task1_Training_GroundTruth", ["ISIC_0000000"])
    draw(tmp_path / "ISIC2018_Task2_Training_GroundTruth_v3" / "ISIC_0000000_attribute_globules.png")
    (record,) = read(source="isic2018_task1", folder=tmp_path)
    assert record.mask == tmp_path / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_0000000_segmentation.png"
    assert record.diagnosis is None


def test_2018_task_1_is_also_read_with_a_table_of_labels(tmp_path: Path) -> None:
    folder = tmp_path / "isic2018_task1"
    pictures(folder / "images", ["ISIC_0000000", "ISIC_0000001"])
    masks(folder / "masks", ["ISIC_0000000"], end=".png")
    table(
        folder / "labels.csv",
        "image_id,dx_isic2019,age_approx,sex,anatom_site,lesion_id",
        "ISIC_0000000,NV,55,female,anterior torso,",
        "ISIC_0000001,MEL,,,,MSK4_0011175",
    )
    first, second = read(source="isic2018_task1", folder=tmp_path)
    assert (first.lesion, first.diagnosis, first.age, first.site) == ("ISIC_0000000", "NV", 55, "torso")
    assert (second.lesion, second.diagnosis, second.mask) == ("MSK4_0011175", "MEL", None)


def test_2018_task_3_has_seven_columns_and_lesion_groupings(tmp_path: Path) -> None:
    pictures(tmp_path / "ISIC2018_Task3_Training_Input", ["ISIC_0024306", "ISIC_0024307"])
    table(
        tmp_path / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
        "ISIC_0024306,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0024307,0.0,0.0,0.0,1.0,0.0,0.0,0.0",
    )
    table(
        tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv",
        "image,lesion_id,diagnosis_confirm_type",
        "ISIC_0024306,HAM_0000550,follow_up",
    )
    first, second = read(source="isic2018_task3", folder=tmp_path)
    assert (first.diagnosis, first.taxonomy, first.lesion) == ("NV", "ham10000", "HAM_0000550")
    assert (second.diagnosis, second.lesion) == ("AKIEC", "ISIC_0024307")


def test_2019_joins_truth_and_metadata_and_knows_resized_pictures(tmp_path: Path) -> None:
    pictures(tmp_path / "ISIC_2019_Training_Input", ["ISIC_0000000", "ISIC_0000001_downsampled", "ISIC_0024307"])
    table(
        tmp_path / "ISIC_2019_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
        "ISIC_0000000,0,1,0,0,0,0,0,0,0",
        "ISIC_0000001_downsampled,1,0,0,0,0,0,0,0,0",
        "ISIC_0024307,0,0,0,0,0,0,0,0,1",
    )
    table(
        tmp_path / "ISIC_2019_Training_Metadata.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        "ISIC_0000000,55.0,anterior torso,,female",
        "ISIC_0000001_downsampled,30.0,palms/soles,MSK4_0011169,male",
    )
    first, second, third = read(source="isic2019", folder=tmp_path)
    assert (first.diagnosis, first.taxonomy, first.lesion, first.site) == ("NV", "isic2019", "ISIC_0000000", "torso")
    assert (second.diagnosis, second.lesion, second.image.name) == ("MEL", "MSK4_0011169", "ISIC_0000001_downsampled.jpg")
    assert (third.diagnosis, third.taxonomy) == ("UNK", "isic2019_unknown")


def test_2019_test_part_has_weights_beside_the_classes(tmp_path: Path) -> None:
    pictures(tmp_path / "ISIC_2019_Test_Input", ["ISIC_0034321"])
    header = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK,score_weight,validation_weight"
    table(tmp_path / "ISIC_2019_Test_GroundTruth.csv", header, "ISIC_0034321,1,0,0,0,0,0,0,0,0,1.0,0.0")
    (record,) = read(source="isic2019_test", folder=tmp_path)
    assert record.diagnosis == "MEL"


def test_2020_names_patients_and_leaves_copies_out(tmp_path: Path) -> None:
    names = ["ISIC_0015719", "ISIC_0052212", "ISIC_0068279", "ISIC_0074268"]
    pictures(tmp_path / "ISIC_2020_Training_JPEG" / "train", names)
    table(
        tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv",
        "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target",
        "ISIC_0015719,IP_3075186,IL_1,female,45.0,upper extremity,unknown,benign,0",
        "ISIC_0052212,IP_2842074,IL_2,male,50.0,torso,nevus,benign,0",
        "ISIC_0068279,IP_6890425,IL_3,male,45.0,head/neck,melanoma,malignant,1",
        "ISIC_0074268,IP_8723313,IL_4,female,55.0,,lentigo NOS,benign,0",
    )
    table(tmp_path / "ISIC_2020_Training_Duplicates.csv", "image_name_1,image_name_2", "ISIC_0052212,ISIC_0074268")
    unknown, naevus, melanoma = read(source="isic2020", folder=tmp_path)
    assert (unknown.diagnosis, unknown.taxonomy, unknown.patient) == ("BENIGN", "binary", "IP_3075186")
    assert (naevus.diagnosis, naevus.taxonomy, naevus.lesion) == ("NV", "isic2019", "IL_2")
    assert (melanoma.diagnosis, melanoma.site) == ("MEL", "head/neck")


def test_2020_is_read_from_its_first_table_without_lesions(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ["ISIC_0015719"])
    table(
        tmp_path / "ISIC_2020_Training_GroundTruth.csv",
        "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target",
        "ISIC_0015719,IP_3075186,female,45.0,upper extremity,unknown,benign,0",
    )
    (record,) = read(source="isic2020", folder=tmp_path)
    assert record.lesion == "ISIC_0015719"


def test_a_column_that_is_no_class_is_named_with_the_nearest_class(tmp_path: Path) -> None:
    pictures(tmp_path, ["ISIC_0000000"])
    table(tmp_path / "ISIC_2019_Training_GroundTruth.csv", "image,MELL,NV", "ISIC_0000000,0,1")
    with pytest.raises(DatasetError, match=r"column 'MELL' is no class of isic2019_unknown, did you mean MEL \(Melanoma\)\?"):
        read(source="isic2019", folder=tmp_path)


def test_a_picture_of_two_classes_is_refused_with_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, ["ISIC_0000000"])
    table(tmp_path / "ISIC_2019_Training_GroundTruth.csv", "image,MEL,NV", "ISIC_0000000,1,1")
    with pytest.raises(DatasetError, match="line 2: MEL and NV are both 1"):
        read(source="isic2019", folder=tmp_path)


def test_a_cell_that_is_no_number_is_refused_with_its_line(tmp_path: Path) -> None:
    pictures(tmp_path, ["ISIC_0000000"])
    table(tmp_path / "ISIC_2019_Training_GroundTruth.csv", "image,MEL,NV", "ISIC_0000000,yes,0")
    with pytest.raises(DatasetError, match="line 2: 'yes' in column MEL is neither 0 nor 1"):
        read(source="isic2019", folder=tmp_path)


@pytest.mark.parametrize("source", ["isic2018_task3", "isic2019", "isic2020"])
def test_a_missing_table_is_named(source: str, tmp_path: Path) -> None:
    pictures(tmp_path, ["ISIC_0000000"])
    with pytest.raises(DatasetError, match=r"There is no .*GroundTruth.csv below .*: fetch it"):
        read(source=source, folder=tmp_path)


def test_a_row_whose_picture_is_missing_keeps_the_place_where_it_was_expected(tmp_path: Path) -> None:
    pictures(tmp_path, ["ISIC_0000000"])
    table(tmp_path / "ISIC_2019_Training_GroundTruth.csv", "image,MEL,NV", "ISIC_0000000,1,0", "ISIC_0000001,1,0")
    _, absent = read(source="isic2019", folder=tmp_path)
    assert absent.image == tmp_path / "images" / "ISIC_0000001.jpg"
