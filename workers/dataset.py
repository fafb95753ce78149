"""Decided cases as a data set to train on: pictures, masks and one table, under names that lead back to nobody.

Names are keyed hashes of the records' ids. The key lies in the unfinished folder alone, so that an interrupted export goes on under
the same names, and is deleted with the last step: afterwards nobody, us included, can say whose picture is whose. Two exports
therefore name the same patient differently and are not to be trained on together; a fuller one replaces an older one.
"""

import csv
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from models.datasets import fields
from models.datasets.own import EXPORTED
from models.taxonomy import TAXONOMIES
from services.objects import ObjectMissing, Objects
from services.records.export import Teaching, TeachingCase, TeachingImage

SUMMARY, KEY = "export.json", "key"
NAME_LETTERS = 16  # of 4 bits: names of a million pictures do not collide
THREADS, AHEAD = 8, 256
OLDEST = 90  # years: whoever is older could be found by their age alone
UNKNOWN_CLASS, PICTURE_MISSING, MASK_MISSING = "class_of_no_taxonomy", "picture_missing", "mask_missing"
SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}


class ExportRefused(Exception):
    """The data set cannot be written there. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; the columns that readers of CSV tables know by these names."""

    image: str
    mask: str
    mask_by: str
    diagnosis: str
    taxonomy: str
    decision: str
    lesion: str
    patient: str
    source: str
    modality: str
    age: str
    sex: str
    site: str
    fitzpatrick: str


@dataclass(frozen=True, slots=True)
class Written:
    """What an export holds. ``left_out``: cases by reason; ``incomplete``: pictures and masks that the store did not have."""

    cases: int
    images: int
    patients: int
    left_out: Mapping[str, int]
    incomplete: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Folder:
    """An unfinished export. Picture files in it are whole: each is written under another name first."""

    path: Path
    key: bytes

    def name(self, kind: str, record_id: UUID) -> str:
        """The name under which a record goes out."""
        digest = hmac.new(self.key, f"{kind}/{record_id}".encode(), hashlib.sha256).hexdigest()
        return digest[:NAME_LETTERS]


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture to write, with what the table says of it."""

    portal: str
    case: TeachingCase
    taxonomy: str
    image: TeachingImage


@contextmanager
def unfinished(out: Path) -> Iterator[Folder]:
    """The folder beside ``out`` in which its export is being made, begun or taken up again, and locked.

    Raises:
        ExportRefused: ``out`` holds something, or another export to it is running.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportRefused(f"{out} is there already: give a folder that is empty or not there, or remove it first.")
    path = out.with_name(f".{out.name}.unfinished")
    out.parent.mkdir(parents=True, exist_ok=True)
    for folder in (path, path / "images", path / "masks"):
        folder.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path / KEY, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportRefused(f"Another export to {out} is running: wait for it, or choose another folder.") from None
        yield Folder(path, _key(file.read()) or _new_key(path / KEY))


def write(*, folder: Folder, portals: Mapping[str, Teaching], store: Objects, out: Path, since: datetime | None) -> Written:
    """Fetch what is not there yet, write the table, and give the folder its name: ``out`` appears whole or not at all.

    ``portals``: what to write, by the portals' short names. Raises StoreUnavailable; what was fetched stays for the next try.
    """
    left_out: Counter[str] = Counter()
    pictures: list[_Picture] = []
    for portal, teaching in portals.items():
        left_out.update({reason.value: count for reason, count in teaching.left_out.items()})
        for case in teaching.cases:
            taxonomy = taxonomy_for(case)
            if taxonomy is None:
                left_out[UNKNOWN_CLASS] += 1
            else:
                pictures += [_Picture(portal, case, taxonomy, image) for image in case.images]
    found = _fetched(folder, store, pictures)
    rows = [row for row in found if row is not None]
    _write_table(folder.path / EXPORTED, rows)
    written = _written(pictures, found, left_out)
    summary = {"portals": list(portals), "since": since.isoformat() if since else None, **asdict(written)}
    (folder.path / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _finish(folder.path, rows, out)
    return written


def taxonomy_for(case: TeachingCase) -> str | None:
    """The taxonomy in which the diagnosis was chosen: one that has it and the whole list it was chosen from, else one that has it."""
    first = ["isic2019", *(name for name in TAXONOMIES if name != "isic2019")]
    for chosen in ({case.diagnosis, *case.listed}, {case.diagnosis}):
        for name in first:
            if chosen <= set(TAXONOMIES[name].codes):
                return name
    return None


def _fetched(folder: Folder, store: Objects, pictures: Sequence[_Picture]) -> list[Row | None]:
    """The line of each picture, None where the store has no such picture."""
    rows: list[Row | None] = []
    with ThreadPoolExecutor(THREADS, "export") as pool:
        for start in range(0, len(pictures), AHEAD):
            rows += pool.map(lambda each: _row(folder, store, each), pictures[start : start + AHEAD])
    return rows


def _row(folder: Folder, store: Objects, each: _Picture) -> Row | None:
    case, image = each.case, each.image
    picture = _picture(folder, store, image)
    if picture is None:
        return None
    mask = _mask(folder, store, image)
    return Row(
        image=picture,
        mask=mask,
        mask_by=("reader" if image.mask_drawn else "model") if mask else "",
        diagnosis=case.diagnosis,
        taxonomy=each.taxonomy,
        decision=case.decision.value,
        lesion=folder.name("lesion", case.lesion_id) if case.lesion_id else folder.name("case", case.id),
        patient=folder.name("patient", case.patient_id),
        source=each.portal,
        modality=image.modality.value,
        age="" if case.age is None else str(min(case.age, OLDEST)),
        sex=case.sex.value if case.sex else "",
        # The portal's own words might say more than where: only a place that everybody has goes out.
        site=fields.site(case.body_site or "") or "",
        fitzpatrick="" if case.fitzpatrick is None else str(case.fitzpatrick),
    )


def _written(pictures: Sequence[_Picture], rows: Sequence[Row | None], left_out: Counter[str]) -> Written:
    whole = [(each, row) for each, row in zip(pictures, rows, strict=True) if row is not None]
    lost = {
        PICTURE_MISSING: len(pictures) - len(whole),
        MASK_MISSING: sum(each.image.mask_key is not None and not row.mask for each, row in whole),
    }
    cases, patients = {each.case.id for each, _ in whole}, {each.case.patient_id for each, _ in whole}
    return Written(len(cases), len(whole), len(patients), dict(left_out), {what: count for what, count in lost.items() if count})


def _picture(folder: Folder, store: Objects, image: TeachingImage) -> str | None:
    """The path of the picture in the export; None where the store has none."""
    name = f"images/{folder.name('image', image.id)}"
    for suffix in SUFFIXES.values():
        if (folder.path / (name + suffix)).exists():
            return name + suffix
    try:
        data = store.get(image.view_key)
    except ObjectMissing:
        return None
    suffix = next((suffix for start, suffix in SUFFIXES.items() if data.startswith(start)), ".jpg")
    _write_whole(folder.path / (name + suffix), data)
    return name + suffix


def _mask(folder: Folder, store: Objects, image: TeachingImage) -> str:
    """The path of the mask in the export, or nothing. Fetched anew each time: a reader may have drawn another one meanwhile."""
    if image.mask_key is None:
        return ""
    name = f"masks/{folder.name('image', image.id)}.png"
    try:
        _write_whole(folder.path / name, store.get(image.mask_key))
    except ObjectMissing:
        return ""
    return name


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*Row.__dataclass_fields__])
        table.writeheader()
        table.writerows(asdict(row) for row in rows)


def _finish(path: Path, rows: Sequence[Row], out: Path) -> None:
    """Remove what an earlier try fetched and this one left out (a consent taken back), then the key; the name comes last."""
    kept = {name for row in rows for name in (row.image, row.mask)}
    for file in [*(path / "images").iterdir(), *(path / "masks").iterdir()]:
        if file.relative_to(path).as_posix() not in kept:
            file.unlink()
    (path / KEY).unlink()
    path.rename(out)


def _key(kept: bytes) -> bytes | None:
    return kept if len(kept) == hashlib.sha256().digest_size else None


def _new_key(path: Path) -> bytes:
    key = secrets.token_bytes(hashlib.sha256().digest_size)
    path.write_bytes(key)
    return key
