"""Visits of drawn lesions, measured by the shipped networks, and plain measures for what needs none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from models.analyzer import Analyzer
from models.change import Estimate, Scale, ScaleSource, Visit, VisitMeasures, look_at, measure_visit
from models.change.regions import mask_of_polygons
from models.explain import HeatMaps
from models.pictures.types import Gray, Rgb
from models.synthetic import Kind, SyntheticPicture, draw
from models.synthetic.visits import Course, Imaging, Revisit, revisit

WIDTH, HEIGHT = 512, 384
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
MONTHS = timedelta(days=122)


@cache
def analyzer() -> Analyzer:
    """The shipped networks, once a process."""
    return Analyzer.load(device="cpu", half=False, heatmaps=HeatMaps.OFF)


@cache
def lesion(seed: int = 4, kind: Kind = Kind.NAEVUS) -> SyntheticPicture:
    """A drawn lesion with skin all around."""
    return draw(seed=seed, kind=kind, width=WIDTH, height=HEIGHT, area=0.08)


def later(growth: float = 0.0, *, imaging: Imaging | None = None, seed: int = 4) -> Revisit:
    """The lesion at its next visit, larger by ``growth``."""
    first = lesion(seed)
    return revisit(
        first.rgb, first.mask, course=Course(growth=growth), imaging=imaging or Imaging(turn=25, gains=(0.9, 0.92, 0.88), noise=2)
    )


def visit_of(
    picture: Rgb, *, spacing: float | None = None, at: datetime | None = FIRST, mask: Gray | None = None, magnification: float | None = None
) -> Visit:
    """A visit as the worker makes it. ``spacing``: mm per px; ``mask``: a reader's."""
    scale = Scale(spacing, ScaleSource.DICOM) if spacing else None
    measures = measure_visit(picture, analyzer=analyzer(), mask=mask, scale=scale)
    outline = mask_of_polygons(measures.outline, width=picture.shape[1], height=picture.shape[0]) if measures else None
    return Visit(picture=picture, look=look_at(picture, outline), measures=measures, at=at, magnification=magnification)


@cache
def first_visit(*, scaled: bool = True) -> Visit:
    """The drawn lesion's first visit."""
    return visit_of(lesion().rgb, spacing=lesion().pixel_spacing_mm if scaled else None)


def second_visit(growth: float = 0.0, *, scaled: bool = True, zoom: float = 1.0) -> Visit:
    """Four months later."""
    found = later(growth, imaging=Imaging(turn=25, zoom=zoom, gains=(0.9, 0.92, 0.88), noise=2))
    return visit_of(found.rgb, spacing=lesion().pixel_spacing_mm / zoom if scaled else None, at=FIRST + MONTHS)


def plain_measures(**changes: object) -> VisitMeasures:
    """Figures of a lesion in a picture of 512×384 px; ``changes`` replace some."""
    share, lab = Estimate(0.1, 0.01), (Estimate(50.0, 1.0), Estimate(10.0, 1.0), Estimate(10.0, 1.0))
    made = VisitMeasures(
        width=WIDTH,
        height=HEIGHT,
        mm_per_px=0.04,
        scale_source=ScaleSource.DICOM,
        area_px=Estimate(10_000.0, 200.0),
        major_px=Estimate(120.0, 2.0),
        minor_px=Estimate(100.0, 2.0),
        asymmetry=share,
        colour_asymmetry=Estimate(5.0, 1.0),
        border_irregularity=share,
        colour_variegation=Estimate(8.0, 1.0),
        malignant_probability=share,
        lesion_lab=lab,
        skin_lab=lab,
        classes=("NV",),
        embedding="",
        embedding_spread=0.0,
        pipeline_version="p1",
        touches_border=False,
        drawn=False,
        outline=(((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names and values are the tests' own


def disc(*, radius: float, x: float = 128.0, y: float = 128.0, side: int = 256) -> Gray:
    """A mask 0/255."""
    rows, columns = np.mgrid[0:side, 0:side]
    return np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, 255, 0).astype(np.uint8)
