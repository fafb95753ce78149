"""From the records' views of lesions, changes, follow-ups and events to the API's JSON."""

from typing import Any
from uuid import UUID

from flask import url_for

from services.intake import trail_schemas as out
from services.records.follow_up_listing import FollowUpList, FollowUpRow
from services.records.lesion_changes import AlertView, ComparedVisit, ComparisonView, LesionChanges, SequenceAnswerView
from services.records.lesion_listing import LesionPage, LesionSummary, LesionView, LesionVisit, PatientSummary
from services.records.portal_events import EventPage


def patient(found: PatientSummary) -> out.PatientOut:
    """Whom a search has found."""
    return out.PatientOut(
        id=found.id,
        reference=found.reference,
        sex=found.sex,
        birth_year=found.birth_year,
        fitzpatrick=found.fitzpatrick,
        consent_training=found.consent_training,
        lesions_url=url_for("patients.read_patient_lesions", patient_id=found.id),
    )


def lesions(found: LesionPage) -> out.LesionPage:
    """A page of a patient's lesions."""
    return out.LesionPage(lesions=[out.LesionLine(**_line(each)) for each in found.lesions], next_cursor=found.next_cursor)


def lesion(view: LesionView) -> out.LesionOut:
    """A lesion with its visits."""
    return out.LesionOut(
        **_line(view.lesion),
        patient_id=view.lesion.patient_id,
        patient_reference=view.patient_reference,
        visits=[_visit(visit) for visit in view.visits],
    )


def lesion_url(lesion_id: UUID) -> str:
    """The address of a lesion."""
    return url_for("lesions.read_lesion", lesion_id=lesion_id)


def _line(found: LesionSummary) -> dict[str, Any]:
    point = found.map_view and out.MapPointOut(view=found.map_view, x=found.map_x or 0.0, y=found.map_y or 0.0)
    due = found.follow_up
    return {
        "id": found.id,
        "tracking_uid": found.tracking_uid,
        "reference": found.reference,
        "body_site": found.body_site,
        "laterality": found.laterality,
        "map_point": point,
        "visit_count": found.visits,
        "first_visit_at": found.first_visit_at,
        "last_visit_at": found.last_visit_at,
        "last_case_id": found.last_case_id,
        "alert": found.alert,
        "follow_up": due and out.NextVisit(case_id=due.case_id, follow_up_on=due.follow_up_on, state=due.state),
        "lesion_url": lesion_url(found.id),
        "changes_url": url_for("lesions.read_changes", lesion_id=found.id),
    }


def _visit(visit: LesionVisit) -> out.VisitOut:
    thumbnail = url_for("artifacts.read_thumbnail", case_id=visit.case_id, image_id=visit.image_id) if visit.thumbnail_key else None
    return out.VisitOut(
        case_id=visit.case_id,
        reference=visit.case_reference,
        visited_at=visit.visited_at,
        visit_source=visit.source,
        received_at=visit.received_at,
        status=visit.state,
        reviewed_at=visit.reviewed_at,
        image_id=visit.image_id,
        image_count=visit.image_count,
        thumbnail_url=thumbnail,
        alert=visit.alert,
        case_url=url_for("cases.read_case", case_id=visit.case_id),
    )


def changes(found: LesionChanges) -> out.ChangesOut:
    """Everything that has changed on a lesion."""
    return out.ChangesOut(
        lesion_id=found.lesion_id,
        comparisons=[_comparison(each) for each in found.comparisons],
        alerts=[_alert(each) for each in found.alerts],
        sequence=[_answer(each) for each in found.sequence],
    )


def _comparison(found: ComparisonView) -> out.ComparisonOut:
    said: dict[str, Any] = found.changes or {}
    figures: dict[str, dict[str, Any]] = said.get("changes") or {}
    return out.ComparisonOut(
        id=found.id,
        created_at=found.created_at,
        earlier=_compared(found.earlier),
        later=_compared(found.later),
        valid=found.valid,
        why=found.why,
        basis=said.get("basis"),
        months=said.get("months"),
        changes={name: out.ChangeOut(**figure) for name, figure in figures.items()} if found.valid else None,
        new_classes=said.get("new_classes") or [],
        lower_bound=bool(said.get("lower_bound")),
        notes=said.get("notes") or [],
        registration=found.registration,
        version=found.version,
    )


def _compared(visit: ComparedVisit) -> out.ComparedVisitOut:
    return out.ComparedVisitOut(
        case_id=visit.case_id,
        image_id=visit.image_id,
        visited_at=visit.visited_at,
        status=visit.state,
        scale_source=visit.scale_source,
    )


def _alert(found: AlertView) -> out.AlertOut:
    return out.AlertOut(
        case_id=found.case_id,
        status=found.state,
        headline=found.headline,
        rules=[out.RuleOut(**rule) for rule in found.rules.get("fired") or []],
        rule_version=found.rule_version,
        raised_at=found.created_at,
        withdrawn_at=found.withdrawn_at,
        withdrawn_reason=found.withdrawn_reason,
    )


def _answer(found: SequenceAnswerView) -> out.SequenceOut:
    return out.SequenceOut(
        case_id=found.case_id,
        status=found.state,
        image_ids=found.image_ids,
        malignant_probability=found.malignant_probability,
        progressing_probability=found.progressing_probability,
        model_digest=found.digest,
        created_at=found.created_at,
    )


def follow_ups(found: FollowUpList) -> out.FollowUpPage:
    """A page of follow-ups."""
    return out.FollowUpPage(follow_ups=[_follow_up(row) for row in found.rows], next_cursor=found.next_cursor)


def _follow_up(row: FollowUpRow) -> out.FollowUpLine:
    found = row.follow_up
    return out.FollowUpLine(
        follow_up_on=found.follow_up_on,
        state=found.state,
        decided_at=found.decided_at,
        case_id=found.case_id,
        case_reference=row.case_reference,
        lesion_id=found.lesion_id,
        lesion_reference=row.lesion_reference,
        tracking_uid=row.tracking_uid,
        patient_id=found.patient_id,
        patient_reference=row.patient_reference,
        fulfilled_by=found.fulfilled_by,
        case_url=url_for("cases.read_case", case_id=found.case_id),
        lesion_url=lesion_url(found.lesion_id),
    )


def events(page: EventPage) -> out.EventPage:
    """Some events, and where to go on."""
    told = [
        out.EventOut(
            id=event.id,
            kind=event.kind,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            created_at=event.created_at,
            payload=event.payload,
        )
        for event in page.events
    ]
    return out.EventPage(events=told, next_cursor=page.cursor, more=page.more)
