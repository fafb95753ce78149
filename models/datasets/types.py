"""A labelled picture on disk, and what can be wrong with a folder of them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class DatasetError(Exception):
    """A data set that cannot be used as it is: the sentence says what is wrong, where, and how to mend it."""


class Split(StrEnum):
    """The parts of a data set: weights see TRAIN, every choice and threshold VALIDATION, the reported figure TEST."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Record:
    """One picture and what is known of it.

    ``lesion`` and ``patient`` name what must stay in one split; a picture of an unknown lesion is its own lesion. ``diagnosis`` is a
    code of ``taxonomy``, None where there is none. ``age`` in years; ``sex`` "female" or "male"; ``site`` one of
    ``models.datasets.fields.SITES``; ``fitzpatrick`` "I" to "VI".
    """

    image: Path
    mask: Path | None
    lesion: str
    patient: str | None = None
    diagnosis: str | None = None
    taxonomy: str = "isic2019"
    source: str = ""
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    fitzpatrick: str | None = None
