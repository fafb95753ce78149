"""What the case page shows, made from the records' case: pictures with their findings, facts, and the decision form."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.states import JobState, Laterality, Modality
from services.records.views import CaseView, ImageView
from services.review import words
from services.review.findings import Finding, Statement, is_hairless, read_finding
from services.review.measures import MeasuresPanel, measures_panel
from services.review.times import Moment

MODALITIES = {Modality.DERMOSCOPIC: "dermoscopic", Modality.CLINICAL: "clinical", Modality.UNKNOWN: "modality unknown"}
BLIND = Statement("information", "Blind first read", "What the model found opens after your first opinion.")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on the stage, with its finding or the reason why there is none."""

    id: UUID
    number: int
    selected: bool
    src: str
    tiles: str | None
    mask: str | None
    model_mask: str | None
    corrected: bool
    draw: str | None
    thumbnail: str | None
    heatmap: str | None
    hairfree: str | None
    hairless: bool
    explained: str
    width: int
    height: int
    spacing: float | None
    calibrate: str
    alt: str
    caption: str
    short: str
    finding: Finding | None
    unread: Statement
    measures: MeasuresPanel


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the case's facts."""

    label: str
    text: str
    time: Moment | None = None


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything that case.html needs."""

    patient: str
    patient_href: str
    facts: str
    notes: str
    pictures: tuple[Picture, ...]
    case_facts: tuple[Fact, ...]
    blind: bool


def case_page_view(case: CaseView, *, now: datetime, selected: int | None, blind: bool = False) -> CasePage:
    """The page of `case`; `selected` is a picture's number (from 1), by default the leading picture's.

    `blind`: nothing of the model's answer is in it, and which picture leads is the model's answer, too.
    """
    leading = 1 if blind else case.images.index(case.leading_image) + 1
    chosen = selected if selected is not None and 1 <= selected <= len(case.images) else leading
    made = _bare_picture if blind else _picture
    return CasePage(
        patient=case.patient_reference,
        patient_href=url_for("patients.patient", patient_id=case.patient_id),
        facts=" · ".join(_headline(case)),
        notes=case.clinical_notes.strip(),
        pictures=tuple(made(case, image, number, chosen, now) for number, image in enumerate(case.images, 1)),
        case_facts=tuple(_case_facts(case, now)),
        blind=blind,
    )


def site_words(body_site: str | None, laterality: Laterality | None) -> str:
    """`back, left`; a missing site is said, because a reader must not guess it."""
    if body_site is None:
        return "site not given"
    return body_site if laterality is None else f"{body_site}, {laterality}"


def picture_url(kind: str, case_id: UUID, image_id: UUID, version: UUID | None = None) -> str:
    """The authorised address of an image's `view`, `mask`, `thumbnail` … by the route's name.

    `version` keeps a cache from mixing analyses.
    """
    return url_for(f"pictures.{kind}", case_id=case_id, image_id=image_id, v=version)


def mask_url(case_id: UUID, image: ImageView) -> str | None:
    """The address of the outline that counts, a reader's or the model's; it changes with the outline."""
    version = image.outline.id if image.outline else image.analysis.id if image.analysis else None
    return picture_url("mask", case_id, image.id, version) if image.mask_key else None


def tiles_url(case_id: UUID, image_id: UUID) -> str:
    """The address under which a large picture's tiles lie."""
    return url_for("pictures.tile", case_id=case_id, image_id=image_id, level=0, x=0, y=0).removesuffix("/0/0_0.jpg")


def _headline(case: CaseView) -> list[str]:
    lesion = f"lesion {case.lesion_reference}" if case.lesion_reference else None
    site = site_words(case.body_site, case.laterality)
    return [part for part in (lesion, site, case.portal) if part]


def _picture(case: CaseView, image: ImageView, number: int, chosen: int, now: datetime) -> Picture:
    analysis = image.analysis
    version = analysis.id if analysis else None
    finding = read_finding(analysis) if analysis else None
    return Picture(
        id=image.id,
        number=number,
        selected=number == chosen,
        src=picture_url("view", case.id, image.id),
        tiles=tiles_url(case.id, image.id) if image.tiles_key else None,
        mask=mask_url(case.id, image),
        model_mask=picture_url("model_mask", case.id, image.id, version) if analysis and analysis.mask_key else None,
        corrected=image.outline is not None,
        draw=None if case.state.terminal else url_for("outlines.draw", case_id=case.id, image_id=image.id),
        thumbnail=picture_url("thumbnail", case.id, image.id, version) if analysis and analysis.thumbnail_key else None,
        heatmap=picture_url("heatmap", case.id, image.id, version) if analysis and analysis.heatmap_key else None,
        hairfree=picture_url("hairfree", case.id, image.id, version) if analysis and analysis.hairfree_key else None,
        hairless=analysis is not None and analysis.hairfree_key is None and is_hairless(analysis.finding),
        explained=finding.bars[0].code if finding and finding.bars else "",
        width=image.width,
        height=image.height,
        spacing=image.ruler_mm_per_px or image.pixel_spacing_mm,
        calibrate=url_for("calibrations.calibrate", case_id=case.id, image_id=image.id),
        alt=f"Picture {number}, {MODALITIES[image.modality]}, {site_words(case.body_site, case.laterality)}",
        caption=f"{MODALITIES[image.modality]} · {image.width} × {image.height} px",
        short=_short(image, finding),
        finding=finding,
        unread=_unread(image),
        measures=measures_panel(image, case_id=case.id, now=now),
    )


def _bare_picture(case: CaseView, image: ImageView, number: int, chosen: int, now: datetime) -> Picture:
    """The picture alone: its thumbnail and hair-free view say nothing of the answer."""
    whole = _picture(case, image, number, chosen, now)
    bare = _picture(case, replace(image, analysis=None, outline=None), number, chosen, now)
    return replace(bare, thumbnail=whole.thumbnail, hairfree=whole.hairfree, hairless=whole.hairless, draw=None, short="", unread=BLIND)


def _short(image: ImageView, finding: Finding | None) -> str:
    if finding is None:
        return "not analysed" if image.job_state is JobState.FAILED else "being analysed"
    return finding.short


def _unread(image: ImageView) -> Statement:
    if image.job_state is JobState.FAILED:
        reason = f"Reason: {image.reason}" if image.reason else ""
        return Statement("attention", "Not analysed: read by hand", reason, "Next step: judge the picture without the model.")
    return Statement("information", "Being analysed", "This picture has no finding yet. Load the page again in a minute.")


# Said to whoever reads it, and left to them: a dangerous finding may have to reach the patient in another way.
CARE_WITHDRAWN = "The patient has withdrawn their consent to care: the portal is not given the result."


def _case_facts(case: CaseView, now: datetime) -> list[Fact]:
    facts = [
        Fact("Urgency", case.urgency),
        Fact("Received", words.ago(case.received_at, now), Moment.of(case.received_at)),
        Fact("Due", words.due(case.due_at, now), Moment.of(case.due_at)),
        Fact("Patient", ", ".join(_patient(case)) or "sex, age and skin type not given"),
    ]
    if case.consent_care is False:
        facts.append(Fact("Consent", CARE_WITHDRAWN))
    if case.results_failed:
        facts.append(Fact("DICOM results", case.results_failed))
    if case.reference:
        facts.append(Fact("Portal's case", case.reference))
    return facts


def _patient(case: CaseView) -> list[str]:
    sex = str(case.sex) if case.sex else None
    born = f"born {case.birth_year}" if case.birth_year else None
    skin = f"skin type {case.fitzpatrick} (Fitzpatrick)" if case.fitzpatrick else None
    return [part for part in (sex, born, skin) if part]
