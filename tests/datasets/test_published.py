"""HAM10000, PAD-UFES-20, PH², UDA-1 and pictures from outside, in every layout they come in."""

from pathlib import Path

import pytest

from models.datasets import DatasetError, read
from tests.datasets.layouts import draw, draw_mask, masks, pictures, table

HAM_HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"


def test_ham10000_reads_the_archives_of_the_dataverse(tmp_path: Path) -> None:
    pictures(tmp_path / "HAM10000_images_part_1", ["ISIC_0027419"])
    pictures(tmp_path / "HAM10000_images_part_2", ["ISIC_0025030"])
    masks(tmp_path / "HAM10000_segmentations_lesion_tschandl", ["ISIC_0027419"])
    table(
        tmp_path / "HAM10000_metadata.csv",
        HAM_HEADER,
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp,vidir_modern",
        "HAM_0000118,ISIC_0025030,akiec,histo,,unknown,unknown,vidir_modern",
    )
    first, second = read(source="ham10000", folder=tmp_path)
    assert (first.diagnosis, first.taxonomy, first.lesion, first.age, first.sex, first.site) == (
        "BKL", "ham10000", "HAM_0000118", 80, "male", "head/neck",
    )  # fmt: skip
    assert first.mask is not None
    assert (second.diagnosis, second.age, second.sex, second.site) == ("AKIEC", None, None, None)
    assert second.image.parent.name == "HAM10000_images_part_2"


def test_ham10000_reads_tab_separated_metadata_and_leaves_its_test_pictures_out(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["ISIC_0027419"])
    pictures(tmp_path / "ISIC2018_Task3_Test_Images", ["ISIC_0034524"])
    lines = (HAM_HEADER, "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp,vidir_modern")
    table(tmp_path / "HAM10000_metadata.tab", *(line.replace(",", "\t") for line in lines))
    (record,) = read(source="ham10000", folder=tmp_path)
    assert record.diagnosis == "BKL"


def test_ham10000_with_labels_names_the_eight_classes(tmp_path: Path) -> None:
    folder = tmp_path / "ham10000"
    pictures(folder / "images", ["ISIC_0024307"])
    masks(folder / "masks", ["ISIC_0024307"], end=".png")
    header = "image_id,lesion_id,dx_ham,dx_isic2019,dx_type,age,sex,localization,has_mask"
    table(folder / "labels.csv", header, "ISIC_0024307,HAM_0003577,akiec,SCC,histo,50.0,male,lower extremity,1")
    (record,) = read(source="ham10000", folder=tmp_path)
    assert (record.diagnosis, record.taxonomy, record.mask) == ("SCC", "isic2019", folder / "masks" / "ISIC_0024307.png")


def test_pad_lesions_are_named_with_their_patient(tmp_path: Path) -> None:
    pictures(tmp_path / "zr7vgbcyr2-1" / "images" / "imgs_part_1", ["PAT_1516_1765_530", "PAT_46_1765_939"], suffix=".png")
    header = "patient_id,lesion_id,age,gender,fitspatrick,region,diagnostic,itch,img_id,biopsed"
    table(
        tmp_path / "zr7vgbcyr2-1" / "metadata.csv",
        header,
        "PAT_1516,1765,8,,,ARM,NEV,FALSE,PAT_1516_1765_530.png,FALSE",
        "PAT_46,1765,55,FEMALE,3.0,NECK,BCC,TRUE,PAT_46_1765_939.png,TRUE",
    )
    first, second = read(source="pad_ufes_20", folder=tmp_path)
    assert (first.lesion, first.patient, first.diagnosis, first.sex, first.site) == (
        "PAT_1516_1765", "PAT_1516", "NEV", None, "upper extremity",
    )  # fmt: skip
    assert (second.lesion, second.fitzpatrick, second.site, second.taxonomy) == ("PAT_46_1765", "III", "head/neck", "pad_ufes_20")
    assert first.image.is_file()


def test_pad_reads_labels_with_masks(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["PAT_1008_59_297"])
    masks(tmp_path / "masks", ["PAT_1008_59_297"], end=".png")
    header = "img_id,patient_id,lesion_id,diagnostic,age,gender,fitspatrick,region"
    table(tmp_path / "labels.csv", header, "PAT_1008_59_297,PAT_1008,59,SEK,64,,,FACE")
    (record,) = read(source="pad_ufes_20", folder=tmp_path)
    assert record.mask is not None
    assert record.diagnosis == "SEK"


def ph2(folder: Path, *rows: str) -> None:
    table(
        folder / "PH2Dataset" / "PH2_dataset.txt",
        "||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry ||",
        *rows,
        "Legends:",
        "0 - Common Nevus; 1 - Atypical Nevus; 2 - Melanoma.",
    )


def test_ph2_reads_its_text_table_and_a_folder_per_picture(tmp_path: Path) -> None:
    for name in ("IMD003", "IMD058"):
        folder = tmp_path / "PH2Dataset" / "PH2 Dataset images" / name
        draw(folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        draw_mask(folder / f"{name}_lesion" / f"{name}_lesion.bmp")
        draw_mask(folder / f"{name}_roi" / f"{name}_R1_Label3.bmp")
    row = "|| IMD003 ||                        ||                  0 ||          0          ||"
    ph2(tmp_path, row, "|| IMD058 || Melanoma ||  2 ||  1 ||", "|| IMD400 || ||  1 ||  1 ||")
    naevus, melanoma, missing = read(source="ph2", folder=tmp_path)
    assert (naevus.diagnosis, naevus.lesion, naevus.image.name) == ("NV", "IMD003", "IMD003.bmp")
    assert melanoma.diagnosis == "MEL"
    assert melanoma.mask is not None
    assert melanoma.mask.name == "IMD058_lesion.bmp"
    assert not missing.image.exists()


def test_ph2_refuses_another_clinical_diagnosis_with_its_line(tmp_path: Path) -> None:
    ph2(tmp_path, "|| IMD003 || ||  7 ||  0 ||")
    with pytest.raises(DatasetError, match="line 2: '7' is no clinical diagnosis"):
        read(source="ph2", folder=tmp_path)


def test_ph2_refuses_a_table_without_rows(tmp_path: Path) -> None:
    ph2(tmp_path)
    with pytest.raises(DatasetError, match="has no row that begins with"):
        read(source="ph2", folder=tmp_path)


def test_uda1_falls_back_from_class_to_side(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["ISIC_0000220", "ISIC_0000027", "ISIC_0000067"])
    table(
        tmp_path / "labels.csv",
        "image_id,diagnosis,benign_malignant,age_approx,sex,confirm_type,dx_isic2019",
        "ISIC_0000220,nevus,benign,30,female,,NV",
        "ISIC_0000027,melanoma,malignant,35,female,histopathology,",
        "ISIC_0000067,,benign,,male,,",
    )
    records = read(source="uda1_originals", folder=tmp_path)
    assert [(record.diagnosis, record.taxonomy) for record in records] == [("NV", "isic2019"), ("MEL", "isic2019"), ("BENIGN", "binary")]


def test_pictures_from_outside_keep_kind_lesion_and_patient(tmp_path: Path) -> None:
    pictures(tmp_path / "ood" / "photographs", ["n01443537_goldfish"])
    pictures(tmp_path / "ood" / "healthy_skin_dermoscopic", ["ISIC_0001769_0"])
    pictures(tmp_path / "ood" / "healthy_skin_smartphone", ["PAT_359_4450_86_1"])
    dermoscopic, smartphone, photograph = read(source="ood", folder=tmp_path)
    assert (dermoscopic.source, dermoscopic.lesion) == ("ood/healthy_skin_dermoscopic", "ISIC_0001769")
    assert (smartphone.lesion, smartphone.patient) == ("PAT_359_4450", "PAT_359")
    assert (photograph.lesion, photograph.diagnosis) == ("photographs/n01443537_goldfish", None)


def test_wrong_class_names_are_told_with_line_and_nearest_name(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"])
    table(
        tmp_path / "HAM10000_metadata.csv",
        HAM_HEADER,
        "HAM_1,ISIC_0000001,melanom,histo,1,male,back,x",
        "HAM_2,ISIC_0000002,nv,histo,1,male,back,x",
        "HAM_3,ISIC_0000003,melanom,histo,1,male,back,x",
    )
    with pytest.raises(DatasetError) as caught:
        read(source="ham10000", folder=tmp_path)
    sentence = str(caught.value)
    assert "HAM10000_metadata.csv names classes that ham10000 does not have" in sentence
    assert "'melanom' (lines 2, 4), did you mean MEL (Melanoma)?" in sentence
    assert sentence.endswith("Correct the names in the table.")


def test_many_wrong_names_are_counted_not_listed(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["ISIC_0000001"])
    rows = [f"HAM_{index},ISIC_{index:07},zz{index},histo,1,male,back,x" for index in range(9)]
    table(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *rows)
    with pytest.raises(DatasetError, match=r"'zz4' .* And 4 more names\."):
        read(source="ham10000", folder=tmp_path)
