"""A DICOM data set without what tells who the patient is (PS3.15 E.1, table E.1-1), sequences and all."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.uid import UID

from models.deidentify.clean import clean_age, clean_text, is_public
from models.deidentify.marks import write_marks
from models.deidentify.secret import Secret
from models.deidentify.table import DEFAULT, Action, Option, row_of

DUMMY_NUMBER, DUMMY_TEXT = 0, "REMOVED"
DUMMIES: dict[str, Any] = {
    "DA": "19000101",
    "TM": "000000",
    "DT": "19000101000000",
    "AS": "000Y",
    "IS": "0",
    "DS": "0",
    "UR": "urn:removed",
    **dict.fromkeys(("OB", "OW", "OF", "OD", "OL", "OV", "UN"), b"\0" * 8),
    **dict.fromkeys(("US", "SS", "UL", "SL", "SV", "UV", "FL", "FD"), DUMMY_NUMBER),
}
TEMPORAL, NAMES = ("DA", "DT"), "PN"
PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
AGE = "PatientAge"


@dataclass(slots=True)
class Done:
    """How many elements were treated in which way, and the patient's new name."""

    pseudonym: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Count one."""
        self.counts[what] = self.counts.get(what, 0) + 1


def deidentify(dataset: Dataset, *, secret: Secret, options: Collection[Option] = DEFAULT) -> Done:
    """Change the data set in place; return what was done. Pixels stay as they are: what is burnt in is another matter.

    The same patient (ID and issuer), UID or day becomes the same under the same secret. Dates move by whole days, one number for each
    patient, so that times and distances stay true. Private attributes and those that no dictionary knows are removed; names and dates
    that the table does not list are treated like those that it does.
    """
    patient = patient_key(dataset)
    cleaner = Cleaner(secret=secret, options=frozenset(options), shift=secret.shift(patient))
    cleaner.done.pseudonym = secret.name("patient", patient)
    age = clean_age(age_of(dataset)) if Option.PATIENT in options else ""
    cleaner.clean(dataset)
    dataset.PatientID = dataset.PatientName = cleaner.done.pseudonym
    if age:
        dataset.PatientAge = age
    write_marks(dataset, cleaner.options)
    return cleaner.done


def patient_key(dataset: Dataset) -> str:
    """What stands for the patient: ID and issuer, without an ID the study, so that patients without one are not taken for each other."""
    number = str(dataset.get("PatientID") or "").strip()
    if number:
        return f"{dataset.get('IssuerOfPatientID') or ''}/{number}"
    return f"study/{dataset.get('StudyInstanceUID') or dataset.get('SOPInstanceUID') or ''}"


def age_of(dataset: Dataset) -> str:
    """The age that stands there, or else years from birth to study; "" where neither is known."""
    if said := str(dataset.get(AGE) or ""):
        return said
    born, seen = (_day(dataset.get(name)) for name in ("PatientBirthDate", "StudyDate"))
    if born is None or seen is None or seen < born:
        return ""
    return f"{seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day)):03d}Y"


class Cleaner:
    """Walks one data set. ``shift``: what is added to its dates."""

    def __init__(self, *, secret: Secret, options: frozenset[Option], shift: timedelta) -> None:
        self.secret, self.options, self.shift = secret, options, shift
        self.done = Done()
        self._do: dict[Action, Callable[[Dataset, DataElement], None]] = {
            Action.REMOVE: lambda dataset, element: dataset.__delitem__(element.tag),
            Action.EMPTY: lambda _, element: _set(element, [] if element.VR == "SQ" else None),
            Action.DUMMY: self._dummy,
            Action.KEEP: self._keep,
            Action.CLEAN: self._cleaned,
            Action.UID: self._replace,
        }

    def clean(self, dataset: Dataset) -> None:
        """Every element of a data set or item, in place."""
        for tag in list(dataset.keys()):
            if tag in PIXELS:
                continue
            try:
                element = dataset[tag]
            except Exception:  # noqa: BLE001  # what cannot even be read cannot be judged
                del dataset[tag]
                self.done.note("unreadable")
                continue
            action = self.action_of(element)
            if action is None:
                self._inside(element)
                continue
            self.done.note(action.name.lower())
            self._do[action](dataset, element)

    def action_of(self, element: DataElement) -> Action | None:
        """What the table says, or the nearest to it for what it does not list; None: stays, its items are walked."""
        if element.tag.is_private or not _known(element.tag):
            return Action.REMOVE
        row = row_of(int(element.tag))
        if row is not None:
            return row.action(self.options)
        if element.VR == NAMES:
            return Action.EMPTY
        if element.VR in TEMPORAL and Option.FULL_DATES not in self.options:
            return Action.CLEAN if Option.MODIFIED_DATES in self.options else Action.EMPTY
        return None

    def _inside(self, element: DataElement) -> None:
        if element.VR == "SQ":
            for item in element.value:
                self.clean(item)

    def _keep(self, _: Dataset, element: DataElement) -> None:
        """A kept sequence is cleaned inside (table E.1-1a); an age of 90 or more is 90."""
        if element.keyword == AGE:
            _set(element, clean_age(str(element.value or "")))
        self._inside(element)

    def _replace(self, _: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            self._inside(element)
        elif element.value:
            _set(element, _each(element.value, self.secret.uid))

    def _dummy(self, _: Dataset, element: DataElement) -> None:
        if element.VR == "SQ":
            # An item that says nothing stands for those that said something.
            _set(element, Items([Dataset()]))
        elif element.VR == "UI":
            self._replace(Dataset(), element)
        else:
            _set(element, DUMMIES.get(element.VR, DUMMY_TEXT))

    def _cleaned(self, dataset: Dataset, element: DataElement) -> None:
        """Dates move; sequences keep public codes; text keeps listed words. What is then empty is removed."""
        if element.VR in TEMPORAL:
            _set(element, _each(element.value, self._moved) if element.value else None)
        elif element.VR == "TM":
            pass  # dates move by whole days
        elif element.VR == "SQ":
            kept = [item for item in element.value if is_public(str(item.get("CodingSchemeDesignator", "")))]
            _set(element, Items(kept))
            self._inside(element)
        elif element.VR == "UI":
            self._replace(dataset, element)
        else:
            _set(element, _each(str(element.value or ""), clean_text))
        if not element.value:
            del dataset[element.tag]

    def _moved(self, value: str) -> str:
        """A DA or DT some days earlier; "" for what is no day, as a year alone, which cannot be moved by days."""
        day = _day(value)
        try:
            return "" if day is None else f"{day + self.shift:%Y%m%d}".zfill(8) + value[8:]
        except OverflowError:
            return ""


def _known(tag: BaseTag) -> bool:
    return dictionary_has_tag(tag) or row_of(int(tag)) is not None


def _set(element: DataElement, value: Any) -> None:
    element.value = value


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, (MultiValue, list)):
        return [change(str(one)) for one in value]
    return change(str(value))


def _day(value: Any) -> date | None:
    text = str(value or "")[:8]
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 and text.isdigit() else None  # noqa: DTZ007  # a day has no zone
    except ValueError:
        return None


def is_remapped(uid: str) -> bool:
    """Whether a UID is one of ours: 2.25. and a UUID of version 8."""
    text = str(UID(uid))
    return text.startswith("2.25.") and (int(text[5:]) >> 76) & 0xF == 8
