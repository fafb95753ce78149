"""What the demonstration submits: its own drawn cases, or one case for each image of a folder."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import pillow_heif
from PIL import Image

from infra.demo.dicom import dermoscopic_dicom
from infra.demo.visits import drawn_visits
from models.pictures.types import Rgb
from models.synthetic import Kind, SyntheticPicture, draw, draw_scene

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".dcm": "application/dicom",
}
KIND_SEQUENCE = (Kind.NAEVUS, Kind.MELANOMA, Kind.NAEVUS, Kind.KERATOSIS, Kind.BCC, Kind.NAEVUS, Kind.VASCULAR, Kind.MELANOMA)
# By number; the others are JPEG. One HEIC is enough: its encoder takes over a second.
FORMATS = {2: ".png", 4: ".webp", 6: ".tif", 9: ".heic", 14: ".png", 16: ".webp", 18: ".tif"}
URGENCIES = ("routine", "routine", "soon", "routine", "urgent")
# (body site, laterality)
PLACES: tuple[tuple[str, str | None], ...] = (
    ("back", "midline"),
    ("forearm", "left"),
    ("chest", "midline"),
    ("thigh", "right"),
    ("scalp", None),
    ("abdomen", "midline"),
    ("calf", "left"),
    ("shoulder", "right"),
)
PATIENTS = 9
PICTURES = 24


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a case. ``read`` gives its bytes when it is sent, so that thousands of files need no memory."""

    filename: str
    read: Callable[[], bytes] = field(repr=False)

    @property
    def media_type(self) -> str:
        """By the file's extension."""
        return MEDIA_TYPES.get(Path(self.filename).suffix.lower(), "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Submission:
    """One case: the JSON part, its files, and whether the intake is expected to refuse it."""

    case: dict[str, Any]
    uploads: tuple[Upload, ...]
    refusal_expected: bool = False


def drawn_cases() -> Iterator[Submission]:
    """A patient's visits over months; 24 lesions of nine patients in six formats, a DICOM file, a street, a JPEG that was cut off."""
    for visit in drawn_visits():
        yield _one_file(visit.case, visit.filename, encode(visit.rgb, ".jpg"))
    for number in range(PICTURES):
        yield _drawn_case(number)
    patient, place = "DEMO-P10", PLACES[0]
    picture = draw(seed=901, kind=Kind.MELANOMA, hair=6)
    dicom = dermoscopic_dicom(rgb=picture.rgb, pixel_spacing_mm=picture.pixel_spacing_mm, patient_id=patient, body_site=place[0])
    yield _one_file(_case(patient, urgency="soon", place=place, notes="Sent by the dermoscope as DICOM."), "dermoscope.dcm", dicom)
    street = encode(draw_scene(seed=902), ".jpg")
    yield _one_file(_case("DEMO-P11", urgency="routine", place=None, notes="A wrong file: no skin."), "street.jpg", street)
    whole = encode(draw(seed=903).rgb, ".jpg")
    broken = _case("DEMO-P12", urgency="routine", place=None, notes="A file that was cut off.")
    yield Submission(case=broken, uploads=(_upload("cut-off.jpg", whole[: len(whole) // 2]),), refusal_expected=True)


def folder_cases(folder: Path) -> Iterator[Submission]:
    """One case for each image under ``folder``, by name. Raises FileNotFoundError when there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_TYPES and path.is_file())
    if not paths:
        raise FileNotFoundError(f"no image under {folder}: known are {', '.join(MEDIA_TYPES)}")
    for number, path in enumerate(paths):
        # A clinic's day: three images a patient keep the worklist and the patient pages alive.
        case = _case(f"FOLDER-P{number // 3 + 1:05d}", urgency=URGENCIES[number % len(URGENCIES)], place=None, notes="")
        yield Submission(case=case, uploads=(Upload(str(path.relative_to(folder)).replace("/", "_"), path.read_bytes),))


def encode(rgb: Rgb, suffix: str, *, jpeg_quality: int = 95) -> bytes:
    """H×W×3 uint8 → the bytes of a file of this extension."""
    if suffix in (".jpg", ".png", ".webp", ".tif"):
        options = (
            [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if suffix == ".jpg" else [cv2.IMWRITE_WEBP_QUALITY, 92] if suffix == ".webp" else []
        )
        return bytes(cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1].tobytes())
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(buffer, quality=90)
    return buffer.getvalue()


def can_encode_heic() -> bool:
    """Whether this build of libheif brings an encoder."""
    return bool(pillow_heif.libheif_info()["HEIF"])


def draw_numbered(number: int, *, width: int = 1024, height: int = 768) -> SyntheticPicture:
    """The ``number``-th of an endless, varied and always equal series of pictures."""
    return draw(
        seed=1000 + number,
        kind=KIND_SEQUENCE[number % len(KIND_SEQUENCE)],
        width=width,
        height=height,
        hair=(0, 4, 0, 14, 2)[number % 5],
        ruler=number % 6 == 3,
        vignette=(0.2, 0.4, 0.3, 0.85, 0.3)[number % 5],
        fitzpatrick=(2, 1, 3, 2, 4, 2, 5)[number % 7],
    )


def _drawn_case(number: int) -> Submission:
    suffix = FORMATS.get(number, ".jpg")
    if suffix == ".heic" and not can_encode_heic():
        suffix = ".jpg"
    wide = number % 8 == 5
    picture = draw_numbered(number, width=1600 if wide else 1024, height=1200 if wide else 768)
    patient = f"DEMO-P{number % PATIENTS + 1:02d}"
    case = _case(patient, urgency=URGENCIES[number % len(URGENCIES)], place=PLACES[number % len(PLACES)], notes="")
    return _one_file(case, f"lesion-{number + 1:02d}{suffix}", encode(picture.rgb, suffix))


def _case(patient: str, *, urgency: str, place: tuple[str, str | None] | None, notes: str) -> dict[str, Any]:
    case: dict[str, Any] = {"patient": {"reference": patient}, "urgency": urgency, "clinical_notes": notes}
    if place:
        case["images"] = [{"modality": "dermoscopic"}]
        case["lesion"] = {"reference": "-".join(filter(None, place)), "body_site": place[0], "laterality": place[1]}
    return case


def _one_file(case: dict[str, Any], filename: str, data: bytes) -> Submission:
    return Submission(case=case, uploads=(_upload(filename, data),))


def _upload(filename: str, data: bytes) -> Upload:
    return Upload(filename, lambda: data)
