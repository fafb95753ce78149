"""What one comparison costs on one core at 1024×768, beside the bare loop: both pictures through the shipped networks, nothing else."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infra.bench.trail_growth import BEFORE, FIELD_MM, MONTHS, visit_of
from infra.bench.trail_subjects import analyzer, drawn_subjects, outline_of
from models.change import Visit, compare, look_at, register
from models.synthetic.visits import Course, imaging_between, revisit

COMPARISONS = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians, ms of processor time on one thread, pictures decoded.

    ``look``, ``measures``: of one picture; ``registration``: of two looks; ``refusal``: of looks of different lesions; ``change``: of two
    visits measured and looked at, registration included; ``comparison``: all that a new visit costs beside an earlier one on file, which
    is a look at each, a registration and the change; ``bare``: the outline of one picture and no more.
    """

    look: float
    registration: float
    refusal: float
    measures: float
    change: float
    bare: float

    @property
    def comparison(self) -> float:
        """Two looks and the change."""
        return 2 * self.look + self.change


def cost_of(comparisons: int = COMPARISONS) -> Cost:
    """Drawn lesions of 1024×768 px, each beside its later self."""
    pairs = [_pair(number) for number in range(comparisons)]
    crossed = [(pairs[index][0].look, pairs[index - 1][1].look) for index in range(len(pairs))]
    analyzer()
    return Cost(
        look=_ms(look_at, [(one.picture,) for one, _ in pairs]),
        registration=_ms(register, [(one.look, other.look) for one, other in pairs]),
        refusal=_ms(register, crossed),
        measures=_ms(lambda picture: visit_of(picture, FIELD_MM / 1024, BEFORE), [(one.picture,) for one, _ in pairs[:4]]),
        change=_ms(compare, pairs),
        bare=_ms(outline_of, [(one.picture,) for one, _ in pairs]),
    )


def _pair(number: int) -> tuple[Visit, Visit]:
    subject = drawn_subjects(number + 1)[number]
    picture = subject.picture()
    imaging = imaging_between(np.random.default_rng(number), zoom=(0.8, 1.25))
    later = revisit(picture, subject.outline(picture), course=Course(growth=0.3), imaging=imaging, seed=number)
    spacing = FIELD_MM / max(picture.shape[:2])
    return visit_of(picture, spacing, BEFORE), visit_of(later.rgb, spacing / imaging.zoom, BEFORE + MONTHS)


def _ms(work: Callable[..., object], calls: Sequence[tuple[Any, ...]]) -> float:
    work(*calls[0])
    spent = []
    for given in calls:
        began = time.process_time()
        work(*given)
        spent.append(1_000 * (time.process_time() - began))
    return statistics.median(spent)
