"""What a report consists of, before it is drawn on pages or written as HTML: plain values, every word already in its language."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.exchange.report_drawing import Drawing


class Tone(StrEnum):
    """How a statement is marked. Never by colour alone: each has a sign of its own."""

    GOOD = "good"
    ATTENTION = "attention"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Fact:
    """A label with its value; ``wide`` ones have a line of their own."""

    label: str
    text: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with their values, in the order of reading."""

    rows: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; line breaks count. ``soft``: beside the point. ``heading``: of a part of a section."""

    text: str
    soft: bool = False
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A judgement in words."""

    tone: Tone
    title: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One class; ``share``: 0..1 of the track; ``named``: the model stands for it."""

    label: str
    text: str
    share: float
    malignant: bool
    named: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """Bars under a caption, the longest first; ``legend`` says what the marked ones are."""

    caption: str
    bars: tuple[Bar, ...]
    legend: str


@dataclass(frozen=True, slots=True)
class Table:
    """``numeric``: which columns are figures, set flush right. ``widths``: their shares of the width."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    widths: tuple[float, ...]
    strong: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG at print size, with its caption and what is drawn over it: vectors whose unit is the picture's width.

    ``jpeg`` is empty where the picture is not in the archive any more. ``alt``: what it shows, for who cannot see it.
    """

    jpeg: bytes
    width: int
    height: int
    caption: str
    alt: str
    overlay: Drawing | None


@dataclass(frozen=True, slots=True)
class Pictures:
    """The leading picture, large, and the others."""

    lead: Picture
    others: tuple[Picture, ...]
    more: str = ""


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts beside each other."""

    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """Small pictures in the order of time."""

    pictures: tuple[Picture, ...]


Block = Facts | Text | Notice | Ranking | Table | Pictures | Charts | Strip


@dataclass(frozen=True, slots=True)
class Section:
    """``name``: the same in every language, for anchors."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What must not be overlooked: the decision, and what is to be done."""

    label: str
    headline: str
    detail: str
    management: str
    facts: tuple[Fact, ...]
    notices: tuple[Notice, ...]
    note_label: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report.

    ``fingerprint``: of everything that it says; ``dated``: when the decision was signed; ``head``, ``foot``: on every page.
    """

    language: str
    title: str
    subject: str
    portal: str
    document: str
    version: str
    fingerprint: str
    dated: datetime
    masthead: tuple[Fact, ...]
    summary: Summary
    sections: tuple[Section, ...]
    head: str
    foot: str
    page: str
