"""A patient's lesions as pages and portals read them: the last picture, its measures, the last change, status and follow-up of each.

A fixed number of statements, however many lesions and visits there are. Figures stay as the workers wrote them (see ``models.change``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Row, Select, Subquery, and_, bindparam, case, column, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from services.records.audit import Actor, Subject, record_event
from services.records.errors import PatientNotFound
from services.records.follow_ups import OPEN, FollowUp, follow_up, follow_ups, utc_today
from services.records.lesion_places import MapPoint
from services.records.reads import stands
from services.records.states import AuditAction, CaseState, Decision, Laterality, Management, Sex
from services.records.tables import (
    Analysis,
    Calibration,
    Case,
    Comparison,
    FirstOpinion,
    Image,
    Lesion,
    Outline,
    Patient,
    Review,
    Tenant,
    VisitMeasure,
)

# States in which a portal's blind first read hides the model's answer from who has given no opinion.
UNDECIDED = (CaseState.QUEUED, CaseState.AWAITING_REVIEW, CaseState.AWAITING_SECOND_READ)
# What is read of the measures.
FIGURES = (
    "width",
    "height",
    "mm_per_px",
    "scale_source",
    "area_px",
    "major_px",
    "asymmetry",
    "border_irregularity",
    "colour_variegation",
    "lesion_lab",
    "skin_lab",
    "touches_border",
)


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last visit beside the one before. ``area``: the change of it, as ``Change.to_json`` wrote it; ``why`` iff not valid."""

    since: datetime
    valid: bool
    why: str | None
    area: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in the last visit's leading picture.

    ``measured``: with errors, by the worker that compares visits (``FIGURES`` of them); ``found``: by the analysis, without errors.
    ``mm_per_px``: by a reader's ruler. ``embedding`` (float16, little endian, of length 1) is comparable within one
    ``pipeline_version`` only.
    """

    measured: Mapping[str, Any] | None
    found: Mapping[str, Any] | None
    mm_per_px: float | None
    pipeline_version: str | None
    embedding: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLesion:
    """One lesion with its last visit. Lesions that were merged into another, and those without a visit, are none.

    ``opinion_due``: a visit is undecided, and this reader has given no first opinion on it; it matters where the portal asks for one.
    ``decision``: of the last visit, once it is decided.
    """

    id: UUID
    reference: str | None
    body_site: str | None
    laterality: Laterality | None
    point: MapPoint | None
    visits: int
    first_visit: datetime
    last_visit: datetime
    case_id: UUID
    state: CaseState
    image_id: UUID | None
    thumbnail_key: str | None
    analysis_id: UUID | None
    alert: str | None
    opinion_due: bool
    decision: Decision | None
    diagnosis: str | None
    management: Management | None
    look: Look
    change: LastChange | None
    follow_up: FollowUp | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientView:
    """A patient with their lesions, the last seen first."""

    id: UUID
    tenant_id: UUID
    portal: str
    blind_first_read: bool
    reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    lesions: tuple[PatientLesion, ...]


def read_patient(*, session: Session, tenant_ids: Sequence[UUID], patient_id: UUID, user_id: UUID) -> PatientView:
    """Return a patient of one of the tenants with all lesions, in three statements; the reading is audited.

    Raises:
        PatientNotFound: there is none, or it is another tenant's.
    """
    query = select(Patient, Tenant.name, Tenant.blind_first_read).join(Tenant, Tenant.id == Patient.tenant_id)
    row = session.execute(query.where(Patient.id == patient_id, Patient.tenant_id.in_(tenant_ids))).one_or_none()
    if row is None:
        raise PatientNotFound(patient_id)
    patient, portal, blind_first_read = row
    actor, subject = Actor.user(user_id), Subject("patient", patient_id)
    record_event(session=session, tenant_id=patient.tenant_id, actor=actor, action=AuditAction.PATIENT_READ, subject=subject)
    return PatientView(
        id=patient.id,
        tenant_id=patient.tenant_id,
        portal=portal,
        blind_first_read=blind_first_read,
        reference=patient.reference,
        sex=patient.sex,
        birth_year=patient.birth_year,
        fitzpatrick=patient.fitzpatrick,
        lesions=patient_lesions(session=session, tenant_id=patient.tenant_id, patient_id=patient_id, user_id=user_id),
    )


def patient_lesions(*, session: Session, tenant_id: UUID, patient_id: UUID, user_id: UUID | None = None) -> tuple[PatientLesion, ...]:
    """Return a patient's lesions, the last seen first, in two statements; the reading is audited by who asks."""
    rows = session.execute(_query(), {"tenant": tenant_id, "patient": patient_id, "reader": user_id}).all()
    due = follow_ups([tenant_id], today=utc_today(), states=OPEN, which=[Case.patient_id == patient_id], few=True)
    awaited = {row.lesion_id: follow_up(row) for row in session.execute(select(due))}
    return tuple(_lesion(row, awaited.get(row.id)) for row in rows)


@cache
def _query() -> Select[*tuple[Any, ...]]:
    """Of a `patient` of a `tenant` for a `reader`; it is made once, because making it costs as much as running it."""
    last, history = _last_visit(), _histories()
    analysis, outline, measured, scale = _looks(last)
    change, decided = _changes(last), _decided(last)
    place = (Lesion.reference, Lesion.body_site, Lesion.laterality, Lesion.map_view, Lesion.map_x, Lesion.map_y)
    visit = (last.c.case_id, last.c.visited_at, last.c.state, last.c.alert, last.c.image_id)
    seen = (history.c.visits, history.c.first_visit, history.c.opinion_due)
    query = select(Lesion.id, *place, *visit, *seen, *analysis.c, measured.c.measures, scale.c.mm_per_px, *change.c, *decided.c)
    query = query.join(history, history.c.lesion_id == Lesion.id).join(last, true())
    for joined in (analysis, outline, measured, scale, change, decided):
        query = query.outerjoin(joined, true())
    return query.where(Lesion.merged_into.is_(None)).order_by(last.c.visited_at.desc(), Lesion.id)


def _last_visit() -> LateralFromClause:
    # Where nothing is analysed, no picture leads: then it is the first one.
    first = select(Image.id).where(Image.case_id == Case.id).order_by(Image.position).limit(1).correlate(Case).scalar_subquery()
    image = func.coalesce(Case.lead_image_id, first).label("image_id")
    columns = (Case.lesion_id, Case.id.label("case_id"), Case.visited_at, Case.state, Case.alert, image)
    order = (Case.visited_at.desc(), Case.received_at.desc(), Case.id.desc())
    visits = select(*columns).where(Case.lesion_id == Lesion.id, Case.tenant_id == Lesion.tenant_id)
    return visits.order_by(*order).limit(1).correlate(Lesion).lateral("last")


def _histories() -> Subquery:
    mine = and_(Case.patient_id == bindparam("patient"), Case.tenant_id == bindparam("tenant"))
    # One opinion a reader and case: the join doubles no visit.
    given = and_(FirstOpinion.case_id == Case.id, FirstOpinion.user_id == bindparam("reader"))
    waits = func.bool_or(Case.state.in_(UNDECIDED) & FirstOpinion.id.is_(None))
    columns = (Case.lesion_id, func.count().label("visits"), func.min(Case.visited_at).label("first_visit"), waits.label("opinion_due"))
    return select(*columns).outerjoin(FirstOpinion, given).where(mine).group_by(Case.lesion_id).subquery("history")


def _looks(last: LateralFromClause) -> tuple[LateralFromClause, ...]:
    """Of the last visit's picture the newest analysis, outline, measures and scale."""
    found = Analysis.finding["measures"].label("found")
    answer = (Analysis.id.label("analysis_id"), Analysis.thumbnail_key, Analysis.pipeline_version, Analysis.embedding, found)
    analysis = _newest(select(*answer).where(Analysis.image_id == last.c.image_id), Analysis, last, "analysis")
    drawn = select(case((Outline.mask_key.is_not(None), Outline.id)).label("outline_id")).where(Outline.image_id == last.c.image_id)
    outline = _newest(drawn, Outline, last, "outline")
    of_outline = VisitMeasure.outline_id.is_not_distinct_from(outline.c.outline_id)
    # Without the outline's corners, which are most of it.
    figures = func.jsonb_to_record(VisitMeasure.measures).table_valued(*(column(name, JSONB) for name in FIGURES))
    measures = select(func.to_jsonb(literal_column("figures"), type_=JSONB).label("measures"))
    measures = (
        measures.select_from(VisitMeasure)
        .join(figures.render_derived(name="figures", with_types=True), true())
        .where(VisitMeasure.image_id == last.c.image_id)
    )
    newest = measures.order_by(of_outline.desc(), VisitMeasure.created_at.desc()).limit(1)
    scale = select(Calibration.mm_per_px).where(Calibration.image_id == last.c.image_id)
    return analysis, outline, newest.correlate(last, outline).lateral("measured"), _newest(scale, Calibration, last, "scale")


def _changes(last: LateralFromClause) -> LateralFromClause:
    earlier, area = aliased(Case), Comparison.changes["changes"]["area"].label("area")
    columns = (earlier.visited_at.label("since"), Comparison.valid, Comparison.why, area)
    query = select(*columns).join(earlier, earlier.id == Comparison.earlier_case_id)
    query = query.where(Comparison.later_case_id == last.c.case_id, earlier.lesion_id == last.c.lesion_id)
    place = (earlier.visited_at.desc(), earlier.received_at.desc(), earlier.id.desc(), Comparison.created_at.desc())
    return query.order_by(*place).limit(1).correlate(last).lateral("change")


def _decided(last: LateralFromClause) -> LateralFromClause:
    decision = select(Review.decision, Review.diagnosis, Review.management)
    return _newest(decision.where(Review.case_id == last.c.case_id, last.c.state == CaseState.REVIEWED, stands()), Review, last, "decided")


def _newest(query: Select[*tuple[Any, ...]], table: Any, beside: FromClause, name: str) -> LateralFromClause:
    return query.order_by(table.created_at.desc()).limit(1).correlate(beside).lateral(name)


def _lesion(row: Row[*tuple[Any, ...]], follow_up: FollowUp | None) -> PatientLesion:
    return PatientLesion(
        id=row.id,
        reference=row.reference,
        body_site=row.body_site,
        laterality=row.laterality,
        point=MapPoint(row.map_view, row.map_x, row.map_y) if row.map_view else None,
        visits=row.visits,
        first_visit=row.first_visit,
        last_visit=row.visited_at,
        case_id=row.case_id,
        state=row.state,
        image_id=row.image_id,
        thumbnail_key=row.thumbnail_key,
        analysis_id=row.analysis_id,
        alert=row.alert,
        opinion_due=row.opinion_due,
        decision=row.decision,
        diagnosis=row.diagnosis,
        management=row.management,
        look=Look(row.measures, row.found, row.mm_per_px, row.pipeline_version, row.embedding),
        change=LastChange(row.since, row.valid, row.why, row.area) if row.since else None,
        follow_up=follow_up,
    )
