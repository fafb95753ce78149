"""The answer about a case's leading image, written beside the case: what worklists sort, filter and show.

Of each image the latest analysis counts, of those the one of highest malignant probability leads. A standing alert about the lesion's
change (:mod:`services.records.alerts`) lies beside the case, too, and lifts its risk.
"""

from collections.abc import Collection
from functools import cache, reduce
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Update, bindparam, case, cast, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.selectable import LateralFromClause
from sqlalchemy.types import SmallInteger

from services.records import priority
from services.records.states import CaseState, IdentityState, JobState, Outcome
from services.records.tables import Analysis, Case, Image, Job

# Beside the flags of the finding, so that a worklist can be narrowed to such cases by the same means.
NOT_ANALYSED = "not_analysed"
CHANGED = "change"
IDENTITY = "identity"
COPIED = ("lead_outcome", "lead_classes", "lead_class", "lead_probability", "lead_thumbnail_key", "lead_image_id", "flags")


def store_answers(*, session: Session, case_ids: Collection[UUID], flag_trails: bool = True) -> bool:
    """Bring the answers beside these cases up to date, in one statement. Returns whether a trail waits because of them.

    ``flag_trails``: the answers are new, so the trails of patients with several cases are to be looked at.
    """
    if not case_ids:
        return False
    waiting = session.scalars(_bring_up_to_date(flag_trails), {"case_ids": list(case_ids)})
    return any(waiting.all())


@cache
def _bring_up_to_date(flag_trails: bool) -> Update:
    """The statement, built once: to build it costs a worker more than to run it. Asks for ``case_ids``."""
    asked = aliased(Case)
    lead, failed = _lead(asked), _failed(asked)
    unanswered = failed.c.reason.is_not(None) | (func.coalesce(lead.c.lead_outcome, Outcome.ABSTAIN) == Outcome.ABSTAIN)
    risk = priority.risk(lead.c.risk, unanswered, asked.alert.is_not(None))
    answer = (
        select(asked.id, *(lead.c[name] for name in COPIED), failed.c.reason, risk.label("risk"))
        .select_from(asked)
        .outerjoin(lead, true())
        .outerjoin(failed, true())
        .where(asked.id.in_(bindparam("case_ids", expanding=True)))
        .subquery("answer")
    )
    values: dict[str, ColumnElement[Any]] = {name: answer.c[name] for name in COPIED}
    values["lead_classes"] = func.coalesce(answer.c.lead_classes, "{}")
    said = {NOT_ANALYSED: answer.c.reason.is_not(None), CHANGED: Case.alert.is_not(None), IDENTITY: _may_identify()}
    marks = reduce(func.array_cat, (_mark(holds, mark) for mark, holds in said.items()))
    values["flags"] = func.array_cat(func.coalesce(answer.c.flags, "{}"), marks)
    level = cast(func.round(answer.c.risk * priority.RISK_LEVELS), SmallInteger)
    change = update(Case).where(Case.id == answer.c.id).values(**values, risk=answer.c.risk, risk_level=level, not_analysed=answer.c.reason)
    if flag_trails:
        change = change.values(**_trail(answer.c.lead_image_id.is_not(None)))
    return change.returning(Case.trail_due_at.is_not(None)).execution_options(synchronize_session=False)


def mark_identity(*, session: Session, case_id: UUID) -> None:
    """Bring the one flag up to date after a human has looked; nothing else of the answer changes."""
    without = func.array_remove(Case.flags, IDENTITY)
    flags = case((_may_identify(), func.array_append(without, IDENTITY)), else_=without)
    session.execute(update(Case).where(Case.id == case_id).values(flags=flags).execution_options(synchronize_session=False))


def _may_identify() -> ColumnElement[bool]:
    """One of the case's pictures may tell who the patient is, and no human has cleared it."""
    return exists().where(Image.case_id == Case.id, Image.identity_state.in_((IdentityState.SUSPECTED, IdentityState.HELD)))


def _mark(said: ColumnElement[bool], mark: str) -> ColumnElement[Any]:
    return cast(case((said, [mark]), else_=[]), ARRAY(Text))


def _trail(answered: ColumnElement[bool]) -> dict[str, ColumnElement[Any]]:
    """Once all its pictures have answers; where the patient has another case there may be something to compare, or to propose."""
    other = aliased(Case)
    due = answered & (Case.state != CaseState.QUEUED) & exists().where(other.patient_id == Case.patient_id, other.id != Case.id)
    return {
        "trail_due_at": case((due, func.now()), else_=Case.trail_due_at),
        "trail_attempts": case((due, 0), else_=Case.trail_attempts),
    }


def _lead(asked: type[Case]) -> LateralFromClause:
    """The leading analysis of a case, under the names of the case's columns."""
    answer = (
        Analysis.outcome.label("lead_outcome"),
        Analysis.classes.label("lead_classes"),
        Analysis.top_class.label("lead_class"),
        Analysis.top_probability.label("lead_probability"),
        Analysis.thumbnail_key.label("lead_thumbnail_key"),
        Analysis.malignant_probability.label("risk"),
        Analysis.flags,
    )
    latest = (
        select(Analysis.image_id.label("lead_image_id"), *answer)
        .join(Image, Image.id == Analysis.image_id)
        .where(Image.case_id == asked.id)
        .ext(distinct_on(Analysis.image_id))
        .order_by(Analysis.image_id, Analysis.created_at.desc())
        .correlate(asked)
        .subquery("latest")
    )
    return select(latest).order_by(latest.c.risk.desc(), latest.c.lead_image_id).limit(1).lateral("lead")


def _failed(asked: type[Case]) -> LateralFromClause:
    """Why an image of the case has no answer at all."""
    answered = select(Analysis.id).where(Analysis.image_id == Image.id).exists()
    failed = (Image.case_id == asked.id, Job.state == JobState.FAILED, ~answered)
    named = select(Job.reason).join(Image, Image.id == Job.image_id).where(*failed).correlate(asked)
    return named.order_by(Image.position).limit(1).lateral("failed")
