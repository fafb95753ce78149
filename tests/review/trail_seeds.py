"""A lesion with visits over months, and what the change worker writes about them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from services.records.tables import Alert, Case, Comparison, SequenceAnswer, VisitMeasure
from tests.review.seeds import MELANOMA, Answer, Clinic, Seen, jpeg

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MONTH = timedelta(days=30.44)
SPACING = 0.02
PATIENT, LESION = "P-1042", "L-2"


def estimate(value: float, share: float = 0.04) -> list[float]:
    """As ``Estimate.to_json``."""
    return [value, abs(value) * share]


def measures(area_mm2: float, *, malignant: float = 0.3, scale: str | None = "dicom_pixel_spacing", **changes: Any) -> dict[str, Any]:
    """As ``VisitMeasures.to_json``: a lesion of this size in a 320×240 picture."""
    area = area_mm2 / SPACING**2
    whole = {
        "width": 320,
        "height": 240,
        "mm_per_px": SPACING if scale else None,
        "scale_source": scale,
        "area_px": estimate(area, 0.03),
        "major_px": estimate(1.2 * area**0.5, 0.02),
        "minor_px": estimate(area**0.5, 0.02),
        "asymmetry": [0.18 + area_mm2 / 400, 0.03],
        "colour_asymmetry": [6.0 + area_mm2 / 10, 0.9],
        "border_irregularity": [0.2, 0.03],
        "colour_variegation": [9.0 + area_mm2 / 8, 0.8],
        "malignant_probability": [malignant, 0.06],
        "lesion_lab": [[45.0, 1.0], [14.0, 0.5], [16.0, 0.5]],
        "skin_lab": [[72.0, 1.0], [12.0, 0.5], [15.0, 0.5]],
        "classes": ["MEL"] if malignant > 0.5 else ["NV"],
        "touches_border": False,
        "drawn": False,
        "outline": [],
    }
    return {**whole, **changes}


def change(earlier: float, later: float, *, unit: str, error: float, months: float = 4.0, sized: bool = True) -> dict[str, Any]:
    """As ``Change.to_json``."""
    relative = later / earlier - 1 if sized else None
    value = relative if relative is not None else later - earlier
    return {
        "absolute": later - earlier,
        "relative": relative,
        "error": error,
        "per_month": value / months,
        "unit": unit,
        "significant": abs(value) > 2 * error,
        "earlier": earlier,
        "later": later,
    }


def changes(earlier: dict[str, Any], later: dict[str, Any], *, months: float = 4.0) -> dict[str, Any]:
    """What two visits' measures say of each other: ``Comparison.to_json`` without registration and reason."""

    def of(name: str, **options: Any) -> dict[str, Any]:
        return change(earlier[name][0], later[name][0], months=months, **options)

    area, side = SPACING**2, SPACING
    found = {
        "area": change(earlier["area_px"][0] * area, later["area_px"][0] * area, unit="mm²", error=0.06, months=months),
        "major": change(earlier["major_px"][0] * side, later["major_px"][0] * side, unit="mm", error=0.03, months=months),
        "asymmetry": of("asymmetry", unit="share", error=0.04, sized=False),
        "colour_variegation": of("colour_variegation", unit="ΔE", error=1.1, sized=False),
        "malignant_probability": of("malignant_probability", unit="share", error=0.08, sized=False),
    }
    return {"changes": found, "basis": "mm", "months": months, "notes": [], "new_classes": [], "lower_bound": False}


def registration(*, scale: float = 1.0, turn: tuple[float, float] = (1.0, 0.0), shift: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
    """As ``Registration.to_json``; ``turn``: its cosine and sine."""
    cosine, sine = (scale * part for part in turn)
    matrix = [[cosine, -sine, shift[0]], [sine, cosine, shift[1]]]
    return {"matrix": matrix, "scale": scale, "rotation": 0.0, "inliers": 41, "correlation": 0.83, "overlap": 0.9}


@dataclass(frozen=True, slots=True)
class Growing:
    """A lesion that the clinic knows: its id and its visits' cases, first to last."""

    lesion_id: UUID
    cases: tuple[UUID, ...]


def visits(
    clinic: Clinic,
    tenant: UUID,
    answers: Sequence[Answer],
    *,
    at: Sequence[datetime] | None = None,
    reference: str = LESION,
    patient: str = PATIENT,
) -> Growing:
    """The visits alone, nothing compared yet; one every four months unless ``at`` says otherwise."""
    made = [
        clinic.case(tenant, answer, patient_reference=patient, lesion_reference=reference, body_site="back", laterality="left")
        for answer in answers
    ]
    times = at or [START + 4 * MONTH * index for index in range(len(made))]
    with clinic.owner.transaction(tenants=[tenant]) as session:
        for case_id, moment in zip(made, times, strict=True):
            session.execute(update(Case).where(Case.id == case_id).values(visited_at=moment, visit_source="portal", trail_due_at=None))
        lesion_id = session.scalar(select(Case.lesion_id).where(Case.id == made[0]))
    assert lesion_id is not None
    return Growing(lesion_id, tuple(made))


def growing(
    clinic: Clinic,
    tenant: UUID,
    areas: Sequence[float] = (31.0, 36.0, 43.0),
    *,
    scale: str | None = "dicom_pixel_spacing",
    alert: bool = True,
    **names: Any,
) -> Growing:
    """A lesion of these areas (mm²), measured and compared, with an alert about its last visit."""
    lesion = visits(clinic, tenant, [Seen(MELANOMA) for _ in areas], **names)
    measured = [measures(area, malignant=0.2 + index * 0.5 / len(areas), scale=scale) for index, area in enumerate(areas)]
    with clinic.worker.transaction() as session:
        images = store_measures(session, lesion, measured)
        for one, two in pairwise(range(len(areas))):
            compare(session, clinic, lesion, (one, two), changes(measured[one], measured[two]), images=images)
        sequence(session, lesion, images)
        if alert:
            raise_alert(session, lesion.cases[-1])
    return lesion


def store_measures(session: Session, lesion: Growing, measured: Sequence[dict[str, Any] | None]) -> list[UUID]:
    """Measures of each visit's picture; returns the pictures."""
    rows = {row.id: row for row in session.execute(select(Case.id, Case.lead_image_id, Case.tenant_id).where(Case.id.in_(lesion.cases)))}
    for case_id, figures in zip(lesion.cases, measured, strict=True):
        if figures is not None:
            row = rows[case_id]
            values = {"id": uuid4(), "tenant_id": row.tenant_id, "image_id": row.lead_image_id, "version": "m1", "measures": figures}
            session.execute(insert(VisitMeasure).values(values))
    return [rows[case_id].lead_image_id for case_id in lesion.cases]


def compare(
    session: Session,
    clinic: Clinic,
    lesion: Growing,
    pair: tuple[int, int],
    found: dict[str, Any] | None,
    *,
    images: Sequence[UUID],
    why: str | None = None,
    laid: dict[str, Any] | None = None,
    registered: bytes | None = None,
    difference: bytes | None = None,
) -> UUID:
    """A comparison of two visits; with ``why`` one that is not valid."""
    one, two = pair
    tenant_id = session.scalar(select(Case.tenant_id).where(Case.id == lesion.cases[one]))
    comparison_id = uuid4()
    folder = f"{tenant_id}/{lesion.cases[two]}/{images[two]}/comparisons/{comparison_id}"
    clinic.store.put(f"{folder}/registered.jpg", registered or jpeg(colour=(120, 70, 50)), "image/jpeg")
    clinic.store.put(f"{folder}/difference.png", difference or jpeg(colour=(250, 120, 10)), "image/png")
    row = {
        "id": comparison_id,
        "tenant_id": tenant_id,
        "earlier_case_id": lesion.cases[one],
        "later_case_id": lesion.cases[two],
        "earlier_image_id": images[one],
        "later_image_id": images[two],
        "basis": hashlib.sha256(str(comparison_id).encode()).hexdigest()[:16],
        "version": "c1",
        "valid": why is None,
    }
    keys = {"registered_key": f"{folder}/registered.jpg", "difference_key": f"{folder}/difference.png"}
    said = {"why": why} if why else {"registration": laid or registration(), "changes": found, **keys}
    session.execute(insert(Comparison).values(**row, **said))
    return comparison_id


def sequence(session: Session, lesion: Growing, images: Sequence[UUID]) -> None:
    """The sequence model's word after each visit from the second on."""
    tenant_id = session.scalar(select(Case.tenant_id).where(Case.id == lesion.cases[0]))
    for last in range(1, len(images)):
        session.execute(
            insert(SequenceAnswer).values(
                id=uuid4(),
                tenant_id=tenant_id,
                case_id=lesion.cases[last],
                image_ids=list(images[: last + 1]),
                digest="5e" * 32,
                visits=last + 1,
                malignant_probability=min(0.9, 0.3 + 0.1 * last),
                progressing_probability=min(0.95, 0.4 + 0.1 * last),
            )
        )


def raise_alert(session: Session, case_id: UUID) -> None:
    """An alert about growth."""
    tenant_id = session.scalar(select(Case.tenant_id).where(Case.id == case_id))
    headline = "grew 38 % ± 6 in 4 months"
    words = "area 31 → 43 mm², more than the error of looking twice"
    rules = {"fired": [{"rule": "growth", "text": words, "value": 0.38, "error": 0.06, "threshold": 0.15}]}
    row = {"id": uuid4(), "tenant_id": tenant_id, "case_id": case_id}
    session.execute(insert(Alert).values(**row, headline=headline, rules=rules, rule_version="r1"))
    session.execute(update(Case).where(Case.id == case_id).values(alert=headline))


def await_comparison(clinic: Clinic, case_id: UUID, *, failed: str | None = None) -> None:
    """The change worker has this case's trail still to do, or has given it up."""
    with clinic.worker.transaction() as session:
        values = {"trail_due_at": None if failed else datetime.now(UTC), "trail_failed": failed}
        session.execute(update(Case).where(Case.id == case_id).values(values))
