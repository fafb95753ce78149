"""Every data set that can be read, by name."""

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from models.datasets.isic import read_isic2016, read_isic2017, read_isic2018_task1, read_isic2018_task3, read_isic2019, read_isic2020
from models.datasets.own import read_csv, read_exported, read_folders
from models.datasets.published import read_ham10000, read_ood, read_pad_ufes_20, read_ph2, read_uda1_originals
from models.datasets.types import DatasetError, Record

Reader = Callable[[Path], list[Record]]

# The official test parts have names of their own: they are never read along with the training pictures.
READERS: dict[str, Reader] = {
    "isic2016": read_isic2016,
    "isic2016_test": partial(read_isic2016, test=True),
    "isic2017": read_isic2017,
    "isic2017_test": partial(read_isic2017, test=True),
    "isic2018_task1": read_isic2018_task1,
    "isic2018_task1_test": partial(read_isic2018_task1, test=True),
    "isic2018_task3": read_isic2018_task3,
    "isic2018_task3_test": partial(read_isic2018_task3, test=True),
    "isic2019": read_isic2019,
    "isic2019_test": partial(read_isic2019, test=True),
    "isic2020": read_isic2020,
    "ham10000": read_ham10000,
    "pad_ufes_20": read_pad_ufes_20,
    "ph2": read_ph2,
    "uda1_originals": read_uda1_originals,
    "ood": read_ood,
    "folder": read_folders,
    "folder_test": partial(read_folders, test=True),
    "csv": read_csv,
    "dermatrail": read_exported,
}
# Those whose classes are the user's own, so that a taxonomy can be named.
_OWN: dict[str, Callable[..., list[Record]]] = {"folder": read_folders, "folder_test": partial(read_folders, test=True), "csv": read_csv}


def read(*, source: str, folder: Path, taxonomy: str | None = None) -> list[Record]:
    """The records of one data set, in the order of its table or of the file names.

    ``folder`` holds the data set, or a folder with the name of the source that does. ``taxonomy`` is for ``folder`` and ``csv`` alone:
    where it is not given they choose by the names of the classes.

    Raises DatasetError: no such source or folder, an archive that is still packed, a missing or unreadable table, unknown classes.
    Whether the pictures are there and whole is for ``check_records``.
    """
    if source not in READERS:
        near = difflib.get_close_matches(source, READERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(READERS)}."
        raise DatasetError(f"There is no data source {source!r}: {hint}")
    place = _place(source, folder)
    if taxonomy is not None and source in _OWN:
        return _OWN[source](place, taxonomy=taxonomy)
    return READERS[source](place)


def _place(source: str, folder: Path) -> Path:
    if not folder.exists():
        raise DatasetError(f"There is no folder {folder}: give the one that holds the data set {source}.")
    for name in (source, source.removesuffix("_test")):
        if (folder / name).is_dir():
            return folder / name
    packed = sorted(path.name for path in folder.glob(f"{source}*") if path.name.endswith((".tar.gz", ".tgz", ".zip")))
    if packed:
        raise DatasetError(f"{source} is still packed: unpack {' and '.join(packed)} in {folder}.")
    return folder
