"""Does the model serve everybody alike? The same figures for each kind of person, place and picture."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Subquery, Text, case, cast, func, select, tuple_
from sqlalchemy.orm import Session

from services.records.states import Outcome
from services.records.statistics.figures import Proportion
from services.records.statistics.standing import KNOWN, MALIGNANT, NOT_ASSESSABLE, closed_cases, count_closed, sample_below
from services.records.statistics.windows import Scope
from services.records.tables import Image, Lesion, Patient

UNSTATED = "not stated"
# Of more closed cases a random sample is read: a subgroup of one in a hundred still has 400.
SAMPLE = 40_000
# Upper bounds of the age groups, in years; the last group has none.
AGES = (18, 40, 60, 75)
AGE_NAMES = ("under 18", "18 to 39", "40 to 59", "60 to 74", "75 and over")


class Dimension(StrEnum):
    """By what cases are told apart."""

    AGE = "age"
    SEX = "sex"
    BODY_SITE = "body_site"
    FITZPATRICK = "fitzpatrick"
    PORTAL = "portal"
    MODALITY = "modality"


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Closed cases of one kind. ``name`` of a portal is its id. The shares are those of :class:`.performance.Performance`."""

    dimension: Dimension
    name: str
    cases: int
    accuracy: Proportion
    sensitivity: Proportion
    specificity: Proportion
    abstained: Proportion


@dataclass(frozen=True, slots=True)
class Subgroups:
    """The largest come first within a dimension. ``closed``: closed cases of the window, of which a sample may stand for all."""

    groups: tuple[Subgroup, ...]
    closed: int

    @property
    def sampled(self) -> bool:
        """Whether the figures are of a random sample of about SAMPLE cases."""
        return self.closed > SAMPLE


def subgroups(*, session: Session, scope: Scope) -> Subgroups:
    """Return the figures of every value of every dimension, in two statements."""
    closed = count_closed(session=session, scope=scope)
    each = _described(scope, below=sample_below(SAMPLE / closed) if closed > SAMPLE else None)
    kinds = [each.c[dimension.value] for dimension in Dimension]
    sets = func.grouping_sets(*(tuple_(kind) for kind in kinds))
    query = select(func.grouping(*kinds), *kinds, *_counts(each)).group_by(sets)
    found = [_subgroup(list(row)) for row in session.execute(query)]
    order = list(Dimension)
    ordered = sorted(found, key=lambda group: (order.index(group.dimension), -group.cases, group.name))
    return Subgroups(tuple(ordered), closed)


def _described(scope: Scope, *, below: UUID | None) -> Subquery:
    """The closed cases with what is known of the person, the place and the leading picture."""
    closed = closed_cases(scope, below=below)
    years = func.extract("year", closed.c.received_at) - Patient.birth_year
    age = case(
        (Patient.birth_year.is_(None), UNSTATED),
        *((years < bound, name) for bound, name in zip(AGES, AGE_NAMES, strict=False)),
        else_=AGE_NAMES[-1],
    )
    kinds: dict[Dimension, ColumnElement[str]] = {
        Dimension.AGE: age,
        Dimension.SEX: func.coalesce(cast(Patient.sex, Text), UNSTATED),
        Dimension.BODY_SITE: func.coalesce(func.lower(Lesion.body_site), UNSTATED),
        Dimension.FITZPATRICK: func.coalesce(cast(Patient.fitzpatrick, Text), UNSTATED),
        Dimension.PORTAL: cast(closed.c.tenant_id, Text),
        Dimension.MODALITY: func.coalesce(cast(Image.modality, Text), UNSTATED),
    }
    answer = (closed.c.final, closed.c.outcome, closed.c.lead_class, closed.c.suspicious)
    return (
        select(*answer, *(value.label(dimension.value) for dimension, value in kinds.items()))
        .join(Patient, Patient.id == closed.c.patient_id)
        .outerjoin(Lesion, Lesion.id == closed.c.lesion_id)
        .outerjoin(Image, Image.id == closed.c.lead_image_id)
        .subquery("each")
    )


def _counts(each: Subquery) -> list[ColumnElement[int]]:
    """(hits, total) of each share, after the number of cases."""
    named = (each.c.outcome == Outcome.PREDICTION) & (each.c.final != NOT_ASSESSABLE)
    bad, good = each.c.final.in_(sorted(MALIGNANT)), each.c.final.in_(sorted(set(KNOWN) - MALIGNANT))
    suspicious = each.c.suspicious
    which = (
        (named & (each.c.lead_class == each.c.final), named),
        (bad & suspicious, bad & suspicious.is_not(None)),
        (good & ~suspicious, good & suspicious.is_not(None)),
        (each.c.outcome == Outcome.ABSTAIN, each.c.outcome.is_not(None)),
    )
    return [func.count(), *(cast(func.count().filter(condition), Integer) for pair in which for condition in pair)]


def _subgroup(row: list[object]) -> Subgroup:
    """``grouping`` has a zero bit for the one dimension that the row is about, the first dimension in the highest bit."""
    bits, kinds, counts = row[0], row[1 : 1 + len(Dimension)], row[1 + len(Dimension) :]
    place = f"{bits:0{len(Dimension)}b}".index("0")
    cases, *shares = (int(str(count)) for count in counts)
    proportions = [Proportion(shares[at], shares[at + 1]) for at in range(0, len(shares), 2)]
    return Subgroup(list(Dimension)[place], str(kinds[place]), cases, *proportions)


def portal_of(group: Subgroup) -> UUID:
    """Return the portal that a subgroup of that dimension is."""
    return UUID(group.name)
