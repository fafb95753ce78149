"""A lesion's trail as pages and portals read it: its visits in order of time, what was measured, compared, alerted and decided.

A fixed number of statements, however many visits there are. Figures stay as the change worker wrote them (see ``models.change``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, false, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from services.records.audit import Actor, Subject, record_event
from services.records.errors import LesionNotFound
from services.records.reads import stands
from services.records.states import (
    AuditAction,
    CaseState,
    Laterality,
    ReminderKind,
)
from services.records.tables import (
    Alert,
    Analysis,
    Case,
    Comparison,
    FirstOpinion,
    Image,
    Lesion,
    ModelVersion,
    Outline,
    Patient,
    Reminder,
    Review,
    SequenceAnswer,
    Tenant,
    VisitMeasure,
)
from services.records.visit_views import SequenceView, TrailAlert, Visit, VisitComparison, VisitDecision, VisitImage

# How much of a model's digest stands for a model that nobody registered.
DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A lesion with everything that its page shows. Visits from the first to the last."""

    lesion_id: UUID
    tenant_id: UUID
    portal: str
    patient_id: UUID
    patient_reference: str
    reference: str | None
    body_site: str | None
    laterality: Laterality | None
    tracking_uid: str
    blind_first_read: bool
    visits: tuple[Visit, ...]
    comparisons: tuple[VisitComparison, ...]
    alerts: tuple[TrailAlert, ...]
    sequence: tuple[SequenceView, ...]
    reminders: tuple[tuple[UUID, ReminderKind, datetime], ...]

    def visit(self, case_id: UUID) -> Visit | None:
        """The visit of this case, if it belongs to the lesion."""
        return next((visit for visit in self.visits if visit.case_id == case_id), None)

    def comparison(self, earlier: UUID, later: UUID) -> VisitComparison | None:
        """The newest comparison of two visits."""
        return next((found for found in self.comparisons if (found.earlier, found.later) == (earlier, later)), None)


@dataclass(frozen=True, slots=True)
class CaseTrail:
    """The visits of a case's lesion, from the first to the last, and the comparison of this case with the visit before it."""

    lesion_id: UUID
    blind_first_read: bool
    visits: tuple[Visit, ...]
    comparison: VisitComparison | None


@dataclass(frozen=True, slots=True)
class LesionTrail:
    """The visits of a lesion from the first to the last, with everything that the change worker wrote about them."""

    visits: tuple[Visit, ...]
    comparisons: tuple[VisitComparison, ...]
    alerts: tuple[TrailAlert, ...]
    sequence: tuple[SequenceView, ...]


@dataclass(frozen=True, slots=True)
class ComparisonPictures:
    """Where the pictures of a comparison lie. The registered one shows the earlier case."""

    tenant_id: UUID
    earlier: UUID
    later: UUID
    registered_key: str | None
    difference_key: str | None


def read_trail(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID, user_id: UUID) -> Trail:
    """Return the trail of a lesion of one of the tenants, in six statements; the reading is audited.

    Raises:
        LesionNotFound: there is none, or it is another tenant's.
    """
    query = (
        select(Lesion, Patient.reference, Tenant.name, Tenant.blind_first_read)
        .join(Patient, Patient.id == Lesion.patient_id)
        .join(Tenant, Tenant.id == Lesion.tenant_id)
        .where(Lesion.id == lesion_id, Lesion.tenant_id.in_(tenant_ids))
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise LesionNotFound(lesion_id)
    lesion, patient, portal, blind_first_read = row
    actor, subject = Actor.user(user_id), Subject("lesion", lesion_id)
    record_event(session=session, tenant_id=lesion.tenant_id, actor=actor, action=AuditAction.LESION_READ, subject=subject)
    visits = _visits(session, and_(Case.lesion_id == lesion_id, Case.tenant_id == lesion.tenant_id), user_id)
    ids = [visit.case_id for visit in visits]
    return Trail(
        lesion_id=lesion.id,
        tenant_id=lesion.tenant_id,
        portal=portal,
        patient_id=lesion.patient_id,
        patient_reference=patient,
        reference=lesion.reference,
        body_site=lesion.body_site,
        laterality=lesion.laterality,
        tracking_uid=lesion.tracking_uid,
        blind_first_read=blind_first_read,
        visits=visits,
        comparisons=_comparisons(session, visits, visits) if len(ids) > 1 else (),
        alerts=_alerts(session, ids),
        sequence=_sequence(session, ids) if len(ids) > 1 else (),
        reminders=_reminders(session, [visit.decision.review_id for visit in visits if visit.decision and visit.decision.follow_up_on]),
    )


def case_trail(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID) -> CaseTrail | None:
    """Return what a case's page shows of its lesion's trail, in at most three statements; None where this is the only visit.

    The reading of the case is audited by who opens it.
    """
    this = select(Case.lesion_id, Tenant.blind_first_read).join(Tenant, Tenant.id == Case.tenant_id)
    row = session.execute(this.where(Case.id == case_id, Case.tenant_id.in_(tenant_ids), _has_others())).one_or_none()
    if row is None:
        return None
    visits = _visits(session, and_(Case.lesion_id == row.lesion_id, Case.tenant_id.in_(tenant_ids)), user_id)
    ids = [visit.case_id for visit in visits]
    before = ids.index(case_id) - 1
    pair = _comparisons(session, visits[before : before + 1], visits[before + 1 : before + 2]) if before >= 0 else ()
    return CaseTrail(row.lesion_id, row.blind_first_read, visits, pair[0] if pair else None)


def lesion_trail(*, session: Session, tenant_id: UUID, lesion_id: UUID) -> LesionTrail:
    """Return a lesion's trail without its reader: at most four statements. Who asks for it audits the reading."""
    visits = _visits(session, and_(Case.lesion_id == lesion_id, Case.tenant_id == tenant_id), None)
    if len(visits) < 2:
        return LesionTrail(visits, (), (), ())
    ids = [visit.case_id for visit in visits]
    return LesionTrail(visits, _comparisons(session, visits, visits), _alerts(session, ids), _sequence(session, ids))


def comparison_pictures(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID, comparison_id: UUID) -> ComparisonPictures | None:
    """Return where the pictures of a comparison of a tenant's lesion lie; None where there is no such comparison."""
    cases = select(Case.id).where(Case.lesion_id == lesion_id, Case.tenant_id.in_(tenant_ids))
    row = session.execute(
        select(
            Comparison.tenant_id,
            Comparison.earlier_case_id,
            Comparison.later_case_id,
            Comparison.registered_key,
            Comparison.difference_key,
        ).where(
            Comparison.id == comparison_id,
            Comparison.tenant_id.in_(tenant_ids),
            Comparison.earlier_case_id.in_(cases),
            Comparison.later_case_id.in_(cases),
        )
    ).one_or_none()
    return ComparisonPictures(*row) if row else None


def _has_others() -> ColumnElement[bool]:
    twin = aliased(Case)
    return exists().where(twin.lesion_id == Case.lesion_id, twin.id != Case.id)


def _visits(session: Session, which: ColumnElement[bool], user_id: UUID | None) -> tuple[Visit, ...]:
    return tuple(_visit(row) for row in session.execute(_visits_query(which, user_id)))


def _visits_query(which: ColumnElement[bool], user_id: UUID | None) -> Select[*tuple[Any, ...]]:
    of_case, shown = Case.id, aliased(Image, _shown())
    of_image = shown.id
    newest = select(Analysis.id, Analysis.mask_key, Analysis.thumbnail_key, Analysis.malignant_probability).where(
        Analysis.image_id == of_image
    )
    analysis = newest.order_by(Analysis.created_at.desc()).limit(1).correlate(shown).lateral("analysis")
    drawn = select(Outline.id, Outline.mask_key).where(Outline.image_id == of_image)
    outline = drawn.order_by(Outline.created_at.desc()).limit(1).correlate(shown).lateral("outline")
    # A row without a mask gives the word back to the model: then no outline of a reader counts.
    counted = case((outline.c.mask_key.is_not(None), outline.c.id)).label("outline_id")
    of_outline = VisitMeasure.outline_id.is_not_distinct_from(counted)
    measure = select(VisitMeasure.measures, VisitMeasure.version).where(VisitMeasure.image_id == of_image)
    measured = measure.order_by(of_outline.desc(), VisitMeasure.created_at.desc()).limit(1).correlate(shown, outline).lateral("measured")
    given = exists().where(FirstOpinion.case_id == of_case, FirstOpinion.user_id == user_id).correlate(Case)
    opinion = given if user_id else false()
    columns = (analysis.c.id.label("analysis_id"), analysis.c.mask_key, analysis.c.thumbnail_key, counted, measured.c.measures)
    decided = aliased(Review, _decided())
    said = analysis.c.malignant_probability
    return (
        select(Case, shown, decided, *columns, said, measured.c.version, opinion.label("opinion_given"))
        .select_from(Case)
        .outerjoin(shown, true())
        .outerjoin(analysis, true())
        .outerjoin(outline, true())
        .outerjoin(measured, true())
        .outerjoin(decided, true())
        .where(which)
        .order_by(Case.visited_at, Case.received_at, Case.id)
    )


def _shown() -> LateralFromClause:
    """The picture that leads the case, else its first one. Not by coalesce(): under row-level security that would not use the index."""
    first = aliased(Image)
    leading = select(first.id).where(first.case_id == Case.id).order_by(first.position).limit(1).correlate(Case).scalar_subquery()
    chosen = case((Case.lead_image_id.is_not(None), Case.lead_image_id), else_=leading)
    return select(Image).where(Image.id == chosen).limit(1).correlate(Case).lateral("shown")


def _decided() -> LateralFromClause:
    standing = select(Review).where(Review.case_id == Case.id, Case.state == CaseState.REVIEWED, stands())
    return standing.order_by(Review.created_at.desc()).limit(1).correlate(Case).lateral("decided")


def _visit(row: Row[*tuple[Any, ...]]) -> Visit:
    this: Case = row[0]
    return Visit(
        case_id=this.id,
        visited_at=this.visited_at,
        source=this.visit_source,
        received_at=this.received_at,
        state=this.state,
        outcome=this.lead_outcome,
        classes=tuple(this.lead_classes) or ((this.lead_class,) if this.lead_class else ()),
        # Not the risk of the case: that is raised where an alert stands, or where nothing is known.
        malignant_probability=row.malignant_probability,
        not_analysed=this.not_analysed,
        waits_since=this.trail_due_at,
        failed=this.trail_failed,
        image=_image(row[1], row),
        measures=row.measures,
        measures_version=row.version,
        decision=_decision(row[2]),
        opinion_given=row.opinion_given,
    )


def _image(image: Image | None, row: Row[*tuple[Any, ...]]) -> VisitImage | None:
    if image is None:
        return None
    return VisitImage(
        id=image.id,
        width=image.width,
        height=image.height,
        modality=image.modality,
        tiled=image.tiles_key is not None,
        thumbnail_key=row.thumbnail_key,
        analysis_id=row.analysis_id,
        mask_version=row.outline_id or (row.analysis_id if row.mask_key else None),
    )


def _decision(review: Review | None) -> VisitDecision | None:
    if review is None:
        return None
    follow_up_on = review.follow_up_on
    return VisitDecision(review.id, review.created_at, review.decision, review.diagnosis, review.management, follow_up_on)


def _comparisons(session: Session, earlier: Collection[Visit], later: Collection[Visit]) -> tuple[VisitComparison, ...]:
    """The newest of each pair of visits; one of a picture that leads no longer does not count."""
    pair = (Comparison.earlier_case_id, Comparison.later_case_id)
    of_cases = (pair[0].in_([visit.case_id for visit in earlier]), pair[1].in_([visit.case_id for visit in later]))
    images = [[visit.image.id for visit in side if visit.image] for side in (earlier, later)]
    of_images = (Comparison.earlier_image_id.in_(images[0]), Comparison.later_image_id.in_(images[1]))
    query = select(Comparison).where(*of_cases, *of_images).ext(distinct_on(*pair))
    return tuple(_comparison(row) for row in session.scalars(query.order_by(*pair, Comparison.created_at.desc())))


def _comparison(row: Comparison) -> VisitComparison:
    return VisitComparison(
        id=row.id,
        created_at=row.created_at,
        earlier=row.earlier_case_id,
        later=row.later_case_id,
        valid=row.valid,
        why=row.why,
        registration=row.registration,
        changes=row.changes,
        registered_key=row.registered_key,
        difference_key=row.difference_key,
        version=row.version,
    )


def _alerts(session: Session, case_ids: Collection[UUID]) -> tuple[TrailAlert, ...]:
    query = select(Alert).where(Alert.case_id.in_(case_ids)).order_by(Alert.created_at)
    return tuple(
        TrailAlert(row.case_id, row.created_at, row.headline, row.rules, row.rule_version, row.withdrawn_at, row.withdrawn_reason)
        for row in session.scalars(query)
    )


def _sequence(session: Session, case_ids: Collection[UUID]) -> tuple[SequenceView, ...]:
    name = func.coalesce(ModelVersion.name + " " + ModelVersion.version, func.left(SequenceAnswer.digest, DIGITS))
    answer = (SequenceAnswer.case_id, SequenceAnswer.visits, SequenceAnswer.malignant_probability, SequenceAnswer.progressing_probability)
    query = (
        select(*answer, name)
        .outerjoin(ModelVersion, ModelVersion.digest == SequenceAnswer.digest)
        .where(SequenceAnswer.case_id.in_(case_ids))
        .ext(distinct_on(SequenceAnswer.case_id))
        .order_by(SequenceAnswer.case_id, SequenceAnswer.created_at.desc())
    )
    return tuple(SequenceView(*row) for row in session.execute(query))


def _reminders(session: Session, review_ids: Collection[UUID]) -> tuple[tuple[UUID, ReminderKind, datetime], ...]:
    if not review_ids:
        return ()
    query = select(Reminder.review_id, Reminder.kind, Reminder.created_at).where(Reminder.review_id.in_(review_ids))
    return tuple((row.review_id, row.kind, row.created_at) for row in session.execute(query.order_by(Reminder.created_at)))
