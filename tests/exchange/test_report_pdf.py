"""The PDF of a report as a file: its bytes, its structure, its type, its pictures, and what making it costs."""

import io
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from services.exchange.report_drawing import Dot, Drawing, Label, svg
from services.exchange.report_drawing import Path as Lines
from services.exchange.report_model import Pictures
from services.exchange.report_outline import outline
from services.exchange.report_pdf import print_report
from services.exchange.report_pictures import shrink
from services.exchange.result import CaseResult
from services.records.states import ReviewKind
from tests.exchange.report_world import CASE, SIGNED, analysis, case, content, image, result, review, shelf, trail, uid
from tests.review.seeds import jpeg, mask_png

ROOT = Path(__file__).resolve().parents[2]
PRINTED_ELSEWHERE = """
import sys, time
import tests.exchange.report_world as world
time.time = lambda: float(sys.argv[1])
from services.exchange.report import Form, make_report
made = world.result(trail=world.trail())
for form in Form:
    print(make_report(result=made, store=world.shelf(), language="de", form=form).etag)
"""
SHRUNK_ELSEWHERE = """
import resource, sys
from services.exchange.report_pictures import shrink
shrink(open(sys.argv[2], "rb").read(), 1300)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
made = shrink(open(sys.argv[1], "rb").read(), 1300)
print(made.width, made.height, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def elsewhere(code: str, *arguments: str, **environment: str) -> str:
    """What a new process prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True, text=True).stdout


def catalogue(file: PdfReader) -> Any:
    """The document's own entry."""
    return file.trailer["/Root"]


def printed(of: CaseResult | None = None, language: str = "en") -> PdfReader:
    return PdfReader(io.BytesIO(print_report(content(of or result(trail=trail()), language))))


def test_the_same_version_gives_the_same_bytes_in_another_process_on_another_day() -> None:
    one = elsewhere(PRINTED_ELSEWHERE, "1000000000", PYTHONHASHSEED="1", TZ="America/Lima", LC_ALL="C")
    other = elsewhere(PRINTED_ELSEWHERE, "1900000000", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert one == other
    assert len(set(one.split())) == 2


def test_printing_twice_in_one_process_changes_nothing() -> None:
    report = content(result(trail=trail()))
    assert print_report(report) == print_report(report)


def test_the_file_says_what_it_is_in_which_language_and_nothing_of_the_patient() -> None:
    file = printed(language="de")
    said = file.metadata
    assert said is not None
    assert said.title == "Dermatologischer Befundbericht · Hautklinik Süd"
    assert said.author == "Hautklinik Süd"
    assert said.creation_date == said.modification_date == SIGNED.replace(microsecond=0)
    assert str(CASE) in said.get("/Keywords", "")
    assert "P-1042" not in str(dict(said))
    assert catalogue(file)["/Lang"] == "de"
    assert all(page.mediabox.width == pytest.approx(595.28, abs=0.01) for page in file.pages)


def test_sections_are_bookmarks_of_the_page_on_which_they_begin() -> None:
    file = printed()
    entries = [(str(entry.title), file.get_destination_page_number(entry)) for entry in file.outline]  # type: ignore[union-attr,arg-type]
    assert [title for title, _ in entries] == [
        "Dermatologist's decision",
        "Patient and lesion",
        "Pictures",
        "Automatic analysis",
        "Measures of the outline",
        "Change over time",
        "How the case was read",
        "About this report",
    ]
    for title, number in entries:
        assert title in file.pages[number or 0].extract_text()
    assert len({number for _, number in entries}) > 1


def elements(node: Any, kind: str) -> list[DictionaryObject]:
    """The elements of a kind in the structure, in order."""
    node = node.get_object()
    children = node.get("/K", [])
    found = [node] if node.get("/S") == f"/{kind}" else []
    for child in children if isinstance(children, list) else [children]:
        if hasattr(child.get_object(), "get") and child.get_object().get("/Type") != "/MCR":
            found += elements(child, kind)
    return found


def test_the_file_is_tagged() -> None:
    root = catalogue(printed())
    assert root["/MarkInfo"]["/Marked"]
    tree = root["/StructTreeRoot"]
    assert len(elements(tree, "H1")) == 1
    assert len(elements(tree, "H2")) == 7
    tables = elements(tree, "Table")
    assert all(elements(table, "TH") and elements(table, "TD") for table in tables)
    figures = [str(figure["/Alt"]) for figure in elements(tree, "Figure")]
    assert figures[0].replace("\N{NO-BREAK SPACE}", " ") == "Picture 1, dermoscopic, 320 × 240 px."
    assert any(alt.startswith("Area, mm²: 2 March 2026 31.0 ± 0.9; 2 July 2026 36.0") for alt in figures)


def test_every_marked_piece_is_named_by_the_tree_and_the_other_way_round() -> None:
    file = printed()
    parents = catalogue(file)["/StructTreeRoot"]["/ParentTree"]["/Nums"]
    listed = {number: array.get_object() for number, array in zip(parents[::2], parents[1::2], strict=True)}
    for page in file.pages:
        code = page.get_contents().get_data().decode("latin-1")  # type: ignore[union-attr]
        assert code.count("BDC") + code.count("BMC") == code.count("EMC")
        assert code.count("/MCID") == len(listed[page["/StructParents"]])
        # Nothing is drawn that is neither a piece of the structure nor an ornament.
        outside = re.sub(r"(/Artifact BMC|/\w+ <</MCID \d+>> BDC).*?EMC", "", code, flags=re.DOTALL)
        assert not re.search(r"\b(Tj|TJ|Do|S|f\*?|B\*?)\s", outside)


def test_the_type_is_embedded() -> None:
    fonts: dict[str, Any] = {}
    for page in printed().pages:
        resources: Any = page["/Resources"]
        fonts |= {name: font.get_object() for name, font in resources["/Font"].items()}
    used = [font for name, font in fonts.items() if font["/Subtype"] == "/TrueType"]
    assert used
    for font in used:
        assert "SourceSans" in font["/BaseFont"]
        assert "/FontFile2" in font["/FontDescriptor"]


def test_the_outline_and_the_scale_bar_are_vectors_over_the_picture() -> None:
    with_scale = case(image(said=analysis(), pixel_spacing_mm=0.02))
    report = content(result(with_scale))
    overlay = next(block.lead.overlay for section in report.sections for block in section.blocks if isinstance(block, Pictures))
    assert overlay is not None
    lines = [shape for shape in overlay.shapes if isinstance(shape, Lines)]
    rings = lines[0].rings
    assert len(rings) == 1
    assert (min(x for x, _ in rings[0]), max(x for x, _ in rings[0])) == pytest.approx((0.3, 0.7), abs=0.01)
    bar = lines[2].rings[0]
    assert [shape.text for shape in overlay.shapes if isinstance(shape, Label)] == ["2\N{NO-BREAK SPACE}mm"]
    assert (bar[2][0] - bar[1][0]) * 320 * 0.02 == pytest.approx(2.0)


def test_an_outline_has_holes_and_islands() -> None:
    mask = Image.new("L", (400, 300), 0)
    pen = ImageDraw.Draw(mask)
    pen.rectangle((50, 50, 249, 249), fill=255)
    pen.rectangle((100, 100, 199, 199), fill=0)
    pen.ellipse((300, 20, 380, 100), fill=255)
    out = io.BytesIO()
    mask.save(out, "PNG")
    rings = outline(out.getvalue())
    assert len(rings) == 3
    # The hole is walked the other way round.
    assert sorted(_signed(ring) > 0 for ring in rings) == [False, True, True]
    assert sum(_signed(ring) for ring in rings) * 400 * 300 == pytest.approx(200 * 200 - 100 * 100 + 3.1416 * 40.5**2, rel=0.02)


def test_an_empty_mask_and_one_that_fills_the_picture_are_outlined_without_fault() -> None:
    for value, rings in ((0, 0), (255, 1)):
        out = io.BytesIO()
        Image.new("L", (64, 48), value).save(out, "PNG")
        assert len(outline(out.getvalue())) == rings
    assert len(outline(mask_png())) == 1


def test_pixels_that_touch_at_a_corner_stay_two_rings() -> None:
    mask = Image.new("L", (40, 40), 0)
    ImageDraw.Draw(mask).rectangle((5, 5, 19, 19), fill=255)
    ImageDraw.Draw(mask).rectangle((20, 20, 34, 34), fill=255)
    out = io.BytesIO()
    mask.save(out, "PNG")
    assert len(outline(out.getvalue())) == 2


def _signed(ring: tuple[tuple[float, float], ...]) -> float:
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise((*ring, ring[0]))) / 2


def test_large_originals_are_never_decoded_whole(tmp_path: Path) -> None:
    large, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    large.write_bytes(jpeg(6000, 4000))
    small.write_bytes(jpeg(1400, 900))
    width, height, kilobytes = map(int, elsewhere(SHRUNK_ELSEWHERE, str(large), str(small)).split())
    assert (width, height) == (1300, 867)
    assert kilobytes < 30_000  # decoded whole it would be 72 MB


def test_small_pictures_stay_as_large_as_they_are_and_lose_what_is_written_in_them() -> None:
    source = Image.new("RGB", (64, 48), (200, 150, 120))
    exif = Image.Exif()
    exif[0x010E] = "Patient Doe"
    out = io.BytesIO()
    source.save(out, "JPEG", exif=exif)
    made = shrink(out.getvalue(), 1300)
    assert (made.width, made.height) == (64, 48)
    assert b"Doe" not in made.jpeg


def test_pictures_of_other_kinds_are_printed_too() -> None:
    store = shelf()
    for mode in ("L", "P", "RGBA"):
        out = io.BytesIO()
        Image.new(mode, (64, 48), 120 if mode != "RGBA" else (1, 2, 3, 4)).save(out, "PNG")
        store.things["picture"] = out.getvalue()
        assert print_report(content(result(), store=store)).startswith(b"%PDF-")


def test_a_note_longer_than_a_page_goes_on_on_the_next() -> None:
    long = "\n".join(f"Line {number} of a note." for number in range(300))
    amended = (review(1, standing=False), review(2, kind=ReviewKind.AMENDMENT, rationale=long, supersedes=uid(901), note=long))
    file = printed(result(case(reviews=amended, clinical_notes=long), versions=amended))
    text = " ".join(page.extract_text() for page in file.pages)
    # The note, the clinical notes, and the rationale twice.
    assert text.count("Line 299 of a note.") == 4
    assert text.count("Line 0 of a note.") == 4


def test_drawings_are_escaped_in_svg() -> None:
    drawing = Drawing(10, 10, (Label(0, 0, "<a & b>", 2), Dot(1, 1, 1, "#000000", 0.5)), alt='"quoted" <x>')
    text = svg(drawing)
    assert "&lt;a &amp; b&gt;" in text
    assert "<x>" not in text
