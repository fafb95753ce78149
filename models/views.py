"""The eight turns and flips of a square: a lesion has no upright side, so a classifier may be asked several times and averaged."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Squares: TypeAlias = NDArray[Any]  # N×S×S or N×S×S×C
Floats: TypeAlias = NDArray[np.float32]

# (transposed, rows reversed, columns reversed), in the order of use: upright, left-right, up-down, half turn, then the same
# four of the transposed square. Two or four views keep the square's axes, eight are the whole symmetry group of a square.
VIEWS = tuple((transposed, rows, columns) for transposed in (False, True) for rows in (False, True) for columns in (False, True))
COUNTS = (1, 2, 4, 8)


def views_of(squares: Squares, *, count: int) -> Squares:
    """N×S×S×… → (count·N)×S×S×…, all upright ones first. Raises ValueError for a count that is not one of COUNTS."""
    if count not in COUNTS:
        raise ValueError(f"{count} views of a square: use {', '.join(map(str, COUNTS))}")
    if count == 1:
        return squares
    return np.concatenate([_turned(squares, *view) for view in VIEWS[:count]])


def mean_over_views(rows: Floats, *, count: int) -> Floats:
    """(count·N)×K, one row a view in the order of ``views_of`` → N×K."""
    if count == 1:
        return rows
    return np.asarray(rows.reshape(count, -1, *rows.shape[1:]).mean(axis=0))


def mean_upright(maps: Floats, *, count: int) -> Floats:
    """(count·N)×h×w maps of the views → N×h×w, each turned back before the mean."""
    if count == 1:
        return maps
    parts = zip(np.split(maps, count), VIEWS, strict=False)
    return np.asarray(np.mean([_turned_back(part, *view) for part, view in parts], axis=0))


def _turned(squares: Squares, transposed: bool, rows: bool, columns: bool) -> Squares:
    turned = squares.swapaxes(1, 2) if transposed else squares
    turned = turned[:, ::-1] if rows else turned
    return turned[:, :, ::-1] if columns else turned


def _turned_back(maps: Floats, transposed: bool, rows: bool, columns: bool) -> Floats:
    upright = maps[:, ::-1] if rows else maps
    upright = upright[:, :, ::-1] if columns else upright
    return upright.swapaxes(1, 2) if transposed else upright
