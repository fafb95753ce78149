"""Pictures of a report: the rendition for viewing at the size of print, with the outline and a scale bar as vectors over it."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.exchange.report_drawing import Drawing, Label, Path, Point, Shape
from services.exchange.report_model import Picture, Pictures, Strip
from services.exchange.report_outline import outline
from services.exchange.report_words import NARROW, Words
from services.exchange.result import CaseResult
from services.objects import ObjectMissing
from services.records.views import ImageView
from services.records.visit_views import Visit

# px of the long side: about 300 dots per inch at the size that each has on paper.
LEAD_PX, SMALL_PX, VISIT_PX = 1300, 520, 360
QUALITY = 88
MOST = 8
BARS_MM = (100, 50, 20, 10, 5, 2, 1, 0.5)
# Of the picture's width.
BAR_SHARE, EDGE, THIN, THICK = 0.34, 0.035, 0.0032, 0.0078


class Shelf(Protocol):
    """Where pictures are: of an object store this alone is needed."""

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises ObjectMissing, StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A JPEG without metadata. ``width``, ``height``: px."""

    jpeg: bytes
    width: int
    height: int


def pictures(result: CaseResult, store: Shelf, words: Words) -> Pictures:
    """All pictures of a case, the leading one first and large."""
    lead = result.lead
    others = [(number, image) for number, image in enumerate(result.case.images, 1) if image is not lead]
    number = result.case.images.index(lead) + 1
    left = len(others) - MOST
    more = "" if left <= 0 else words("picture.more_one") if left == 1 else words("picture.more", count=left)
    return Pictures(
        lead=_lead(result, number, store, words),
        others=tuple(_other(image, number, store, words) for number, image in others[:MOST]),
        more=more,
    )


def strip(visits: Sequence[Visit], store: Shelf, captions: Mapping[UUID, str]) -> Strip | None:
    """The small pictures of a lesion's visits; none where no visit has one."""
    shown = []
    for visit in visits:
        key = visit.image.thumbnail_key if visit.image else None
        small = fetch(key, store, VISIT_PX) if key else None
        caption = captions[visit.case_id]
        shown.append(
            Picture(small.jpeg, small.width, small.height, caption, caption, None) if small else Picture(b"", 4, 3, caption, "", None)
        )
    return Strip(tuple(shown)) if any(picture.jpeg for picture in shown) else None


def fetch(key: str, store: Shelf, long_side: int) -> Shrunk | None:
    """A picture of the store at most so large; None where it is not there any more."""
    try:
        return shrink(store.get(key), long_side)
    except ObjectMissing:
        return None


def shrink(data: bytes, long_side: int) -> Shrunk:
    """At most ``long_side`` px long. A large JPEG is decoded at a fraction of its size, so 24 million px cost no 72 MB."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (long_side, long_side))
        picture = opened.convert("RGB")
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return Shrunk(out.getvalue(), picture.width, picture.height)


def _lead(result: CaseResult, number: int, store: Shelf, words: Words) -> Picture:
    image = result.lead
    shrunk = fetch(image.view_key, store, LEAD_PX)
    if shrunk is None:
        return Picture(b"", image.width, image.height, words("picture.missing"), words("picture.missing"), None)
    rings = _rings(result, store)
    said = [_caption(image, number, words)]
    if len(result.case.images) > 1:
        said.append(words("picture.leading"))
    said += [_outline_words(result, words, drawn=bool(rings)), _scale_words(result, words)]
    return Picture(shrunk.jpeg, shrunk.width, shrunk.height, " ".join(said), said[0], _overlay(result, rings, words))


def _other(image: ImageView, number: int, store: Shelf, words: Words) -> Picture:
    shrunk = fetch(image.view_key, store, SMALL_PX)
    if shrunk is None:
        return Picture(b"", image.width, image.height, words("picture.missing"), words("picture.missing"), None)
    caption = _caption(image, number, words)
    return Picture(shrunk.jpeg, shrunk.width, shrunk.height, caption, caption, None)


def _caption(image: ImageView, number: int, words: Words) -> str:
    modality = words(f"modality.{image.modality}")
    return words("picture.caption", number=number, modality=modality, width=image.width, height=image.height)


def _rings(result: CaseResult, store: Shelf) -> tuple[tuple[Point, ...], ...]:
    if result.mask_key is None:
        return ()
    try:
        return outline(store.get(result.mask_key))
    except ObjectMissing:
        return ()


def _outline_words(result: CaseResult, words: Words, *, drawn: bool) -> str:
    if not drawn:
        return words("picture.not_outlined")
    return words("picture.outlined_reader", name=result.outlined_by) if result.outlined_by else words("picture.outlined_model")


def _scale_words(result: CaseResult, words: Words) -> str:
    if result.mm_per_px is None:
        return words("picture.no_scale")
    source = "ruler" if result.lead.ruler_mm_per_px else (result.measures or {}).get("scale_source")
    return words("picture.scale", source=words.known("scale", source, words("scale.pixel_spacing")))


def _overlay(result: CaseResult, rings: Sequence[Sequence[Point]], words: Words) -> Drawing:
    """In shares of the picture's width: dark under white, so that it shows on any skin."""
    image = result.lead
    height = image.height / image.width
    laid = tuple(tuple((x, y * height) for x, y in ring) for ring in rings)
    shapes: list[Shape] = []
    if laid:
        shapes += [Path(laid, "#000000", THICK, closed=True, opacity=0.55), Path(laid, "#ffffff", THIN, closed=True)]
    if result.mm_per_px:
        shapes += _bar(result.mm_per_px * image.width, height, words)
    return Drawing(1.0, height, tuple(shapes))


def _bar(field_mm: float, height: float, words: Words) -> list[Shape]:
    """A bar of round millimetres, at most a third of the picture's width of ``field_mm``."""
    length = next((mm for mm in BARS_MM if mm / field_mm <= BAR_SHARE), None)
    if length is None or not math.isfinite(field_mm):
        return []
    y, x, end = height - EDGE, EDGE, EDGE + length / field_mm
    tick = 0.012
    bar: tuple[tuple[Point, ...], ...] = (((x, y - tick), (x, y), (end, y), (end, y - tick)),)
    text = f"{words.number(length, 0 if length >= 1 else 1)}{NARROW}mm"
    lines: list[Shape] = [Path(bar, "#000000", THICK * 1.4, opacity=0.65), Path(bar, "#ffffff", THIN * 1.6)]
    return [*lines, Label((x + end) / 2, y - 0.02, text, 0.034, "#ffffff", "middle", bold=True, halo=True)]
