"""Decided cases as a data set to train on: pictures, masks and one table, under names that lead back to nobody.

Names are keyed hashes of the records' ids. The key lies in the unfinished folder alone, so that an interrupted export goes on under
the same names, and is deleted with the last step: whoever has the folder cannot say whose picture is whose. The register of exports
(:mod:`services.records.datasets`) knows the names of the pictures, for their erasure alone. Two exports name the same patient
differently and are not to be trained on together; a fuller one replaces an older one.
"""

import csv
import fcntl
import hashlib
import hmac
import io
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
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.identity import SIDE, look
from models.taxonomy import TAXONOMIES
from services.objects import ObjectMissing, Objects
from services.records.datasets import keep_images, keep_manifest
from services.records.export import Teaching, TeachingCase, TeachingImage
from services.records.states import IdentityState
from workers.pruning import SUMMARY, Transaction

KEY = "key"
NAME_LETTERS = 16  # of 4 bits: names of a million pictures do not collide
THREADS, AHEAD = 8, 256
OLDEST = 90  # years: whoever is older could be found by their age alone
UNKNOWN_CLASS, PICTURE_MISSING, MASK_MISSING = "class_of_no_taxonomy", "picture_missing", "mask_missing"
MAY_IDENTIFY, ERASED = "picture_may_identify", "patient_erased"
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
    """What an export holds. ``left_out``: cases by reason; ``incomplete``: pictures and masks that are not there.

    They are counted by reason: the store did not have them, or they may tell who the patient is and no human has cleared them.
    """

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

    @property
    def export_id(self) -> UUID:
        """The number under which the register knows this export: the same as long as it is unfinished."""
        return UUID(bytes=hmac.new(self.key, b"export", hashlib.sha256).digest()[:16], version=4)


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


def write(
    *, folder: Folder, portals: Mapping[str, Teaching], store: Objects, out: Path, since: datetime | None, transaction: Transaction
) -> Written:
    """Fetch what is not there yet, write the table, and give the folder its name: ``out`` appears whole or not at all.

    ``portals``: what to write, by the portals' short names. ``transaction``: of the owner's login, to register what leaves; pictures
    of patients who were erased meanwhile are left out. Raises StoreUnavailable; what was fetched stays for the next try.
    """
    left_out: Counter[str] = Counter()
    held = sum(teaching.held for teaching in portals.values())
    pictures: list[_Picture] = []
    for portal, teaching in portals.items():
        left_out.update({reason.value: count for reason, count in teaching.left_out.items()})
        for case in teaching.cases:
            taxonomy = taxonomy_for(case)
            if taxonomy is None:
                left_out[UNKNOWN_CLASS] += 1
            else:
                pictures += [_Picture(portal, case, taxonomy, image) for image in case.images]
    found = _registered(folder, pictures, _fetched(folder, store, pictures), out.name, transaction)
    rows = [row for row in found if isinstance(row, Row)]
    written = _written(pictures, found, left_out, held)
    said = {"export": str(folder.export_id), "portals": list(portals), "since": since.isoformat() if since else None}
    summary = {**said, **asdict(written)}
    (folder.path / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _finish(folder.path, rows, out)
    return written


def _registered(
    folder: Folder, pictures: Sequence[_Picture], found: Sequence[Row | str], name: str, transaction: Transaction
) -> list[Row | str]:
    """The lines of pictures that may leave; the table of them is written and known to the register, or neither."""
    lines = list(zip(pictures, found, strict=True))
    names = {each.image.id: Path(row.image).stem for each, row in lines if isinstance(row, Row)}
    with transaction() as session:
        alive = keep_images(session=session, export_id=folder.export_id, name=name, images=names)
        kept = [ERASED if isinstance(row, Row) and each.image.id not in alive else row for each, row in lines]
        table = _table([row for row in kept if isinstance(row, Row)])
        (folder.path / EXPORTED).write_bytes(table)
        keep_manifest(session=session, export_id=folder.export_id, sha256=hashlib.sha256(table).hexdigest())
    return kept


def taxonomy_for(case: TeachingCase) -> str | None:
    """The taxonomy in which the diagnosis was chosen: one that has it and the whole list it was chosen from, else one that has it."""
    first = ["isic2019", *(name for name in TAXONOMIES if name != "isic2019")]
    for chosen in ({case.diagnosis, *case.listed}, {case.diagnosis}):
        for name in first:
            if chosen <= set(TAXONOMIES[name].codes):
                return name
    return None


def _fetched(folder: Folder, store: Objects, pictures: Sequence[_Picture]) -> list[Row | str]:
    """The line of each picture, or why there is none."""
    rows: list[Row | str] = []
    with ThreadPoolExecutor(THREADS, "export") as pool:
        for start in range(0, len(pictures), AHEAD):
            rows += pool.map(lambda each: _row(folder, store, each), pictures[start : start + AHEAD])
    return rows


def _row(folder: Folder, store: Objects, each: _Picture) -> Row | str:
    case, image = each.case, each.image
    picture = _picture(folder, store, image)
    if picture is None:
        return PICTURE_MISSING
    if image.identity_state is IdentityState.UNCHECKED and _may_identify((folder.path / picture).read_bytes()):
        return MAY_IDENTIFY
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


def _written(pictures: Sequence[_Picture], rows: Sequence[Row | str], left_out: Counter[str], held: int) -> Written:
    whole = [(each, row) for each, row in zip(pictures, rows, strict=True) if isinstance(row, Row)]
    lost = {
        PICTURE_MISSING: rows.count(PICTURE_MISSING),
        ERASED: rows.count(ERASED),
        MAY_IDENTIFY: rows.count(MAY_IDENTIFY) + held,
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


def _may_identify(data: bytes) -> bool:
    """Whether writing is seen in a picture that no worker has looked at: it came before workers did, or could not be analysed."""
    try:
        return bool(look(decode(data, min_side=SIDE).rgb))
    except PictureRefused:
        return True


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


def _table(rows: Sequence[Row]) -> bytes:
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, [*Row.__dataclass_fields__])
    table.writeheader()
    table.writerows(asdict(row) for row in rows)
    return out.getvalue().encode()


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
