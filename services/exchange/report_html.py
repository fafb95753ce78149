"""A report as one HTML file: no script, no address of anything else, pictures and charts inside.

Its style is one ``<style>`` element, whose hash the answer's Content-Security-Policy names (``POLICY``); nothing else may be applied.
"""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from services.exchange.report_drawing import ACCENT, MALIGNANT, Dot, Drawing, Path, svg
from services.exchange.report_model import Report
from services.exchange.report_signs import sign

PACKAGE = "services.exchange"


def write_report(report: Report) -> str:
    """The HTML of a report: the same content as its PDF, ready to be printed, too."""
    return _template().render(report=report, css=Markup(_css()))  # noqa: S704 - our own file


@cache
def policy() -> str:
    """The Content-Security-Policy under which a report is shown: its own style and its own pictures, nothing else."""
    digest = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"


@cache
def _css() -> str:
    return (resources.files(PACKAGE) / "templates" / "report.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"picture": _data, "kind": _kind}
    environment.globals |= {"svg": _svg, "sign": lambda tone: _svg(sign(tone), decorative=True), "track": _track}
    return environment.get_template("report.html")


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _kind(block: Any) -> str:
    return type(block).__name__


def _svg(drawing: Drawing, *, decorative: bool = False) -> Markup:
    return Markup(svg(drawing, decorative=decorative))  # noqa: S704 - its texts are escaped where they are written


def _track(share: float, *, malignant: bool) -> Markup:
    ends = ((0.0, 0.0), (100.0 * share, 0.0), (100.0 * share, 4.0), (0.0, 4.0))
    shapes: tuple[Path | Dot, ...] = (Path((ends,), fill=MALIGNANT if malignant else ACCENT, closed=True),)
    return _svg(Drawing(100, 4, shapes), decorative=True)
