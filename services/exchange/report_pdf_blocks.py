"""Each kind of block of a report as flowables of a page."""

from collections.abc import Callable, Sequence
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table

from services.exchange import report_model as model
from services.exchange.report_drawing import ACCENT, MALIGNANT, PANEL, RULE
from services.exchange.report_pdf_canvas import Element
from services.exchange.report_pdf_parts import Drawn, Photograph, Track, paragraph
from services.exchange.report_signs import sign

WIDTH = 493.0  # pt between the margins of A4
GAP = 10.0
KEPT_ROWS = 14  # a table of so many stays on one page
BESIDE = 4  # so many small pictures have room beside the leading one
FLAT = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")]
TIGHT = [*FLAT, ("TOPPADDING", (0, 0), (-1, -1), 1.2), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2)]
Flow = list[Flowable]


class Kept(KeepTogether):  # type: ignore[misc]
    """Parts that stay on one page. ReportLab cannot nest these, so who keeps more together takes the ``parts``."""

    def __init__(self, parts: Flow) -> None:
        super().__init__(parts)
        self.parts = parts


def kept(flow: Flow) -> Kept:
    """All of it on one page."""
    return Kept([part for entry in flow for part in (entry.parts if isinstance(entry, Kept) else [entry])])


def flow(block: model.Block, element: Element) -> Flow:
    """The flowables of a block, inside an element of the structure."""
    made = _MAKERS[type(block)](block, element)
    close = isinstance(block, model.Notice) or (isinstance(block, model.Text) and block.heading)
    return [*made, Spacer(0, 2.5 if close else 6)]


def grid(cells: Sequence[Sequence[Any]], widths: Sequence[float], rules: Sequence[Any] = (), *, repeat: int = 0) -> Table:
    """A table without padding but for what ``rules`` add."""
    return Table(
        [list(row) for row in cells], colWidths=list(widths), style=[*TIGHT, *rules], repeatRows=repeat, splitInRow=1, hAlign="LEFT"
    )


def facts(block: model.Facts, element: Element, *, width: float = WIDTH, label: float = 92.0) -> Flow:
    """Two pairs in a line, wide ones alone."""
    half = (width - GAP) / 2
    pairs = [_pair(fact, element) for fact in block.rows if not fact.wide]
    rows = [[*pairs[i], "", *(pairs[i + 1] if i + 1 < len(pairs) else ("", ""))] for i in range(0, len(pairs), 2)]
    made: Flow = [grid(rows, (label, half - label, GAP, label, half - label))] if rows else []
    wide = [_pair(fact, element) for fact in block.rows if fact.wide]
    return [*made, *([grid(wide, (label, width - label))] if wide else [])]


def notice(block: model.Notice, element: Element, *, width: float = WIDTH) -> Flow:
    """Sign, title, detail."""
    texts: Flow = [paragraph(block.title, "strong", element)]
    if block.detail:
        texts.append(paragraph(block.detail, "soft", element))
    return [grid([[Drawn(sign(block.tone), 9.5, None), texts]], (15, width - 15), [("TOPPADDING", (0, 0), (0, 0), 3)])]


def _pair(fact: model.Fact, element: Element) -> tuple[Flowable, Flowable]:
    return paragraph(fact.label, "fact", element), paragraph(fact.text, "body", element)


def _text(block: model.Text, element: Element) -> Flow:
    if block.heading:
        return [paragraph(block.text, "heading", element, "H3")]
    return [paragraph(block.text, "soft" if block.soft else "body", element)]


def _ranking(block: model.Ranking, element: Element) -> Flow:
    rows = [
        [
            paragraph(("▲ " if bar.malignant else "") + bar.label, "cell_strong" if bar.named else "cell", element),
            Track(bar.share, 180, MALIGNANT if bar.malignant else ACCENT),
            paragraph(bar.text, "figure_strong" if bar.named else "figure", element),
        ]
        for bar in block.bars
    ]
    legend = paragraph(f"▲ {block.legend}", "caption", element)
    caption = paragraph(block.caption, "label", element)
    return [Kept([Spacer(0, 3), caption, grid(rows, (190, 190, 40)), legend])]


def _table(block: model.Table, element: Element) -> Flow:
    outer = element.add("Table")
    head = outer.add("TR")
    cells: list[list[Flowable]] = [
        [
            paragraph(text, "figure_label" if numeric else "label", head, "TH")
            for text, numeric in zip(block.head, block.numeric, strict=True)
        ]
    ]
    for number, row in enumerate(block.rows):
        line = outer.add("TR")
        strong = "_strong" if number == block.strong else ""
        looks = [("figure" if numeric else "cell") + strong for numeric in block.numeric]
        cells.append([paragraph(text, look, line, "TD") for text, look in zip(row, looks, strict=True)])
    rules = [
        ("LINEBELOW", (0, 0), (-1, 0), 0.9, HexColor("#8895a3")),
        ("LINEBELOW", (0, 1), (-1, -1), 0.5, HexColor(RULE)),
        ("TOPPADDING", (0, 0), (-1, -1), 2.4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.8),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
    ]
    made = grid(cells, [share * WIDTH for share in block.widths], rules, repeat=1)
    whole = [paragraph(block.caption, "label", element), made] if block.caption else [made]
    return [Kept(whole)] if len(block.rows) <= KEPT_ROWS else whole


def _pictures(block: model.Pictures, element: Element) -> Flow:
    """The leading picture; beside it its caption and the first of the others, under it the rest."""
    lead = Photograph(block.lead, 312, 236, element)
    side = WIDTH - lead.width - 12
    beside: Flow = [paragraph(block.lead.caption.replace(". ", ".\n"), "caption", element)]
    if block.others:
        beside += [Spacer(0, 7), _row(block.others[:BESIDE], 2, 70, element, across=side)]
    made: Flow = [grid([[lead, "", beside]], (lead.width, 12, side))]
    if block.others[BESIDE:]:
        made += [Spacer(0, 6), _row(block.others[BESIDE:], 4, 86, element)]
    if block.more:
        made.append(paragraph(block.more, "caption", element))
    return [Kept(made)]


def _row(shown: Sequence[model.Picture], count: int, tallest: float, element: Element, *, across: float = WIDTH) -> Table:
    """Pictures with their captions, so many in a line."""
    width = (across - (count - 1) * GAP) / count
    cells = [
        [Photograph(picture, width, tallest, element), Spacer(0, 2), paragraph(picture.caption, "caption", element)] for picture in shown
    ]
    lines = [[*cells[i : i + count], *([""] * (count - len(cells[i : i + count])))] for i in range(0, len(cells), count)]
    return grid(lines, [width + GAP] * (count - 1) + [width], [("RIGHTPADDING", (0, 0), (-2, -1), GAP)])


def _strip(block: model.Strip, element: Element) -> Flow:
    return [Kept([Spacer(0, 3), _row(block.pictures, 6, 62, element)])]


def _charts(block: model.Charts, element: Element) -> Flow:
    count = len(block.drawings)
    width = (WIDTH - (max(count, 3) - 1) * GAP) / max(count, 3)
    cells = [Drawn(drawing, width, element) for drawing in block.drawings]
    return [grid([cells], [width + GAP] * (count - 1) + [width])]


def panel(content: Flow) -> Table:
    """A shaded box with a bar at its left."""
    rules = [
        ("BACKGROUND", (0, 0), (-1, -1), HexColor(PANEL)),
        ("LINEBEFORE", (0, 0), (0, -1), 3, HexColor(ACCENT)),
        ("LEFTPADDING", (0, 0), (-1, -1), 13),
        ("RIGHTPADDING", (0, 0), (-1, -1), 12),
        ("TOPPADDING", (0, 0), (-1, -1), 0),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, 0), 9),
        ("BOTTOMPADDING", (0, -1), (-1, -1), 10),
    ]
    # A row for each part: the panel breaks where a note is longer than the page.
    return Table([[part] for part in content], colWidths=[WIDTH], style=[*FLAT, *rules], splitInRow=1, hAlign="LEFT")


_MAKERS: dict[type, Callable[[Any, Element], Flow]] = {
    model.Facts: facts,
    model.Text: _text,
    model.Notice: notice,
    model.Ranking: _ranking,
    model.Table: _table,
    model.Pictures: _pictures,
    model.Strip: _strip,
    model.Charts: _charts,
}
