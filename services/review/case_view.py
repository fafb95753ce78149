"""What the case page shows, made from the records' case: pictures with their findings, facts, and the decision form."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.states import CaseState, JobState, Laterality, Modality
from services.records.views import CaseView, ImageView, ReviewView
from services.review import words
from services.review.decision import REASONS, DecisionForm, decision_words
from services.review.findings import Finding, Statement, read_finding
from services.review.times import Moment

MODALITIES = {Modality.DERMOSCOPIC: "dermoscopic", Modality.CLINICAL: "clinical", Modality.UNKNOWN: "modality unknown"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on the stage, with its finding or the reason why there is none."""

    number: int
    selected: bool
    src: str
    mask: str | None
    thumbnail: str | None
    heatmap: str | None
    explained: str
    width: int
    height: int
    alt: str
    caption: str
    short: str
    finding: Finding | None
    unread: Statement


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the case's facts."""

    label: str
    text: str
    time: Moment | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Why there is no form: decided, still being analysed, or not the reader's to decide."""

    kind: str
    title: str
    detail: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything that case.html needs."""

    patient: str
    facts: str
    notes: str
    pictures: tuple[Picture, ...]
    case_facts: tuple[Fact, ...]
    form: DecisionForm | None
    closed: Closed


def case_page_view(case: CaseView, *, now: datetime, selected: int | None, form: DecisionForm | None) -> CasePage:
    """The page of `case`; `selected` is a picture's number (from 1), by default the leading picture's."""
    leading = case.images.index(case.leading_image) + 1
    chosen = selected if selected is not None and 1 <= selected <= len(case.images) else leading
    return CasePage(
        patient=case.patient_reference,
        facts=" · ".join(_headline(case)),
        notes=case.clinical_notes.strip(),
        pictures=tuple(_picture(case, image, number, chosen) for number, image in enumerate(case.images, 1)),
        case_facts=tuple(_case_facts(case, now)),
        form=form,
        closed=_closed(case, now),
    )


def site_words(body_site: str | None, laterality: Laterality | None) -> str:
    """`back, left`; a missing site is said, because a reader must not guess it."""
    if body_site is None:
        return "site not given"
    return body_site if laterality is None else f"{body_site}, {laterality}"


def picture_url(kind: str, case_id: UUID, image_id: UUID, version: UUID | None = None) -> str:
    """The authorised address of an image's `view`, `mask`, `thumbnail` or `heatmap`; `version` keeps a cache from mixing analyses."""
    return url_for(f"pictures.{kind}", case_id=case_id, image_id=image_id, v=version)


def _headline(case: CaseView) -> list[str]:
    lesion = f"lesion {case.lesion_reference}" if case.lesion_reference else None
    site = site_words(case.body_site, case.laterality)
    return [part for part in (lesion, site, case.portal) if part]


def _picture(case: CaseView, image: ImageView, number: int, chosen: int) -> Picture:
    analysis = image.analysis
    version = analysis.id if analysis else None
    finding = read_finding(analysis) if analysis else None
    return Picture(
        number=number,
        selected=number == chosen,
        src=picture_url("view", case.id, image.id),
        mask=picture_url("mask", case.id, image.id, version) if analysis and analysis.mask_key else None,
        thumbnail=picture_url("thumbnail", case.id, image.id, version) if analysis and analysis.thumbnail_key else None,
        heatmap=picture_url("heatmap", case.id, image.id, version) if analysis and analysis.heatmap_key else None,
        explained=finding.bars[0].code if finding and finding.bars else "",
        width=image.width,
        height=image.height,
        alt=f"Picture {number}, {MODALITIES[image.modality]}, {site_words(case.body_site, case.laterality)}",
        caption=f"{MODALITIES[image.modality]} · {image.width} × {image.height} px",
        short=_short(image, finding),
        finding=finding,
        unread=_unread(image),
    )


def _short(image: ImageView, finding: Finding | None) -> str:
    if finding is None:
        return "not analysed" if image.job_state is JobState.FAILED else "being analysed"
    return finding.short


def _unread(image: ImageView) -> Statement:
    if image.job_state is JobState.FAILED:
        reason = f"Reason: {image.reason}" if image.reason else ""
        return Statement("attention", "Not analysed: read by hand", reason, "Next step: judge the picture without the model.")
    return Statement("information", "Being analysed", "This picture has no finding yet. Load the page again in a minute.")


def _case_facts(case: CaseView, now: datetime) -> list[Fact]:
    facts = [
        Fact("Urgency", case.urgency),
        Fact("Received", words.ago(case.received_at, now), Moment.of(case.received_at)),
        Fact("Due", words.due(case.due_at, now), Moment.of(case.due_at)),
        Fact("Patient", ", ".join(_patient(case)) or "sex, age and skin type not given"),
    ]
    if case.reference:
        facts.append(Fact("Portal's case", case.reference))
    return facts


def _patient(case: CaseView) -> list[str]:
    sex = str(case.sex) if case.sex else None
    born = f"born {case.birth_year}" if case.birth_year else None
    skin = f"skin type {case.fitzpatrick} (Fitzpatrick)" if case.fitzpatrick else None
    return [part for part in (sex, born, skin) if part]


def _closed(case: CaseView, now: datetime) -> Closed:
    if case.reviews:
        review = case.reviews[-1]
        when = f"{words.exact(review.created_at)} ({words.ago(review.created_at, now)})"
        detail = f"{review.reviewer}, {when}. {reason_sentence(review)}".strip()
        return Closed("done", decision_words(review.decision, review.diagnosis), detail, review.note)
    if case.state is CaseState.QUEUED:
        return Closed("information", "Being analysed", "The decision opens when every picture has its finding or the reason for none.")
    return Closed("information", "Your role reads and does not decide", "A dermatologist or a lead decides this case.")


def reason_sentence(review: ReviewView) -> str:
    """The reason of a decision that has one."""
    return f"Reason: {REASONS.get(review.reason, review.reason)}." if review.reason else ""
