"""Data sets: readers of the published layouts, splits that keep lesions and patients apart, checks and downloads.

``parts = partition(relabel(read(source="ham10000", folder=data), taxonomy="isic2019"))`` is what a training begins with.
"""

from models.datasets.catalogue import CATALOGUE, PublicFile, PublicSet
from models.datasets.check import Problem, check_parts, check_records, refuse
from models.datasets.downloads import DownloadFailed, download, fetch
from models.datasets.groups import By, group_keys
from models.datasets.labels import relabel, unmapped
from models.datasets.own import read_csv, read_folders
from models.datasets.readers import READERS, read
from models.datasets.splits import SHARES, folds, partition, split_of, straddling
from models.datasets.types import DatasetError, Record, Split

__all__ = [
    "CATALOGUE",
    "READERS",
    "SHARES",
    "By",
    "DatasetError",
    "DownloadFailed",
    "Problem",
    "PublicFile",
    "PublicSet",
    "Record",
    "Split",
    "check_parts",
    "check_records",
    "download",
    "fetch",
    "folds",
    "group_keys",
    "partition",
    "read",
    "read_csv",
    "read_folders",
    "refuse",
    "relabel",
    "split_of",
    "straddling",
    "unmapped",
]
