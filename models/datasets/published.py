"""HAM10000, PAD-UFES-20, PH², the UDA-1 originals and pictures from outside, in their published layouts and as ``labels.csv``.

HAM10000: Tschandl et al. 2018, doi:10.1038/sdata.2018.161 · PAD-UFES-20: Pacheco et al. 2020, doi:10.1016/j.dib.2020.106221 ·
PH²: Mendonça et al. 2013, doi:10.1109/EMBC.2013.6610779.
"""

from pathlib import Path

from models.datasets import fields
from models.datasets.files import SUFFIXES, is_picture, lesion_and_patient, paths_below, picture_name, survey, tables_below
from models.datasets.tables import codes_of, read_table
from models.datasets.types import DatasetError, Record

# PH²'s clinical diagnosis: common naevus, atypical naevus, melanoma.
_PH2_CODES = {"0": "NV", "1": "NV", "2": "MEL"}


def read_ham10000(folder: Path) -> list[Record]:
    """``HAM10000_metadata`` with the image and mask folders of the Dataverse, or ``labels.csv`` with ``images/`` and ``masks/``.

    The metadata name the seven classes, ``labels.csv`` the eight of ISIC 2019. Raises DatasetError.
    """
    table = _table(folder, r"labels\.csv|HAM10000_metadata(\.csv|\.tab|\.txt)?", "HAM10000_metadata.csv or labels.csv")
    rows = read_table(table, needs=(("image_id",), ("lesion_id",), ("dx_isic2019", "dx", "dx_ham")))
    eight = "dx_isic2019" in rows[0].cells
    taxonomy, columns = ("isic2019", ["dx_isic2019"]) if eight else ("ham10000", ["dx", "dx_ham"])
    codes = codes_of(rows, columns=columns, taxonomy=taxonomy)
    files = survey(folder)
    return [
        Record(
            image=files.picture(row.get("image_id")),
            mask=files.mask(row.get("image_id")),
            lesion=row.get("lesion_id") or picture_name(row.get("image_id")),
            diagnosis=code,
            taxonomy=taxonomy,
            source="ham10000",
            age=fields.age(row.get("age")),
            sex=fields.sex(row.get("sex")),
            site=fields.site(row.get("localization")),
        )
        for row, code in zip(rows, codes, strict=True)
    ]


def read_pad_ufes_20(folder: Path) -> list[Record]:
    """``metadata.csv`` with ``images/imgs_part_*`` as Mendeley Data has them, or ``labels.csv`` with ``images/`` and ``masks/``.

    Lesion numbers of this set are unique only within a patient, so the patient is part of the lesion's name. Raises DatasetError.
    """
    table = _table(folder, r"(metadata|labels)\.csv", "metadata.csv")
    rows = read_table(table, needs=(("img_id",), ("patient_id",), ("lesion_id",), ("diagnostic",)))
    codes = codes_of(rows, columns=("diagnostic",), taxonomy="pad_ufes_20")
    files = survey(folder)
    return [
        Record(
            image=files.picture(row.get("img_id")),
            mask=files.mask(row.get("img_id")),
            lesion=f"{row.get('patient_id')}_{row.get('lesion_id')}",
            patient=row.get("patient_id") or None,
            diagnosis=code,
            taxonomy="pad_ufes_20",
            source="pad_ufes_20",
            age=fields.age(row.get("age")),
            sex=fields.sex(row.get("gender")),
            site=fields.site(row.get("region")),
            fitzpatrick=fields.fitzpatrick(row.get("fitspatrick", "fitzpatrick")),
        )
        for row, code in zip(rows, codes, strict=True)
    ]


def read_ph2(folder: Path) -> list[Record]:
    """``PH2_dataset.txt`` and one folder per picture with the picture and its outline. Raises DatasetError."""
    table = _table(folder, r"PH2_dataset\.txt", "PH2_dataset.txt")
    paths = {path.stem: path for path in paths_below(folder, test=None) if path.suffix.lower() in SUFFIXES}
    records = []
    for line, text in enumerate(table.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        cells = [cell.strip() for cell in text.split("||")]
        # Rows read "|| IMD003 || histological || clinical || …"; header and legend have no such name.
        if len(cells) < 4 or not cells[1].startswith("IMD"):
            continue
        name, clinical = cells[1], cells[3]
        if clinical not in _PH2_CODES:
            raise DatasetError(f"{table}, line {line}: {clinical!r} is no clinical diagnosis of PH² (0, 1 or 2); correct it.")
        image = paths.get(name, folder / "PH2 Dataset images" / name / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        records.append(Record(image, paths.get(f"{name}_lesion"), lesion=name, diagnosis=_PH2_CODES[clinical], source="ph2"))
    if not records:
        raise DatasetError(f"{table} has no row that begins with || IMD…: it is not PH²'s table, fetch it again.")
    return records


def read_uda1_originals(folder: Path) -> list[Record]:
    """``labels.csv`` and ``images/`` of ISIC UDA-1 at the cameras' size. Raises DatasetError."""
    table = _table(folder, r"labels\.csv", "labels.csv")
    rows = read_table(table, needs=(("image_id",), ("diagnosis", "dx_isic2019")))
    codes = codes_of(rows, columns=("dx_isic2019", "diagnosis"), taxonomy="isic2019")
    sides = codes_of(rows, columns=("benign_malignant",), taxonomy="binary")
    files = survey(folder)
    return [
        Record(
            image=files.picture(row.get("image_id")),
            mask=files.mask(row.get("image_id")),
            lesion=picture_name(row.get("image_id")),
            diagnosis=code or side,
            taxonomy="isic2019" if code or not side else "binary",
            source="uda1_originals",
            age=fields.age(row.get("age_approx")),
            sex=fields.sex(row.get("sex")),
        )
        for row, code, side in zip(rows, codes, sides, strict=True)
    ]


def read_ood(folder: Path) -> list[Record]:
    """Pictures without lesion, one folder per kind; ``source`` is ``ood/KIND``. They are never trained or fitted on.

    A crop of healthy skin keeps the lesion and patient of the picture that it was cut from. Raises DatasetError.
    """
    records = []
    for path in paths_below(folder, test=None):
        if is_picture(path, folder):
            kind = path.relative_to(folder).parts[0] if path.parent != folder else folder.name
            lesion, patient = lesion_and_patient(path)
            records.append(Record(path, None, lesion=lesion or f"{kind}/{path.stem}", patient=patient, source=f"ood/{kind}"))
    if not records:
        raise DatasetError(f"There are no pictures below {folder}: unpack the data set there, or give the folder that holds it.")
    return records


def _table(folder: Path, pattern: str, name: str) -> Path:
    found = tables_below(folder, pattern, test=None)
    if not found:
        raise DatasetError(f"There is no {name} below {folder}: give the folder that holds it, or fetch the data set again.")
    return found[0]
