"""A report as PDF: A4, tagged, bookmarked, type embedded. The same content gives the same bytes, on any day and in any process.

Imported late, by who prints: ReportLab costs a process some 12 MB that one which never prints should not have.
"""

import io
from typing import Any

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Spacer

from services.exchange.report_drawing import INK, RULE, SOFT
from services.exchange.report_fonts import PLAIN, STRONG, printable, register_fonts
from services.exchange.report_model import Report, Section, Summary
from services.exchange.report_pdf_blocks import WIDTH, Flow, flow, kept, notice, panel
from services.exchange.report_pdf_canvas import Element, ReportCanvas
from services.exchange.report_pdf_parts import paragraph

MARGIN = (A4[0] - WIDTH) / 2
TOP, BOTTOM = 50.0, 52.0


def print_report(report: Report) -> bytes:
    """The PDF of a report."""
    register_fonts()
    # Text as binary streams: a quarter smaller than as letters.
    rl_config.useA85 = 0
    root = Element("Document")
    out = io.BytesIO()
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        invariant=1,
        pageCompression=1,
        lang=report.language,
        title=f"{report.title} · {report.portal}",
        author=report.portal,
        subject=report.subject,
        creator="Dermatrail",
        keywords=f"{report.document} {report.version} {report.fingerprint}",
    )
    frame = Frame(MARGIN, BOTTOM, WIDTH, A4[1] - TOP - BOTTOM, 0, 0, 0, 0, id="body")
    document.addPageTemplates([PageTemplate(id="page", frames=[frame])])

    def canvas(*args: Any, **options: Any) -> ReportCanvas:
        return ReportCanvas(
            *args, root=root, dated=report.dated, foot=lambda page, number, count: _edges(page, report, number, count), **options
        )

    document.build(_story(report, root), canvasmaker=canvas)
    return out.getvalue()


class _Bookmark(Flowable):  # type: ignore[misc]
    """Where a section begins, for the outline."""

    def __init__(self, name: str, title: str) -> None:
        super().__init__()
        self._name, self._title = name, title

    def wrap(self, *_: float) -> tuple[float, float]:
        """It takes no room."""
        return 0, 0

    def draw(self) -> None:
        """At the upper edge of what follows."""
        self.canv.bookmarkHorizontal(self._name, 0, 18)
        self.canv.addOutlineEntry(self._title, self._name, 0)


def _story(report: Report, root: Element) -> Flow:
    top = root.add("Sect")
    story: Flow = [
        paragraph(report.portal, "portal", top),
        paragraph(report.title, "title", top, "H1"),
        Spacer(0, 2),
        paragraph(" · ".join(f"{fact.label} {fact.text}" for fact in report.masthead), "caption", top),
        Spacer(0, 9),
        _Bookmark("result", report.summary.label),
        panel(_summary(report.summary, top)),
        Spacer(0, 4),
    ]
    for section in report.sections:
        story += _section(section, root.add("Sect"))
    return story


def _section(section: Section, element: Element) -> Flow:
    """The title never stands alone at the foot of a page."""
    title: Flow = [Spacer(0, 9), _Bookmark(section.name, section.title), paragraph(section.title, "section", element, "H2"), Spacer(0, 4)]
    first, *others = section.blocks
    made: Flow = [kept([*title, *flow(first, element)])]
    for block in others:
        made += flow(block, element)
    return made


def _summary(summary: Summary, element: Element) -> Flow:
    made: Flow = [paragraph(summary.label, "label", element), Spacer(0, 2), paragraph(summary.headline, "headline", element)]
    if summary.detail:
        made.append(paragraph(summary.detail, "soft", element))
    made += [Spacer(0, 5), paragraph(summary.management, "management", element), Spacer(0, 5)]
    inner = WIDTH - 25
    for fact in summary.facts:
        made.append(paragraph(f"{fact.label}: {fact.text}", "body", element))
    for said in summary.notices:
        made += [Spacer(0, 4), *notice(said, element, width=inner)]
    if summary.note:
        made += [Spacer(0, 6), paragraph(summary.note_label, "label", element), paragraph(summary.note, "body", element)]
    return made


def _fitted(page: Any, text: str, width: float) -> str:
    """As much of a line as there is room for."""
    whole = text
    while page.stringWidth(text, PLAIN, 7.4) > width:
        text = text[:-1]
    return text if text == whole else f"{text[:-1]}…"


def _edges(page: Any, report: Report, number: int, count: int) -> None:
    """What every page tells: whose it is, which document, which page of how many."""
    page.saveState()
    page.setStrokeColor(HexColor(RULE))
    page.setLineWidth(0.6)
    page.line(MARGIN, BOTTOM - 12, A4[0] - MARGIN, BOTTOM - 12)
    page.setFillColor(HexColor(SOFT))
    page.setFont(PLAIN, 7.4)
    page.drawString(MARGIN, BOTTOM - 23, printable(report.foot))
    if number > 1:
        page.drawString(MARGIN, A4[1] - TOP + 16, _fitted(page, printable(report.head), WIDTH))
        page.line(MARGIN, A4[1] - TOP + 10, A4[0] - MARGIN, A4[1] - TOP + 10)
    page.setFillColor(HexColor(INK))
    page.setFont(STRONG, 7.4)
    page.drawRightString(A4[0] - MARGIN, BOTTOM - 23, report.page.format(number=number, count=count))
    page.restoreState()
