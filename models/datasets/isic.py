"""The ISIC challenges of 2016 to 2020 in the folders and tables that challenge.isic-archive.com hands out.

2016: Gutman et al., arXiv:1605.01397 · 2017: Codella et al., arXiv:1710.05006 · 2018: Codella et al., arXiv:1902.03368 ·
2019: Combalia et al., arXiv:1908.02288 · 2020: Rotemberg et al., doi:10.1038/s41597-021-00815-z.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.datasets import fields
from models.datasets.files import Files, picture_name, survey, tables_below
from models.datasets.tables import Row, codes_of, one_hot_code, one_hot_codes, read_table
from models.datasets.types import DatasetError, Record
from models.taxonomy import find, taxonomy_of

Label = tuple[str | None, str]  # diagnosis and its taxonomy

# The 2016 training part says it in words, its test part in numbers.
_NUMBERS = {"0": "benign", "0.0": "benign", "1": "malignant", "1.0": "malignant"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metadata of a challenge say about one picture."""

    lesion: str = ""
    patient: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""


def read_isic2016(folder: Path, *, test: bool = False) -> list[Record]:
    """Parts 1 and 3: outlines, and benign or malignant in a table without header. Raises DatasetError."""
    labels: dict[str, Label] = {}
    for table in tables_below(folder, r".*_Part3.*GroundTruth\.csv", test=test):
        rows = [
            Row(row.table, row.line, {**row.cells, "class": _NUMBERS.get(row.get("class"), row.get("class"))})
            for row in read_table(table, header=("image", "class"))
        ]
        codes = codes_of(rows, columns=("class",), taxonomy="binary")
        labels |= {picture_name(row.get("image")): (code, "binary") for row, code in zip(rows, codes, strict=True)}
    return _records("isic2016", survey(folder, test=test), labels, {}, test=test)


def read_isic2017(folder: Path, *, test: bool = False) -> list[Record]:
    """Parts 1 and 3: outlines; melanoma, seborrhoeic keratosis, and naevus where it is neither. Raises DatasetError."""
    labels: dict[str, Label] = {}
    for table in tables_below(folder, r".*_Part3_GroundTruth\.csv", test=test):
        for row in read_table(table, needs=(("image_id",), ("melanoma",), ("seborrheic_keratosis",))):
            sign = one_hot_code(row, codes=("melanoma", "seborrheic_keratosis"))
            code = {"melanoma": "MEL", "seborrheic_keratosis": "BKL", None: "NV"}[sign]
            labels[picture_name(row.get("image_id"))] = (code, "isic2019")
    facts = {
        picture_name(row.get("image_id")): Facts(age=row.get("age_approximate"), sex=row.get("sex"))
        for row in _rows(folder, r".*_Data_metadata\.csv", "image_id", test=test)
    }
    return _records("isic2017", survey(folder, test=test), labels, facts, test=test)


def read_isic2018_task1(folder: Path, *, test: bool = False) -> list[Record]:
    """Outlines without diagnosis; or the same pictures with ``labels.csv``, ``images/`` and ``masks/``. Raises DatasetError."""
    files = survey(folder, test=test)
    if not (folder / "labels.csv").exists():
        return _records("isic2018_task1", files, {}, {}, test=test)
    rows = read_table(folder / "labels.csv", needs=(("image_id",), ("dx_isic2019",)))
    codes = codes_of(rows, columns=("dx_isic2019",), taxonomy="isic2019")
    return [
        _record(
            "isic2018_task1",
            files,
            row.get("image_id"),
            (code, "isic2019"),
            Facts(lesion=row.get("lesion_id"), age=row.get("age_approx"), sex=row.get("sex"), site=row.get("anatom_site")),
        )
        for row, code in zip(rows, codes, strict=True)
    ]


def read_isic2018_task3(folder: Path, *, test: bool = False) -> list[Record]:
    """The seven classes of HAM10000, one column each, with the lesion groupings where they lie beside. Raises DatasetError."""
    labels = _one_hot_labels(folder, r".*_Task3_.*GroundTruth\.csv", "ham10000", test=test)
    facts = {
        picture_name(row.get("image")): Facts(lesion=row.get("lesion_id"))
        for row in _rows(folder, r".*_Task3_.*LesionGroupings\.csv", "image", test=test)
    }
    return _records("isic2018_task3", survey(folder, test=test), labels, facts, test=test, only_labelled=True)


def read_isic2019(folder: Path, *, test: bool = False) -> list[Record]:
    """The eight classes, and UNK in the test part, one column each, with age, sex, site and lesion. Raises DatasetError."""
    labels = {
        name: (code, "isic2019_unknown" if code == "UNK" else "isic2019")
        for name, (code, _) in _one_hot_labels(folder, r"ISIC_2019_.*GroundTruth\.csv", "isic2019_unknown", test=test).items()
    }
    facts = {
        picture_name(row.get("image")): Facts(
            lesion=row.get("lesion_id"), age=row.get("age_approx"), sex=row.get("sex"), site=row.get("anatom_site_general")
        )
        for row in _rows(folder, r"ISIC_2019_.*Metadata\.csv", "image", test=test)
    }
    return _records("isic2019", survey(folder, test=test), labels, facts, test=test, only_labelled=True)


def read_isic2020(folder: Path) -> list[Record]:
    """Patients with their pictures: a class of ISIC 2019 where the table names one, else benign or malignant. Raises DatasetError.

    The second of two copies that the table of duplicates lists is left out.
    """
    rows = _rows(folder, r"ISIC_2020_Training_GroundTruth_v2\.csv", "image_name") or _rows(
        folder, r"ISIC_2020_Training_GroundTruth\.csv", "image_name"
    )
    if not rows:
        raise DatasetError(f"There is no ISIC_2020_Training_GroundTruth.csv below {folder}: fetch it into that folder.")
    copies = {row.get("image_name_2") for row in _rows(folder, r"ISIC_2020_Training_Duplicates\.csv", "image_name_2")}
    sides = codes_of(rows, columns=("benign_malignant",), taxonomy="binary")
    labels: dict[str, Label] = {}
    facts: dict[str, Facts] = {}
    for row, side in zip(rows, sides, strict=True):
        name = row.get("image_name")
        if name in copies:
            continue
        word = row.get("diagnosis")
        # Lentigo NOS, melanocytic proliferation, café-au-lait macule and "unknown" are no class of the eight, yet benign or malignant.
        diagnosis = find(taxonomy_of("isic2019"), word) if word else None
        labels[name] = (diagnosis.code, "isic2019") if diagnosis else (side, "binary")
        site = row.get("anatom_site_general_challenge")
        facts[name] = Facts(row.get("lesion_id"), row.get("patient_id"), row.get("age_approx"), row.get("sex"), site)
    return _records("isic2020", survey(folder), labels, facts, only_labelled=True)


def _records(
    source: str,
    files: Files,
    labels: Mapping[str, Label],
    facts: Mapping[str, Facts],
    *,
    test: bool = False,
    only_labelled: bool = False,
) -> list[Record]:
    """One record per row of the tables, then one per picture that no table names, unless ``only_labelled``."""
    names: Iterable[str] = labels if only_labelled else dict.fromkeys((*labels, *files.pictures))
    source = f"{source}_test" if test else source
    return [_record(source, files, name, labels.get(name, (None, "isic2019")), facts.get(name, Facts())) for name in names]


def _record(source: str, files: Files, name: str, label: Label, facts: Facts) -> Record:
    return Record(
        image=files.picture(name),
        mask=files.mask(name),
        lesion=facts.lesion or picture_name(name),
        patient=facts.patient or None,
        diagnosis=label[0],
        taxonomy=label[1],
        source=source,
        age=fields.age(facts.age),
        sex=fields.sex(facts.sex),
        site=fields.site(facts.site),
    )


def _one_hot_labels(folder: Path, pattern: str, taxonomy: str, *, test: bool) -> dict[str, Label]:
    rows_by_table = [read_table(table, needs=(("image",),)) for table in tables_below(folder, pattern, test=test)]
    if not rows_by_table:
        name = pattern.replace(r"\.", ".").replace(".*", "…")
        raise DatasetError(f"There is no table {name} below {folder}: fetch it into that folder, or give the folder that holds it.")
    labels: dict[str, Label] = {}
    for rows in rows_by_table:
        codes = one_hot_codes(rows, taxonomy=taxonomy, others=("image", "score_weight", "validation_weight"))
        for row in rows:
            code = one_hot_code(row, codes=codes)
            labels[picture_name(row.get("image"))] = (code, taxonomy)
    return labels


def _rows(folder: Path, pattern: str, column: str, *, test: bool = False) -> list[Row]:
    """The rows of every table whose name matches, none where there is no such table."""
    return [row for table in tables_below(folder, pattern, test=test) for row in read_table(table, needs=((column,),))]
