"""The type of printed reports: Source Sans Pro (SIL Open Font License), from the wheel ``font-source-sans-pro``, embedded as a subset.

It has Latin, Greek and Cyrillic letters. What it lacks is written as its number, `[U+4E2D]`: a box would hide that something is there.
"""

from functools import cache
from importlib import resources

PLAIN, STRONG = "SourceSans", "SourceSans-Semibold"
_FILES = {PLAIN: "SourceSansPro-Regular.ttf", STRONG: "SourceSansPro-Semibold.ttf"}


@cache
def register_fonts() -> frozenset[int]:
    """Make the type known to ReportLab, once for each process; returns the code points that it has."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = resources.files("font_source_sans_pro") / "files"
    for name, file in _FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    for family in (PLAIN, STRONG):
        pdfmetrics.registerFontFamily(family, normal=family, bold=STRONG, italic=family, boldItalic=STRONG)
    known = (frozenset(pdfmetrics.getFont(name).face.charToGlyph) for name in _FILES)
    return frozenset.intersection(*known)


def printable(text: str) -> str:
    """The text with everything that the type lacks as its number; control characters go, line breaks stay."""
    known = register_fonts()
    return "".join(_shown(character, known) for character in text)


def _shown(character: str, known: frozenset[int]) -> str:
    if character == "\n" or ord(character) in known:
        return character
    return f"[U+{ord(character):04X}]" if character.isprintable() else " "
