"""Draws on a PDF page what :mod:`services.exchange.report_drawing` describes."""

from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from services.exchange.report_drawing import Dot, Drawing, Label, Path, Shape
from services.exchange.report_fonts import PLAIN, STRONG, printable

ANCHORS = {"start": "drawString", "middle": "drawCentredString", "end": "drawRightString"}
STROKE, FILL = 1, 0


def draw(canvas: Canvas, drawing: Drawing, *, width: float, height: float) -> None:
    """The drawing in a box of pt, whose lower left corner is the origin."""
    canvas.saveState()
    # One factor: every box has the proportions of its drawing. Text is written upright, so the axis is not turned.
    pen = _Pen(canvas, width / drawing.width, height)
    for shape in drawing.shapes:
        pen.draw(shape)
    canvas.restoreState()


class _Pen:
    def __init__(self, canvas: Any, factor: float, height: float) -> None:
        self._canvas, self._factor, self._height = canvas, factor, height

    def draw(self, shape: Shape) -> None:
        """One shape."""
        self._canvas.saveState()
        if isinstance(shape, Path):
            self._path(shape)
        elif isinstance(shape, Dot):
            self._dot(shape)
        else:
            self._label(shape)
        self._canvas.restoreState()

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return x * self._factor, self._height - y * self._factor

    def _path(self, shape: Path) -> None:
        canvas = self._canvas
        path = canvas.beginPath()
        for ring in shape.rings:
            path.moveTo(*self._at(*ring[0]))
            for point in ring[1:]:
                path.lineTo(*self._at(*point))
            if shape.closed:
                path.close()
        if shape.opacity < 1:
            canvas.setStrokeAlpha(shape.opacity)
        if shape.width:
            canvas.setStrokeColor(HexColor(shape.colour))
            canvas.setLineWidth(shape.width * self._factor)
            canvas.setLineJoin(1)
            canvas.setLineCap(1)
        if shape.dash:
            canvas.setDash(shape.dash * self._factor)
        if shape.fill:
            canvas.setFillColor(HexColor(shape.fill))
        canvas.drawPath(path, stroke=int(bool(shape.width)), fill=int(bool(shape.fill)), fillMode=0)

    def _dot(self, shape: Dot) -> None:
        canvas, (x, y) = self._canvas, self._at(shape.x, shape.y)
        canvas.setFillColor(HexColor("#ffffff" if shape.line else shape.colour))
        canvas.setStrokeColor(HexColor(shape.colour))
        canvas.setLineWidth(shape.line * self._factor)
        canvas.circle(x, y, shape.radius * self._factor, stroke=int(bool(shape.line)), fill=1)

    def _label(self, shape: Label) -> None:
        canvas, (x, y) = self._canvas, self._at(shape.x, shape.y)
        text, size = printable(shape.text), shape.size * self._factor
        write = getattr(canvas, ANCHORS[shape.anchor])
        canvas.setFont(STRONG if shape.bold else PLAIN, size)
        if shape.halo:
            canvas.setStrokeColor(HexColor("#000000"))
            canvas.setStrokeAlpha(0.65)
            canvas.setLineWidth(size / 6)
            canvas.setLineJoin(1)
            write(x, y, text, mode=STROKE)
        canvas.setFillColor(HexColor(shape.colour))
        write(x, y, text, mode=FILL)
