"""Writes the page and the JSON beside it. The page shows nothing that the JSON does not hold."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from models.evaluation.report import words
from models.evaluation.report.sections import ReportError, Section, SplitUnit
from models.evaluation.report.style import drawing

HTML, JSON = "report.html", "report.json"
TEMPLATES = Path(__file__).parent / "templates"
DIGITS = 6


def write_report(
    *, folder: Path, title: str, facts: Mapping[str, Any], sections: Sequence[Section], names: Mapping[str, str] | None = None
) -> Path:
    """Writes ``report.html`` and ``report.json`` into ``folder`` (made if missing) and returns the page's path.

    ``facts``: what was evaluated, shown in the order given; ``split_by`` is required ("lesion", "patient", "image" or "external") and an
    image-level split is warned of in large letters; ``warnings`` (a list of sentences) and ``non_commercial`` (bool) are shown as such.
    ``names``: class code → name for the tables. Same input, same bytes: a date is shown only where ``facts`` holds one.
    Raises ReportError for facts or figures that a report must not leave out or cannot hold.
    """
    try:
        split = SplitUnit(facts.get("split_by", ""))
    except ValueError as error:
        units = ", ".join(SplitUnit)
        raise ReportError(
            f"facts['split_by'] is {facts.get('split_by')!r}, must be one of {units}: readers must know whether it leaks"
        ) from error
    told = _plain(facts, "facts")
    content = {"title": title, "facts": told, "sections": [_content(section) for section in sections]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    page = folder / HTML
    page.write_text(_page(content, sections, split, dict(names or {})), encoding="utf-8")
    return page


def _page(content: Mapping[str, Any], sections: Sequence[Section], split: SplitUnit, names: Mapping[str, str]) -> str:
    from models.evaluation.report.views import VIEWS

    with drawing():
        parts = [
            {
                **told,
                "anchor": f"part-{place}",
                "thumbnails": section.thumbnails,
                "view": VIEWS[section.kind](told["figures"], f"part-{place}"),
            }
            for place, (told, section) in enumerate(zip(content["sections"], sections, strict=True), start=1)
        ]
    hidden = {"warnings", "non_commercial"}
    return (
        _environment()
        .get_template(HTML)
        .render(
            title=content["title"],
            facts={key: value for key, value in content["facts"].items() if key not in hidden and value is not None},
            warnings=content["facts"].get("warnings") or [],
            non_commercial=bool(content["facts"].get("non_commercial")),
            split=split,
            parts=parts,
            names=names,
            words=words,
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "bounds": bounds, "place": place}
    return environment


def number(value: float | None, digits: int = 3) -> str:
    """``0.828``; counts as ``1,001``; an en dash for nothing."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def bounds(interval: Sequence[float] | None, digits: int = 3) -> str:
    """``0.799 – 0.856``; nothing where no interval could be computed."""
    return f"{interval[0]:.{digits}f} – {interval[1]:.{digits}f}" if interval else ""


def place(value: float) -> str:
    """Where a share lies on the small axis of 160 units in the tables."""
    return f"{2 + 156 * min(max(value, 0.0), 1.0):.1f}"


def _content(section: Section) -> dict[str, Any]:
    figures = _plain(section.figures, section.kind)
    return {"kind": str(section.kind), "title": section.heading, "note": section.note, "figures": figures}


def _plain(value: Any, where: str) -> Any:
    """JSON's own types; six significant digits are more than any interval here allows to tell apart."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [_plain(item, where) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return _plain(value.item(), where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ReportError(f"{where} is {value}: give None for what is undefined")
        return float(f"{value:.{DIGITS}g}")
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, str) else value
    return str(value)
