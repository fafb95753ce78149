"""The building stones of a report's pages: paragraphs, drawings and pictures that belong to an element of the document's structure."""

import io
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Paragraph

from services.exchange.report_drawing import INK, SOFT, Drawing
from services.exchange.report_fonts import PLAIN, STRONG, printable
from services.exchange.report_model import Picture
from services.exchange.report_pdf_canvas import Element
from services.exchange.report_pdf_drawing import draw

# size, leading, strong, colour
_SHAPES: dict[str, tuple[float, float, bool, str]] = {
    "body": (9.2, 12.2, False, INK),
    "strong": (9.2, 12.2, True, INK),
    "soft": (8.2, 10.8, False, SOFT),
    "caption": (7.9, 10.2, False, SOFT),
    "fact": (8.2, 12.2, False, SOFT),
    "label": (7.6, 10.0, True, SOFT),
    "cell": (8.4, 10.8, False, INK),
    "cell_strong": (8.4, 10.8, True, INK),
    "figure": (8.4, 10.8, False, INK),
    "figure_strong": (8.4, 10.8, True, INK),
    "figure_label": (7.6, 10.0, True, SOFT),
    "title": (19.0, 23.0, True, INK),
    "section": (12.2, 15.0, True, INK),
    "heading": (9.2, 12.2, True, INK),
    "headline": (17.0, 20.5, True, INK),
    "management": (12.4, 15.4, True, INK),
    "portal": (10.4, 13.0, True, SOFT),
}


def style(name: str) -> ParagraphStyle:
    """One of the few sizes that a report has."""
    size, leading, strong, colour = _SHAPES[name]
    values: dict[str, Any] = {"fontName": STRONG if strong else PLAIN, "fontSize": size, "leading": leading, "textColor": HexColor(colour)}
    aligned = {"alignment": TA_RIGHT} if name.startswith("figure") else {}
    return ParagraphStyle(name, splitLongWords=1, embeddedHyphenation=1, allowWidows=0, allowOrphans=0, **values, **aligned)


class Words(Paragraph):  # type: ignore[misc]
    """A paragraph of plain text that belongs to an element."""

    element: Element | None = None

    def draw(self) -> None:
        """As the element's, where it has one."""
        if self.element is None:
            super().draw()
            return
        self.canv.begin(self.element)
        super().draw()
        self.canv.end()

    def split(self, width: float, height: float) -> list["Words"]:
        """The parts on two pages belong to the same element."""
        parts: list[Words] = super().split(width, height)
        for part in parts:
            part.element = self.element
        return parts


def paragraph(text: str, look: str, element: Element | None, kind: str = "P") -> Words:
    """Plain text, line breaks kept, as a new ``kind`` inside ``element``; None: no part of the structure."""
    made = Words(escape(printable(text)).replace("\n", "<br/>"), style(look))
    made.element = element.add(kind) if element else None
    return made


class Drawn(Flowable):  # type: ignore[misc]
    """A drawing of a given width; ``element`` None: an ornament."""

    def __init__(self, drawing: Drawing, width: float, element: Element | None) -> None:
        super().__init__()
        self._drawing, self._element = drawing, element.add("Figure", drawing.alt) if element else None
        self.width, self.height = width, width * drawing.height / drawing.width

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size is known."""
        return self.width, self.height

    def draw(self) -> None:
        """Vectors."""
        if self._element:
            self.canv.begin(self._element)
        draw(self.canv, self._drawing, width=self.width, height=self.height)
        if self._element:
            self.canv.end()


class _Jpeg(ImageReader):  # type: ignore[misc]
    """A JPEG that goes into the file as it is. ReportLab would decode it all the same, only to tell it from others."""

    _dataA = None  # noqa: N815 - ReportLab's name

    def getRGBData(self) -> bytes:  # noqa: N802 - ReportLab's name
        """What it is told by: its bytes."""
        data: bytes = self.fp.getvalue()
        return data


class Photograph(Flowable):  # type: ignore[misc]
    """A picture with what is drawn over it; a grey field where it is not there any more."""

    def __init__(self, picture: Picture, width: float, tallest: float, element: Element) -> None:
        super().__init__()
        self._picture, self._element = picture, element.add("Figure", picture.alt)
        self.width = min(width, tallest * picture.width / picture.height)
        self.height = self.width * picture.height / picture.width

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size is known."""
        return self.width, self.height

    def draw(self) -> None:
        """The JPEG as it is, and vectors over it."""
        self.canv.begin(self._element)
        self.canv.setFillColor(HexColor("#dde2e7"))
        self.canv.rect(0, 0, self.width, self.height, stroke=0, fill=1)
        if self._picture.jpeg:
            self.canv.drawImage(_Jpeg(io.BytesIO(self._picture.jpeg)), 0, 0, self.width, self.height)
        if self._picture.overlay:
            draw(self.canv, self._picture.overlay, width=self.width, height=self.height)
        self.canv.end()


class Track(Flowable):  # type: ignore[misc]
    """A bar of ``share`` on its track."""

    def __init__(self, share: float, width: float, colour: str) -> None:
        super().__init__()
        self._share, self._colour = share, colour
        self.width, self.height = width, 6.0

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size is known."""
        return self.width, self.height + 2.2

    def draw(self) -> None:
        """The figure beside it says the same."""
        self.canv.setFillColor(HexColor("#e6eaee"))
        self.canv.rect(0, 0, self.width, self.height, stroke=0, fill=1)
        self.canv.setFillColor(HexColor(self._colour))
        self.canv.rect(0, 0, self.width * self._share, self.height, stroke=0, fill=1)
