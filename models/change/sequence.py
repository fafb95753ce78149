"""What a network that reads series makes of one lesion's visits: p(malignant) and p(progressing), beside the single-picture result.

It was trained on simulated evolution; see its card. Every visit is shown as the same piece of skin, so that growth is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle import SHIPPED, Bundle, BundleError, load_bundle
from models.card import kind_of
from models.crop import Square, series_squares
from models.inputs import InputPlan
from models.networks import fold_batch_norms
from models.networks.sequence import CnnLstm
from models.ood import probabilities_of
from models.pictures.types import Gray, Rgb
from models.preprocess import apply_steps, normalise, to_working_size
from models.taxonomy import taxonomy_of
from models.views import views_of

NAME = "sequence"  # of the shipped bundle
# The views of a series: its squares turned or flipped, and from first to last visit drawn wider and wider, or narrower, by as much
# as an outline errs: what then happens to the answer is its uncertainty.
TRENDS = {1: (0,), 2: (1, -1), 4: (0, 1, -1, 0), 8: (0, 1, -1, 0, 0, 1, -1, 0)}
OUTLINE_ERROR = 0.03


@dataclass(frozen=True, slots=True)
class SequenceAnswer:
    """Probabilities 0..1, each with its spread: one standard deviation over views of the series.

    Of a single visit ``progressing_probability`` and its spread are None: there is nothing to compare. ``visits``: how many were
    given; ``read``: which of these the network was shown. ``digest``: of the bundle.
    """

    malignant_probability: float
    malignant_spread: float
    progressing_probability: float | None
    progressing_spread: float | None
    visits: int
    read: tuple[int, ...]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {**asdict(self), "read": list(self.read)}


@dataclass(frozen=True, slots=True)
class SeriesLogits:
    """Of V views of one series: V×C logits of the classes, and V logits of progressing (None: a single visit)."""

    classes: NDArray[np.float32]
    progressing: NDArray[np.float32] | None

    def mean(self) -> "SeriesLogits":
        """The mean over the views, as one view."""
        return SeriesLogits(self.classes.mean(0, keepdims=True), None if self.progressing is None else self.progressing.mean(keepdims=True))


class SequenceReader:
    """A sequence bundle ready to read. Thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError for a bundle that does not say whether a lesion progresses."""
        card, network = bundle.card, bundle.network
        if kind_of(card) != "sequence" or not isinstance(network, CnnLstm):
            raise BundleError(f"{card['name']} is no sequence model (its task is {card['task']!r}): dermatrail train sequence makes one")
        self.card, self.digest = card, bundle.digest
        fold_batch_norms(network)
        self.network = network.eval()
        self.plan = InputPlan.of(card)
        self.most = int(card["progressing"]["visits"])
        malignant = taxonomy_of(card["taxonomy"]).malignant
        self._malignant = np.array([code in malignant for code in card["classes"]])

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The bundle in ``folder`` (default: the shipped one), its signatures verified. Raises BundleError."""
        return cls(load_bundle(folder or SHIPPED / NAME))

    def read(
        self,
        pictures: Sequence[Rgb],
        *,
        days: Sequence[float],
        masks: Sequence[Gray] | None = None,
        squares: Sequence[Square] | None = None,
        mm_per_px: Sequence[float | None] | None = None,
    ) -> SequenceAnswer:
        """Reads one lesion's visits, the earliest first.

        Args:
            pictures: H×W×3 uint8, upright, one for each visit, of any size.
            days: when each was taken, counted from any day; visits of one day are equal.
            masks: the lesion's outline in each picture (non-zero = lesion), of any size, over the whole picture.
            squares: instead of masks: where the same piece of skin lies in each picture, as a registration finds it.
            mm_per_px: beside masks: the side of a pixel of each picture; without it all are taken as seen through one lens.

        Raises:
            ValueError: nothing to read, visits out of order, or not one of everything for each picture. It says what to do.
        """
        check_visits(len(pictures), days=days, masks=masks, squares=squares, mm_per_px=mm_per_px)
        chosen = chosen_visits(days, most=self.most)
        pictures, days_read = [pictures[index] for index in chosen], [days[index] for index in chosen]
        sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        scales = [mm_per_px[index] for index in chosen] if mm_per_px else None
        if masks is not None:
            shown = series_squares([masks[index] for index in chosen], sizes=sizes, mm_per_px=scales)
        else:
            shown = [(squares or ())[index] for index in chosen]
        logits = self.logits(pictures, squares=shown, days=days_read)
        return self.answer(logits, visits=len(days), read=chosen)

    def logits(self, pictures: Sequence[Rgb], *, squares: Sequence[Square], days: Sequence[float]) -> SeriesLogits:
        """What the network says before calibration, of at most ``most`` visits."""
        ready = [apply_steps(to_working_size(picture), self.plan.steps) for picture in pictures]
        views = np.stack([self._view(ready, squares, index) for index in range(self.plan.views)])
        count, visits = views.shape[:2]
        gaps = torch.tensor(np.diff(np.asarray(days, np.float64), prepend=days[0]), dtype=torch.float32).expand(count, visits)
        flat = torch.from_numpy(views.reshape(-1, *views.shape[2:])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            batch = normalise(flat, normalisation=self.plan.normalisation).contiguous(memory_format=torch.channels_last)
            classes, progressing = self.network.answers(batch.reshape(count, visits, *batch.shape[1:]), gaps)
        return SeriesLogits(classes.numpy(), progressing.numpy() if visits > 1 else None)

    def probabilities(self, logits: SeriesLogits) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """V×C probabilities of the classes and V of progressing, calibrated, one row for each view."""
        classes = probabilities_of(logits.classes, temperature=self.card["temperature"])
        if logits.progressing is None:
            return classes, None
        return classes, 1 / (1 + np.exp(-logits.progressing.astype(np.float64) / self.card["progressing"]["temperature"]))

    def answer(self, logits: SeriesLogits, *, visits: int, read: tuple[int, ...]) -> SequenceAnswer:
        """The calibrated answer: of the mean logits, with the spread of the views' own probabilities."""
        (classes, progressing), (each_classes, each_progressing) = self.probabilities(logits.mean()), self.probabilities(logits)
        return SequenceAnswer(
            malignant_probability=float(classes[0, self._malignant].sum()),
            malignant_spread=float(each_classes[:, self._malignant].sum(1).std()),
            progressing_probability=None if progressing is None else float(progressing[0]),
            progressing_spread=None if each_progressing is None else float(each_progressing.std()),
            visits=visits,
            read=read,
            digest=self.digest,
        )

    def _view(self, pictures: Sequence[Rgb], squares: Sequence[Square], index: int) -> NDArray[np.uint8]:
        steps = np.linspace(-1, 1, len(squares)) if len(squares) > 1 else np.zeros(1)
        wider = 1 + OUTLINE_ERROR * TRENDS[self.plan.views][index] * steps
        cuts = np.stack([self.plan.cut(picture, _scaled(square, by)) for picture, square, by in zip(pictures, squares, wider, strict=True)])
        return np.asarray(views_of(cuts, count=self.plan.views)[index * len(cuts) : (index + 1) * len(cuts)])


def chosen_visits(days: Sequence[float], *, most: int) -> tuple[int, ...]:
    """Places of at most ``most`` ≥ 2 visits: first and last, and between them those nearest to equal steps of time."""
    if len(days) <= most:
        return tuple(range(len(days)))
    between = range(1, len(days) - 1)
    wanted = np.linspace(days[0], days[-1], most)[1:-1]
    chosen: list[int] = []
    for day in wanted:
        chosen.append(min((index for index in between if index not in chosen), key=lambda index: abs(days[index] - day)))
    return (0, *sorted(chosen), len(days) - 1)


def check_visits(
    count: int,
    *,
    days: Sequence[float],
    masks: Sequence[Gray] | None,
    squares: Sequence[Square] | None,
    mm_per_px: Sequence[float | None] | None,
) -> None:
    """Raises ValueError, naming the cure, unless ``days`` and masks or squares go with ``count`` ≥ 1 pictures, in order of time."""
    if count < 1:
        raise ValueError("there is no picture: give one for each visit, at least one")
    if (masks is None) == (squares is None):
        raise ValueError("give either the masks or the squares of the visits")
    given: dict[str, Sequence[Any] | None] = {"days": days, "masks": masks, "squares": squares, "mm_per_px": mm_per_px}
    for name, values in given.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{name}: there are {len(values)} for {count} pictures: give one for each visit")
    if not all(math.isfinite(day) for day in days):
        raise ValueError(f"days are {list(days)}: every visit needs the day when it was photographed")
    if any(later < earlier for earlier, later in pairwise(days)):
        raise ValueError(f"days are {list(days)}: sort the visits by the time when they were photographed, the earliest first")


def _scaled(square: Square, by: float) -> Square:
    return Square(x=square.x, y=square.y, half_x=square.half_x * by, half_y=square.half_y * by)
