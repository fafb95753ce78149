"""Do the pictures of today still look like those of a reference window, and do the answers? Population stability, per portal.

Read from a random sample of each window, so that a portal of a million pictures costs as much as one of ten thousand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CTE, Double, Select, Subquery, Text, Uuid, cast, column, func, literal, null, select, true, values
from sqlalchemy import DateTime as Time
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session

from services.records.statistics.figures import stability_by_chance, stability_index
from services.records.statistics.windows import Window, counted
from services.records.tables import Analysis

# At most so many pictures of each portal and window. Ids are random, so the lowest of a window are a random sample of it.
SAMPLE = 2000
# Under so many pictures in either window chance alone moves the index past WATCH now and then: nothing is said.
FEWEST = 200
# The customary limits of the index (Siddiqi 2006, Credit Risk Scorecards): under 0.1 no shift, over 0.25 a large one. They are a
# convention of credit scoring, not a law: what matters to a picture model was never measured with them.
WATCH, ALARM = 0.1, 0.25
DECILES = tuple(step / 10 for step in range(1, 10))
ANSWER = "answer"


class Feature(StrEnum):
    """What is watched. All but the last are numbers; ``answer`` is the leading class, ``set`` or ``abstain``."""

    SHARPNESS = "sharpness"
    BRIGHTNESS = "brightness"
    HAIR_SHARE = "hair_share"
    CLIPPED_SHARE = "clipped_share"
    AREA_SHARE = "area_share"
    MALIGNANT_PROBABILITY = "malignant_probability"
    ANSWER = ANSWER


OF_QUALITY = (Feature.SHARPNESS, Feature.BRIGHTNESS, Feature.HAIR_SHARE, Feature.CLIPPED_SHARE)


class Level(StrEnum):
    """What an index means."""

    TOO_FEW = "too_few"
    STABLE = "stable"
    WATCH = "watch"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Bin:
    """One column of both histograms. ``name``: the category, or the number of the decile of the reference, from 0."""

    name: str
    reference: int
    recent: int


@dataclass(frozen=True, slots=True)
class Shift:
    """How one feature of one portal moved. ``means`` (reference, recent) are None of categories and of nothing.

    ``by_chance``: what two samples of one population stay under, 95 times of 100.
    """

    tenant_id: UUID
    feature: Feature
    bins: tuple[Bin, ...]
    means: tuple[float, float] | None

    @property
    def sizes(self) -> tuple[int, int]:
        """Pictures of the reference and of the recent sample that have the feature."""
        return sum(each.reference for each in self.bins), sum(each.recent for each in self.bins)

    @property
    def index(self) -> float | None:
        """The population stability index; None where either sample is too small to say."""
        if min(self.sizes) < FEWEST:
            return None
        return stability_index([each.reference for each in self.bins], [each.recent for each in self.bins])

    @property
    def by_chance(self) -> float | None:
        """The index that chance alone seldom passes; None where either sample is too small to say."""
        reference, recent = self.sizes
        return stability_by_chance(len(self.bins), reference, recent) if min(reference, recent) >= FEWEST else None

    @property
    def level(self) -> Level:
        """Past a limit counts only what is past chance, too."""
        if self.index is None or self.by_chance is None:
            return Level.TOO_FEW
        if self.index <= max(WATCH, self.by_chance):
            return Level.STABLE
        return Level.ALARM if self.index > ALARM else Level.WATCH


def shifts(*, session: Session, tenant_ids: Sequence[UUID], reference: Window, recent: Window, leaving: bool = False) -> list[Shift]:
    """Return the shift of each feature of each portal that has pictures in either window, in two statements.

    Args:
        leaving: the figures leave, so that patients who refuse to be counted there are not.
    """
    if not tenant_ids:
        return []
    sample = _sample(tenant_ids, {"reference": reference, "recent": recent}, leaving=leaving)
    numbers = [_Count(*row) for row in session.execute(_numbers(sample))]
    categories = [_Count(*row) for row in session.execute(_categories(sample))]
    found: dict[tuple[UUID, Feature], list[_Count]] = {}
    for count in (*numbers, *categories):
        found.setdefault((count.tenant_id, Feature(count.feature)), []).append(count)
    return [_shift(tenant_id, feature, counts) for (tenant_id, feature), counts in found.items()]


@dataclass(frozen=True, slots=True)
class _Count:
    tenant_id: UUID
    feature: str
    part: str
    name: str
    pictures: int
    total: float | None


def _sample(tenant_ids: Sequence[UUID], parts: dict[str, Window], *, leaving: bool) -> Subquery:
    asked = values(
        column("tenant_id", Uuid), column("part", Text), column("start", Time(timezone=True)), column("end", Time(timezone=True))
    )
    rows = [(tenant_id, part, window.start, window.end) for tenant_id in tenant_ids for part, window in parts.items()]
    wanted = asked.data(rows).alias("wanted")
    drawn = (
        select(Analysis.finding, Analysis.malignant_probability, func.coalesce(Analysis.top_class, Analysis.outcome).label(ANSWER))
        .where(Analysis.tenant_id == wanted.c.tenant_id, Analysis.created_at >= wanted.c.start, Analysis.created_at < wanted.c.end)
        .where(*counted(tenant_ids, leaving=leaving, image_id=Analysis.image_id))
        .order_by(Analysis.id)
        .limit(SAMPLE)
        .lateral("drawn")
    )
    return select(wanted.c.tenant_id, wanted.c.part, *drawn.c).join(drawn, true()).subquery("sample")


def _numbers(sample: Subquery) -> Select[UUID, str, str, str, int, float | None]:
    """Count the deciles of the reference in both parts. A number that a finding lacks is left out."""
    each = _long(sample)
    edges = (
        select(each.c.tenant_id, each.c.feature, func.percentile_cont(array(DECILES)).within_group(each.c.number).label("edges"))
        .where(each.c.part == "reference")
        .group_by(each.c.tenant_id, each.c.feature)
        .cte("edges")
    )
    same = (edges.c.tenant_id == each.c.tenant_id) & (edges.c.feature == each.c.feature)
    place = func.width_bucket(each.c.number, cast(edges.c.edges, ARRAY(Double))).label("place")
    placed = select(each.c.tenant_id, each.c.feature, each.c.part, place, each.c.number).join(edges, same).subquery()
    alike = (placed.c.tenant_id, placed.c.feature, placed.c.part, placed.c.place)
    counted = select(*alike[:3], cast(placed.c.place, Text), func.count(), func.sum(placed.c.number))
    return counted.group_by(*alike)


def _long(sample: Subquery) -> CTE:
    """One row for each number of each picture."""
    quality, measures = sample.c.finding["quality"], sample.c.finding["measures"]
    paths = {
        name: quality[name.value].astext for name in (Feature.SHARPNESS, Feature.BRIGHTNESS, Feature.HAIR_SHARE, Feature.CLIPPED_SHARE)
    }
    paths[Feature.AREA_SHARE] = measures[Feature.AREA_SHARE.value].astext
    numbers = {name: cast(path, Double) for name, path in paths.items()}
    numbers[Feature.MALIGNANT_PROBABILITY] = cast(sample.c.malignant_probability, Double)
    names = func.unnest(array([literal(name.value, Text) for name in numbers]), array(list(numbers.values())))
    rows = names.table_valued(column("feature", Text), column("number", Double), name="figures").render_derived().lateral()
    query = select(sample.c.tenant_id, sample.c.part, rows.c.feature, rows.c.number).join(rows, true())
    return query.where(rows.c.number.is_not(None)).cte("each")


def _categories(sample: Subquery) -> Select[UUID, str, str, str, int, float | None]:
    alike = (sample.c.tenant_id, sample.c.part, sample.c[ANSWER])
    feature = literal(ANSWER, Text).label("feature")
    return select(sample.c.tenant_id, feature, sample.c.part, sample.c[ANSWER], func.count(), cast(null(), Double)).group_by(*alike)


def _shift(tenant_id: UUID, feature: Feature, counts: Sequence[_Count]) -> Shift:
    names = sorted({count.name for count in counts}, key=lambda name: (int(name) if name.isdigit() else 0, name))
    bins = tuple(Bin(name, _pictures(counts, "reference", name), _pictures(counts, "recent", name)) for name in names)
    before, after = (_mean(count for count in counts if count.part == part) for part in ("reference", "recent"))
    return Shift(tenant_id, feature, bins, None if before is None or after is None else (before, after))


def _pictures(counts: Iterable[_Count], part: str, name: str) -> int:
    return sum(count.pictures for count in counts if (count.part, count.name) == (part, name))


def _mean(counts: Iterable[_Count]) -> float | None:
    known = [(count.total, count.pictures) for count in counts if count.total is not None]
    return sum(total for total, _ in known) / sum(pictures for _, pictures in known) if known else None
