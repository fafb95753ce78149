"""The canvas of a report: counts its pages, and writes the structure of the document, so that a screen reader knows what is what.

ReportLab draws; it does not tag. What is drawn between ``begin`` and ``end`` becomes a marked piece of an element of the structure
(ISO 32000-1, 14.7 and 14.8); everything else on the page is an artifact of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

ARTIFACT = "/Artifact BMC"


@dataclass(slots=True)
class Element:
    """An element of the structure: P, H1, Figure, Table … ``pieces``: its marked pieces as (page, number); ``alt`` of a figure."""

    kind: str
    alt: str = ""
    children: list["Element"] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def add(self, kind: str, alt: str = "") -> "Element":
        """A new element inside this one."""
        self.children.append(Element(kind, alt))
        return self.children[-1]


class ReportCanvas(Canvas):  # type: ignore[misc]
    """Keeps its pages until their number is known; then draws the foot of each."""

    def __init__(self, *args: Any, root: Element, dated: datetime, foot: Callable[[Canvas, int, int], None], **options: Any) -> None:
        super().__init__(*args, **options)
        _date(self._doc, dated)
        self._root, self._foot = root, foot
        self._kept: list[dict[str, Any]] = []
        self._marks = 0
        self._owners: list[list[Element]] = []
        self._open: list[bool] = []
        self._code.append(ARTIFACT)

    def begin(self, element: Element) -> None:
        """What is drawn from here belongs to ``element``. A piece inside a piece belongs to the outer one."""
        self._open.append(not self._open)
        if not self._open[-1]:
            return
        page = len(self._kept)
        while len(self._owners) <= page:
            self._owners.append([])
        self._owners[page].append(element)
        element.pieces.append((page, self._marks))
        self._code.append(f"EMC /{element.kind} <</MCID {self._marks}>> BDC")
        self._marks += 1

    def end(self) -> None:
        """The end of what ``begin`` began."""
        if self._open.pop():
            self._code.append(f"EMC {ARTIFACT}")

    def showPage(self) -> None:  # noqa: N802 - ReportLab's name
        """Keep the page for later. Bookmarks name pages by this counter of the document."""
        self._kept.append(dict(self.__dict__))
        self._doc.pageCounter += 1
        self._marks = 0
        self._startPage()
        self._code.append(ARTIFACT)

    def save(self) -> None:
        """Draw the feet, write every page and the structure."""
        kept, owners, root = self._kept, self._owners, self._root
        self._doc.pageCounter -= len(kept)
        for number, state in enumerate(kept, 1):
            self.__dict__.update(state)
            self._foot(self, number, len(kept))
            self._code.append("EMC")
            super().showPage()
        _write_structure(self._doc, root, owners)
        super().save()


def _date(document: Any, moment: datetime) -> None:
    """The file is as old as what it says: not of now, and not of ReportLab's stand-in for it."""
    stamp = document._timeStamp  # noqa: SLF001 - there is no other way to it
    stamp.t, stamp.lt = moment.timestamp(), moment.utctimetuple()
    stamp.YMDhms, stamp.dhh, stamp.dmm = tuple(stamp.lt)[:6], 0, 0


def _write_structure(document: Any, root: Element, owners: list[list[Element]]) -> None:
    pages = document.Pages.pages
    for number, page in enumerate(pages):
        page.__NoDefault__ = [*page.__NoDefault__, "StructParents", "Tabs"]
        page.StructParents, page.Tabs = number, pdfdoc.PDFName("S")
    tree = pdfdoc.PDFDictionary({"Type": pdfdoc.PDFName("StructTreeRoot"), "ParentTreeNextKey": len(pages)})
    top = document.Reference(tree)
    references: dict[int, Any] = {}
    tree["K"] = _write_element(document, root, top, pages, references)
    numbers: list[Any] = []
    for number, page_owners in enumerate(owners):
        numbers += [number, pdfdoc.PDFArray([references[id(element)] for element in page_owners])]
    tree["ParentTree"] = document.Reference(pdfdoc.PDFDictionary({"Nums": pdfdoc.PDFArray(numbers)}))
    document.Catalog.StructTreeRoot = tree
    document.Catalog.MarkInfo = pdfdoc.PDFDictionary({"Marked": pdfdoc.PDFtrue})
    document.Catalog.ViewerPreferences = pdfdoc.PDFDictionary({"DisplayDocTitle": pdfdoc.PDFtrue})


def _write_element(document: Any, element: Element, parent: Any, pages: list[Any], references: dict[int, Any]) -> Any:
    entry = pdfdoc.PDFDictionary({"Type": pdfdoc.PDFName("StructElem"), "S": pdfdoc.PDFName(element.kind), "P": parent})
    reference = document.Reference(entry)
    references[id(element)] = reference
    kids: list[Any] = [
        pdfdoc.PDFDictionary({"Type": pdfdoc.PDFName("MCR"), "Pg": document.Reference(pages[page]), "MCID": mark})
        for page, mark in element.pieces
    ]
    kids += [_write_element(document, child, reference, pages, references) for child in element.children]
    entry["K"] = pdfdoc.PDFArray(kids)
    if element.alt:
        entry["Alt"] = pdfdoc.PDFString(element.alt)
    if element.kind == "TH":
        entry["A"] = pdfdoc.PDFDictionary({"O": pdfdoc.PDFName("Table"), "Scope": pdfdoc.PDFName("Column")})
    return reference
