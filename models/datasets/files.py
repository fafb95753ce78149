"""Which pictures and masks lie below a folder, whatever the unpacking has made of the published folder names."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from models.datasets.types import DatasetError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
# ISIC ends the names of masks with _segmentation; others keep them under the picture's name in a folder of their own.
_MASK_END = re.compile(r"[_-](segmentation|mask)$", re.IGNORECASE)
_MASK_FOLDERS = frozenset({"masks", "mask", "segmentations"})
# Superpixels (ISIC 2016 and 2017) and dermoscopic attributes (ISIC 2018 Task 2) are neither pictures nor outlines of lesions.
_NEITHER = re.compile(r"(_superpixels$|_attribute_)", re.IGNORECASE)
# ISIC 2019 hands some pictures of older challenges round at another size.
_RESIZED = "_downsampled"
_TEST = re.compile(r"(?<![a-z])test(?![a-z])", re.IGNORECASE)
_ARCHIVE_NAME = re.compile(r"ISIC_\d{7}")
_PAD_NAME = re.compile(r"PAT_(\d+)_(\d+)_\d+")


@dataclass(frozen=True, slots=True)
class Files:
    """Pictures and masks by the picture's name without suffix."""

    folder: Path
    pictures: dict[str, Path]
    masks: dict[str, Path]

    def picture(self, name: str) -> Path:
        """The picture of this name, or the path where it was to be expected."""
        return self.pictures.get(picture_name(name)) or self.folder / "images" / f"{picture_name(name)}.jpg"

    def mask(self, name: str) -> Path | None:
        """The mask of the picture with this name."""
        return self.masks.get(picture_name(name))


def picture_name(name: str) -> str:
    """``"PAT_8_15_820.png"`` → ``"PAT_8_15_820"``, ``"ISIC_0000002_downsampled"`` → ``"ISIC_0000002"``."""
    stem = name[: -len(suffix)] if (suffix := Path(name).suffix).lower() in SUFFIXES else name
    return stem.removesuffix(_RESIZED)


def archive_name(path: Path) -> str | None:
    """The ISIC archive's name of a picture, by which other data sets know the same one; None for other pictures."""
    found = _ARCHIVE_NAME.match(path.stem)
    return found.group() if found else None


def lesion_and_patient(path: Path) -> tuple[str | None, str | None]:
    """What a file name of the ISIC archive or of PAD-UFES-20 says about lesion and patient."""
    if found := _PAD_NAME.match(path.stem):
        patient, lesion = found.groups()
        return f"PAT_{patient}_{lesion}", f"PAT_{patient}"
    return archive_name(path), None


def survey(folder: Path, *, test: bool | None = False) -> Files:
    """All pictures and masks below ``folder``; ``test`` as in ``paths_below``. Raises DatasetError when there is no picture."""
    pictures: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in paths_below(folder, test=test):
        if is_mask(path, folder):
            masks.setdefault(picture_name(_MASK_END.sub("", path.stem)), path)
        elif is_picture(path, folder):
            pictures.setdefault(picture_name(path.stem), path)
    if not pictures:
        part = " of the official test part" if test else ""
        raise DatasetError(f"There are no pictures{part} below {folder}: unpack the data set there, or give the folder that holds it.")
    return Files(folder, pictures, masks)


def is_mask(path: Path, folder: Path) -> bool:
    """True for the outline of a lesion: by the end of its name, or by a folder of masks below ``folder``."""
    if path.suffix.lower() not in SUFFIXES or _NEITHER.search(path.stem):
        return False
    return bool(_MASK_END.search(path.stem)) or any(part.lower() in _MASK_FOLDERS for part in path.relative_to(folder).parts[:-1])


def is_picture(path: Path, folder: Path) -> bool:
    """True for a picture that is neither mask, nor superpixels, nor attribute map."""
    return path.suffix.lower() in SUFFIXES and not _NEITHER.search(path.stem) and not is_mask(path, folder)


def paths_below(folder: Path, *, test: bool | None = False) -> list[Path]:
    """Every file below ``folder`` in order of name, without the hidden ones that archivers leave behind.

    An official test part is known by the word "test" in the name of a folder or table and is never mixed with the rest: True gives
    only that part, False all but that part, None everything.
    """
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [Path(where, name) for name in sorted(names) if not name.startswith(".")]
    if test is None:
        return found
    part = [path for path in found if _is_of_test(path, folder) == test]
    # Someone who gives the folder of the test part itself means all that is in it.
    return found if test and not part and _TEST.search(folder.name) else part


def tables_below(folder: Path, pattern: str, *, test: bool | None = False) -> list[Path]:
    """The files below ``folder`` whose name matches the regular expression ``pattern`` as a whole, case ignored."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [path for path in paths_below(folder, test=test) if wanted.fullmatch(path.name)]


def _is_of_test(path: Path, folder: Path) -> bool:
    *folders, name = path.relative_to(folder).parts
    # A picture may be called test_1.jpg without being one; a table is not.
    return any(_TEST.search(part) for part in (folders if path.suffix.lower() in SUFFIXES else (*folders, name)))
