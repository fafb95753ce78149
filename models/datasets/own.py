"""Pictures of one's own: a folder per class, any CSV table, or what ``dermatrail dataset export`` wrote."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from models.datasets import fields
from models.datasets.files import Files, is_mask, is_picture, lesion_and_patient, paths_below, picture_name, survey
from models.datasets.tables import SHOWN, Row, codes_of, read_table
from models.datasets.types import DatasetError, Record
from models.taxonomy import TAXONOMIES, find, suggestion, taxonomy_of

# The names that columns of such tables commonly have; the first that is filled counts.
IMAGE = ("image", "image_id", "img_id", "image_name", "filename", "file", "path", "id")
MASK = ("mask", "mask_path", "segmentation")
LESION = ("lesion_id", "lesion")
PATIENT = ("patient_id", "patient")
DIAGNOSIS = ("diagnosis", "dx", "diagnostic", "label", "class", "benign_malignant")
AGE = ("age", "age_approx", "age_approximate")
SEX = ("sex", "gender")
SITE = ("site", "localization", "anatom_site_general", "anatom_site", "region")
FITZPATRICK = ("fitzpatrick", "fitzpatrick_skin_type", "fitspatrick", "skin_type")

# What an export of decided cases holds: this table, whose paths begin in the table's folder.
EXPORTED = "cases.csv"

# Folders that hold parts of a set, not classes.
_PARTS = frozenset({"train", "training", "test", "val", "valid", "validation", "images"})


def read_folders(folder: Path, *, taxonomy: str | None = None, test: bool = False) -> list[Record]:
    """``FOLDER/CLASS/picture``, also below ``train/`` and ``validation/``; ``masks/CLASS/picture`` beside the classes is optional.

    A part named ``test/`` is read only with ``test``. Classes may be codes or names; ``taxonomy`` is the one that knows most of them
    unless it is given. Raises DatasetError: no pictures, a folder that is no class.
    """
    paths = paths_below(folder, test=test)
    pictures = [path for path in paths if is_picture(path, folder)]
    if not pictures:
        raise DatasetError(f"There are no pictures below {folder}: put each class's pictures into a folder with the class's name.")
    classes = {path: _class_of(path, folder) for path in pictures}
    taxonomy = taxonomy or best_taxonomy(classes.values())
    codes = _codes_of_folders(folder, set(classes.values()), taxonomy)
    masks = {(path.parent.name, picture_name(path.stem).removesuffix("_mask")): path for path in paths if is_mask(path, folder)}
    records = []
    for path, name in classes.items():
        lesion, patient = lesion_and_patient(path)
        mask = masks.get((name, path.stem)) or masks.get(("masks", path.stem))
        own = path.relative_to(folder).with_suffix("").as_posix()
        records.append(Record(path, mask, lesion or own, patient, codes[name], taxonomy, source=folder.name))
    return records


def read_csv(folder: Path, *, taxonomy: str | None = None) -> list[Record]:
    """A table with a column for the picture (``image``, ``image_id``, ``filename``, …) and whatever else it has.

    ``folder`` holds one table, or is the table itself. Known columns are diagnosis, mask, lesion, patient, age, sex, site and
    Fitzpatrick type under their usual names (see the constants of this module). Pictures are named by path or by name alone.
    ``taxonomy`` is the one that knows most of the diagnoses unless it is given. Raises DatasetError.
    """
    table = folder if folder.is_file() else _only_table(folder)
    rows = read_table(table, needs=(IMAGE,))
    names = {name for row in rows if (name := row.get(*DIAGNOSIS))}
    taxonomy = taxonomy or best_taxonomy(names)
    codes = codes_of(rows, columns=DIAGNOSIS, taxonomy=taxonomy)
    files = survey(table.parent, test=None)
    return [_record_of(row, code, taxonomy, files) for row, code in zip(rows, codes, strict=True)]


def read_exported(folder: Path) -> list[Record]:
    """An export of decided cases: ``cases.csv`` with pictures and masks beside it. Each row names its taxonomy and its portal.

    Raises DatasetError.
    """
    rows = read_table(folder / EXPORTED, needs=(IMAGE, ("diagnosis",), ("taxonomy",), PATIENT))
    codes: dict[int, str | None] = {}
    for taxonomy in {row.get("taxonomy") for row in rows}:
        told = [row for row in rows if row.get("taxonomy") == taxonomy]
        codes |= zip((row.line for row in told), codes_of(told, columns=("diagnosis",), taxonomy=taxonomy), strict=True)
    files = survey(folder, test=None)
    return [replace(_record_of(row, codes[row.line], row.get("taxonomy"), files), source=row.get("source")) for row in rows]


def best_taxonomy(names: Collection[str]) -> str:
    """The taxonomy that knows most of these class names; ISIC 2019's eight where several do."""
    first = ["isic2019", *(name for name in TAXONOMIES if name != "isic2019")]
    return max(first, key=lambda name: sum(find(TAXONOMIES[name], text) is not None for text in names))


def _record_of(row: Row, code: str | None, taxonomy: str, files: Files) -> Record:
    image = _path(row.get(*IMAGE), files)
    lesion, patient = lesion_and_patient(image)
    mask = row.get(*MASK)
    return Record(
        image=image,
        mask=files.folder / mask if mask else files.mask(image.stem),
        lesion=row.get(*LESION) or lesion or picture_name(row.get(*IMAGE)),
        patient=row.get(*PATIENT) or patient,
        diagnosis=code,
        taxonomy=taxonomy,
        source=row.table.stem,
        age=fields.age(row.get(*AGE)),
        sex=fields.sex(row.get(*SEX)),
        site=fields.site(row.get(*SITE)),
        fitzpatrick=fields.fitzpatrick(row.get(*FITZPATRICK)),
    )


def _path(text: str, files: Files) -> Path:
    path = files.folder / text  # an absolute path stays absolute
    return path if path.is_file() else files.picture(Path(text).name)


def _only_table(folder: Path) -> Path:
    tables = sorted(folder.glob("*.csv"))
    labels = [table for table in tables if table.name == "labels.csv"]
    if len(tables) == 1 or labels:
        return (labels or tables)[0]
    found = f"{len(tables)} tables" if tables else "no table"
    raise DatasetError(f"{folder} holds {found}: give the path of the one CSV file that lists the pictures.")


def _class_of(path: Path, folder: Path) -> str:
    parts = [part for part in path.relative_to(folder).parts[:-1] if part.lower() not in _PARTS]
    if not parts:
        raise DatasetError(f"{path} lies in no class: put it into a folder with the name of its class below {folder}.")
    return parts[-1]


def _codes_of_folders(folder: Path, names: set[str], taxonomy: str) -> dict[str, str]:
    known = taxonomy_of(taxonomy)
    codes = {name: diagnosis.code for name in names if (diagnosis := find(known, name)) is not None}
    unknown = sorted(names - set(codes))
    if unknown:
        named = " ".join(f"{name!r}, {suggestion(known, name)}" for name in unknown[:SHOWN])
        more = f" And {len(unknown) - SHOWN} more." if len(unknown) > SHOWN else ""
        raise DatasetError(f"{folder} has folders that are no class of {taxonomy}: {named}{more} Rename or remove them.")
    return codes
