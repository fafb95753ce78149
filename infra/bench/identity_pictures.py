"""Pictures with and without writing, apart for tuning and for measuring: by patient, lesion, typeface and device sample."""

import csv
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.types import Rgb
from models.preprocess import to_working_size

TTF = Path(mpl.get_data_path()) / "fonts" / "ttf"


class Part(StrEnum):
    """Tuned on, or measured on and never looked at before."""

    DEVELOPMENT = "development"
    HELD_OUT = "held-out"


# (typeface, drawn by Pillow) or a number of OpenCV's strokes, which many devices use alike.
FACES: dict[Part, tuple[str | int, ...]] = {
    Part.DEVELOPMENT: ("DejaVuSans.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSerif.ttf", cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX),
    Part.HELD_OUT: (
        "cmr10.ttf",
        "cmtt10.ttf",
        "STIXGeneralBol.ttf",
        "cmss10.ttf",
        cv2.FONT_HERSHEY_COMPLEX_SMALL,
        cv2.FONT_HERSHEY_TRIPLEX,
    ),
}
# The classic samples of NEMA's working group 4; the two sets share no picture. VL4 and VL5 have no writing.
DEVICE_SAMPLES: dict[Part, tuple[str, ...]] = {Part.DEVELOPMENT: ("VL1", "VL6"), Part.HELD_OUT: ("VL2", "VL3")}
COLOURS = ((255, 255, 255), (255, 255, 0), (0, 255, 0), (255, 60, 60), (0, 0, 0), (20, 20, 90), (240, 240, 240), (0, 255, 255))
NAMES = ("Mueller", "Schmidt", "Garcia", "O'Neill", "Yilmaz", "Nowak", "Rossi", "Andersson", "Kowalska", "Haddad", "Tanaka", "Silva")
FIRST = ("Anna", "Peter", "Maria", "Jan", "Fatima", "Luis", "Ingrid", "Tom", "Keiko", "Paula")


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture at working size. ``letters``: the height of its capitals in px there, 0 where nothing is known; "" ``words``: none."""

    source: str
    name: str
    picture: Rgb
    words: str = ""
    letters: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """Words and where, in which typeface, how high and in which colour they are drawn."""

    words: str
    x: int
    y: int
    face: str | int
    letters: float
    colour: tuple[int, int, int]


def part_of(key: str) -> Part:
    """A half for tuning, a half for measuring, by the patient's or the lesion's name."""
    return Part.DEVELOPMENT if hashlib.sha256(f"identity/{key}".encode()).digest()[0] % 2 else Part.HELD_OUT


def skin(data: Path, part: Part, *, most: int) -> Iterator[Sample]:
    """Real pictures of skin, at most ``most`` of each source, as they are."""
    for source, (folder, key) in sources(data).items():
        files = [path for path in sorted(folder.glob("*.jpg")) if part_of(key(path.stem)) is part]
        for path in random.Random(source).sample(files, min(most, len(files))):  # noqa: S311  # no secret
            yield Sample(source, path.stem, _working(path.read_bytes()))


def sources(data: Path) -> dict[str, tuple[Path, Callable[[str], str]]]:
    """The folder of each source, and what its pictures have in common that must not stand on both sides."""
    lesions = _column(data / "ham10000" / "labels.csv", "image_id", "lesion_id")
    task1 = _column(data / "isic2018_task1" / "labels.csv", "image_id", "lesion_id")
    return {
        "HAM10000 (dermoscopic, 256 px)": (data / "ham10000" / "images", lambda stem: lesions.get(stem) or stem),
        "ISIC 2018 task 1 (dermoscopic, 512 px)": (data / "isic2018_task1" / "images", lambda stem: task1.get(stem) or stem),
        "UDA-1 originals (dermoscopic, ~1000 px)": (data / "uda1_originals" / "images", lambda stem: stem),
        "PAD-UFES-20 (smartphone, 300 px)": (data / "pad_ufes_20" / "images", _patient),
        "healthy skin (smartphone, 256 px)": (data / "ood" / "healthy_skin_smartphone", _patient),
    }


def written(samples: Sequence[Sample], part: Part, *, seed: int) -> Iterator[Sample]:
    """Each picture with one or two lines of a patient's data drawn into it, as devices and apps do, and saved as a JPEG again."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    for sample in samples:
        letters = rng.uniform(6, 34)
        picture, words = _drawn(sample.picture, rng, rng.choice(FACES[part]), letters)
        quality = rng.randint(70, 96)
        _, stored = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        again = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB), np.uint8)
        yield Sample(sample.source, sample.name, again, words, letters)


def device_samples(data: Path, part: Part) -> Iterator[Sample]:
    """Pictures of endoscopes and cameras with a patient's data burnt in: whole, and their four halves where these have writing."""
    for path in sorted((data / "dicom" / "nema_wg04_visible_light").glob("*/VL*.dcm")):
        if not path.stem.startswith(DEVICE_SAMPLES[part]):
            continue
        try:
            whole = _working(path.read_bytes())
        except PictureRefused:
            continue
        height, width = whole.shape[:2]
        places = {"whole": (0, height, 0, width), "upper": (0, height // 2, 0, width), "left": (0, height, 0, width // 2)}
        for name, (top, bottom, left, right) in places.items():
            half = np.ascontiguousarray(whole[top:bottom, left:right])
            yield Sample("NEMA WG-04", f"{path.stem} {name}", half, "burnt in by the device")


def _working(data: bytes) -> Rgb:
    return to_working_size(decode(data, min_side=512).rgb)


def _patient(stem: str) -> str:
    return "_".join(stem.split("_")[:2])


def _column(path: Path, key: str, value: str) -> Mapping[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row[key]: row[value] for row in csv.DictReader(file)}


def _drawn(picture: Rgb, rng: random.Random, face: str | int, letters: float) -> tuple[Rgb, str]:
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    letters = min(letters, height / 6)
    lines = [_line(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    x, y = rng.randint(2, max(3, width // 4)), rng.choice((rng.uniform(0.02, 0.1), rng.uniform(0.3, 0.9))) * height
    y = min(y, height - 1.5 * letters * len(lines) - 2)
    colour = _seen(canvas, rng, int(y))
    for number, line in enumerate(lines):
        _put(canvas, Line(line, x, int(max(1, y + 1.6 * letters * number)), face, letters, colour))
    return canvas, " / ".join(lines)


def _seen(canvas: Rgb, rng: random.Random, y: int) -> tuple[int, int, int]:
    """A colour that can be read where it is written: 60 grey levels or more from what is there, or 120 in one of its colours."""
    there = canvas[max(0, y) : y + 30].mean(axis=(0, 1))
    grey = np.asarray((0.299, 0.587, 0.114))
    apart = {colour: np.asarray(colour) - there for colour in COLOURS}
    return rng.choice([colour for colour, by in apart.items() if abs(grey @ by) > 60 or np.abs(by).max() > 120])


def _put(canvas: Rgb, line: "Line") -> None:
    if isinstance(line.face, int):
        scale = cv2.getFontScaleFromHeight(line.face, max(4, round(line.letters)), 1)
        thickness = max(1, round(line.letters / 12))
        below = line.y + round(line.letters)
        cv2.putText(canvas, line.words, (line.x, below), line.face, scale, line.colour, thickness, cv2.LINE_AA)
        return
    font = ImageFont.truetype(str(TTF / line.face), round(line.letters / 0.73))
    image = Image.fromarray(canvas)
    ImageDraw.Draw(image).text((line.x, line.y), line.words, fill=line.colour, font=font)
    canvas[:] = np.asarray(image)


def _line(rng: random.Random) -> str:
    date = f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.{rng.randint(1930, 2026)}"
    name = f"{rng.choice(NAMES)}, {rng.choice(FIRST)}"
    number = str(rng.randint(10_000, 99_999_999))
    return rng.choice((name, f"{name} {date}", date, f"ID {number}", f"{number} {name}", f"Pat: {name}", name.upper()))
