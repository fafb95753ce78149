"""A drawing of each lesion type: its textbook structures, none of a real patient. The same picture every time."""

import math
from collections.abc import Callable
from functools import cache
from random import Random

from services.review.drawing_tools import Shape, Sheet, lattice, network, scattered, skin_lines, uneven, vessel


def melanoma(sheet: Sheet) -> Shape:
    """Lopsided and jagged, several colours, a blue-white veil, an uneven network, dots and streaks at one side."""
    shape = uneven(sheet.rng, x=118, y=90, width=72, height=52, roughness=0.13)
    sheet.fill(shape, "#8a5a3c", opacity=0.9, blur=1)
    for x, y, size, colour in ((90, 74, 30, "#5a3221"), (146, 104, 34, "#3b2119"), (86, 112, 22, "#a9714a"), (158, 74, 16, "#2a1815")):
        sheet.fill(uneven(sheet.rng, x=x, y=y, width=size, height=size * 0.72, roughness=0.2), colour, opacity=0.8, blur=6)
    network(sheet, shape, step=9.5, colour="#2c1710", width=1.9, inner=0.2, outer=0.92)
    sheet.fill(uneven(sheet.rng, x=128, y=84, width=26, height=17, roughness=0.2), "#8fa3b8", opacity=0.75, blur=3)
    for step in range(9):
        angle = -0.5 + step * 0.19
        sheet.line([shape.at(angle, 0.86), shape.at(angle + 0.03, 1.0), shape.at(angle, 1.13)], "#2f1a13", 2.4, opacity=0.9)
    for point in scattered(sheet.rng, shape, 26, gap=6):
        sheet.dot(point, sheet.rng.uniform(1.1, 2.6), "#20110d", opacity=0.85)
    return shape


def naevus(sheet: Sheet) -> Shape:
    """Round, of one brown, with an even network that thins out at the edge."""
    shape = uneven(sheet.rng, x=120, y=90, width=62, height=50, roughness=0.025)
    sheet.fill(shape, "#b98560", opacity=0.75, blur=3)
    sheet.fill(shape, "#8f5e3d", share=0.62, opacity=0.75, blur=6)
    network(sheet, shape, step=8, colour="#64391f", width=1.7, outer=1.04)
    return shape


def basal_cell_carcinoma(sheet: Sheet) -> Shape:
    """A pearly rim, sharp branching vessels, blue-grey nests, a small sore; no network."""
    shape = uneven(sheet.rng, x=120, y=90, width=68, height=52, roughness=0.05)
    sheet.fill(shape, "#e3a79a", opacity=0.9, blur=3)
    sheet.fill(shape, "#f3cdc2", share=0.7, opacity=0.8, blur=6)
    for x, y, size in ((78, 104, 10), (92, 118, 7), (158, 112, 9), (146, 124, 6), (84, 62, 7), (170, 92, 5)):
        sheet.fill(uneven(sheet.rng, x=x, y=y, width=size, height=size * 0.75, roughness=0.15), "#5d6b82", opacity=0.85, blur=1)
    for angle in (-2.5, -0.9, 0.35):
        vessel(sheet, shape.at(angle, 0.97), angle=angle + math.pi + 0.3, width=2.6, length=58)
    sheet.fill(uneven(sheet.rng, x=124, y=92, width=14, height=9, roughness=0.2), "#a8402f", opacity=0.8, blur=1)
    sheet.fill(uneven(sheet.rng, x=123, y=91, width=8, height=5, roughness=0.2), "#d68f4d", opacity=0.85)
    return shape


def actinic_keratosis(sheet: Sheet) -> Shape:
    """A red net around pale follicle openings, like a strawberry, under white scale."""
    shape = uneven(sheet.rng, x=120, y=90, width=78, height=56, roughness=0.08)
    sheet.fill(shape, "#d98b7d", opacity=0.75, blur=6)
    for point in lattice(sheet.rng, 15, jitter=0.16):
        depth = shape.depth(point)
        if depth < 0.93:
            sheet.ring(point, sheet.rng.uniform(5.4, 6.8), "#b8402f", 2.6, opacity=0.45 * (1 - depth**3))
            sheet.dot(point, sheet.rng.uniform(2.6, 3.8), "#f6e3c4", opacity=0.9)
            sheet.dot(point, 1.2, "#c08a4e", opacity=0.8)
    for point in scattered(sheet.rng, shape, 9, gap=26, share=0.75):
        flake = uneven(sheet.rng, x=point[0], y=point[1], width=sheet.rng.uniform(6, 12), height=sheet.rng.uniform(3, 5), roughness=0.3)
        sheet.fill(flake, "#fbf6ec", opacity=0.75, blur=1)
    return shape


def benign_keratosis(sheet: Sheet) -> Shape:
    """Sharply edged as if stuck on, with white cysts, dark plugs and furrows."""
    shape = uneven(sheet.rng, x=120, y=90, width=68, height=54, roughness=0.045)
    sheet.fill(shape, "#5b3c28", share=1.03, opacity=0.55)
    sheet.fill(shape, "#9b7047")
    sheet.fill(shape, "#b98c5c", share=0.8, opacity=0.8, blur=6)
    for point in scattered(sheet.rng, shape, 22, gap=15, share=0.88):
        angle = sheet.rng.uniform(0, math.pi)
        reach = sheet.rng.uniform(5, 9)
        bend = (point[0] + sheet.rng.gauss(0, 2), point[1] + sheet.rng.gauss(0, 2))
        ends = [(point[0] + side * reach * math.cos(angle), point[1] + side * reach * math.sin(angle)) for side in (-1, 1)]
        sheet.line([ends[0], bend, ends[1]], "#5a3a22", 2.2, opacity=0.6)
    for number, point in enumerate(scattered(sheet.rng, shape, 26, gap=10, share=0.86)):
        if number % 5 < 3:
            sheet.dot(point, sheet.rng.uniform(1.8, 3.2), "#fbf3df", opacity=0.9)
        else:
            sheet.dot(point, sheet.rng.uniform(2.2, 3.6), "#2b1a10", opacity=0.9)
    return shape


def dermatofibroma(sheet: Sheet) -> Shape:
    """A white scar-like middle with shining lines, and a delicate network around it."""
    shape = uneven(sheet.rng, x=120, y=90, width=64, height=52, roughness=0.03)
    sheet.fill(shape, "#c08f6c", opacity=0.7, blur=6)
    network(sheet, shape, step=7.5, colour="#80532f", width=1.2, inner=0.44, outer=1.08)
    centre = uneven(sheet.rng, x=120, y=90, width=28, height=22, roughness=0.1)
    sheet.fill(centre, "#f4dccb", opacity=0.95, blur=3)
    for point in scattered(sheet.rng, centre, 9, gap=9, share=0.8):
        for dx, dy in ((5, 2.4), (2.4, -5)):
            sheet.line([(point[0] - dx, point[1] - dy), point, (point[0] + dx, point[1] + dy)], "#ffffff", 1.2, opacity=0.95)
    return shape


def vascular_lesion(sheet: Sheet) -> Shape:
    """Red to purple lakes with clear edges, parted by pale walls."""
    shape = uneven(sheet.rng, x=120, y=90, width=60, height=50, roughness=0.06)
    sheet.fill(shape, "#c9606a", opacity=0.75, blur=3)
    for number, point in enumerate(scattered(sheet.rng, shape, 34, gap=14.5, share=0.9)):
        lake = uneven(sheet.rng, x=point[0], y=point[1], width=sheet.rng.uniform(6.4, 9), height=sheet.rng.uniform(5.6, 8), roughness=0.07)
        sheet.fill(lake, ("#9c1f33", "#b02a36", "#7b1a3c", "#5a1634")[number % 4], opacity=0.95)
        sheet.dot((point[0] - 2, point[1] - 2), 1.3, "#e5949b", opacity=0.6)
    return shape


def squamous_cell_carcinoma(sheet: Sheet) -> Shape:
    """Yellow-white horn in the middle, white circles around follicles, looped vessels standing towards the centre."""
    shape = uneven(sheet.rng, x=120, y=90, width=68, height=54, roughness=0.07)
    sheet.fill(shape, "#d88f80", opacity=0.9, blur=3)
    sheet.fill(shape, "#edc0ad", share=0.68, opacity=0.9, blur=6)
    for step in range(24):
        angle = 2 * math.pi * step / 24 + sheet.rng.gauss(0, 0.05)
        near = sheet.rng.uniform(0.66, 0.74)
        loop = [
            shape.at(angle - 0.05, 0.95),
            shape.at(angle - 0.04, near),
            shape.at(angle + 0.05, near - 0.03),
            shape.at(angle + 0.06, 0.93),
        ]
        sheet.line(loop, "#b3232f", 1.5, opacity=0.85)
    for point in scattered(sheet.rng, shape, 11, gap=15, share=0.6):
        sheet.ring(point, 4.6, "#fffaf0", 2.6, opacity=0.95)
        sheet.dot(point, 2.2, "#d9a066", opacity=0.9)
    sheet.fill(uneven(sheet.rng, x=120, y=90, width=22, height=16, roughness=0.16), "#e7c883", opacity=0.95, blur=1)
    sheet.fill(uneven(sheet.rng, x=117, y=87, width=12, height=8, roughness=0.2), "#fbf1cf", opacity=0.9, blur=1)
    sheet.fill(uneven(sheet.rng, x=132, y=97, width=6, height=4, roughness=0.2), "#8c2a22", opacity=0.8, blur=1)
    return shape


DRAW: dict[str, Callable[[Sheet], Shape]] = {
    "MEL": melanoma,
    "NV": naevus,
    "BCC": basal_cell_carcinoma,
    "AK": actinic_keratosis,
    "BKL": benign_keratosis,
    "DF": dermatofibroma,
    "VASC": vascular_lesion,
    "SCC": squamous_cell_carcinoma,
}


@cache
def drawing(code: str, *, outlined: bool = False) -> str:
    """The SVG of a lesion type, with its outline as the desk draws it or without. Raises KeyError for a code that is none."""
    sheet = Sheet(Random(f"dermatrail {code}"))  # noqa: S311 - a drawing, not a secret
    draw = DRAW[code]
    skin_lines(sheet)
    shape = draw(sheet)
    if outlined:
        for colour, width, opacity in (("#000", 3.2, 0.55), ("#fff", 1.4, 1)):
            sheet.add(
                f'<path d="{shape.path(share=1.06)}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}"/>'
            )
    return sheet.text()
