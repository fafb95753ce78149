"""One patient with many lesions, each seen many times, with everything that the trail knows of them: rows alone, no pictures.

Everything follows from a fixed seed, but the moments: the last visits were this week. The first lesions have a story: one grew and has an
alert, one stands out, one cannot be compared; some wait to be read, one has no site, one was merged away.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert

from services.records.states import CaseState, Decision, JobState, Laterality, Management, MapView, Modality, Outcome, Sex, Urgency
from services.records.tables import (
    Alert,
    Analysis,
    Base,
    Case,
    Comparison,
    Image,
    Job,
    Lesion,
    Patient,
    Review,
    SequenceAnswer,
    VisitMeasure,
)

SITES = ("back", "chest", "abdomen", "face", "scalp", "neck", "upper arm", "forearm", "hand", "thigh", "lower leg", "foot", "palm", "sole")
PIPELINE = "p1-5f0c2a71-9be4d310"
FEATURES = 3840
CORNERS = 96
WIDTH, HEIGHT = 1024, 768
MM_PER_PX = 0.02
MONTH = timedelta(days=30.44)

REGISTRATION = {
    "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "scale": 1.0,
    "rotation": 0.0,
    "inliers": 60,
    "correlation": 0.8,
    "overlap": 0.9,
    "scale_error": 0.01,
    "corner_error": 0.01,
    "quality": 0.8,
    "way": "features",
}

Rows = dict[type[Base], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose patient, read by whom, and how many lesions with how many visits each."""

    tenant_id: UUID
    reader_id: UUID
    lesions: int = 200
    visits: int = 10
    reference: str = "P-2000"
    features: int = FEATURES


@dataclass(frozen=True, slots=True)
class Seeded:
    """The patient and their lesions in the order in which they were made."""

    patient_id: UUID
    lesion_ids: tuple[UUID, ...]


def seed_patient(*, connection: Connection, wanted: Wanted, finding: Mapping[str, Any], random: Random | None = None) -> Seeded:
    """Write the patient through a connection that row-level security does not bind; ``finding``: an analyzer's, the same for all."""
    random = random or Random(5)  # noqa: S311 - drawn data, no secret
    patient_id, lesion_ids = uuid4(), tuple(uuid4() for _ in range(wanted.lesions))
    rows: Rows = {}
    owned = {"tenant_id": wanted.tenant_id}
    _add(rows, Patient, owned, id=patient_id, reference=wanted.reference, sex=Sex.FEMALE, birth_year=1961, fitzpatrick=2)
    for number, lesion_id in enumerate(lesion_ids):
        _add(rows, Lesion, owned, id=lesion_id, patient_id=patient_id, **_place(random, number))
        history = _History(wanted, patient_id, lesion_id, number, finding)
        history.write(rows, random)
    for table, made in rows.items():
        # One statement for each set of columns: JSON's null is a value, so what is not there must be left out.
        for columns in {frozenset(row) for row in made}:
            connection.execute(insert(table), [row for row in made if frozenset(row) == columns])
    return Seeded(patient_id, lesion_ids)


def _add(rows: Rows, table: type[Base], owned: Mapping[str, Any], **values: Any) -> None:
    rows.setdefault(table, []).append({"id": uuid4(), **owned, **values})


def _place(random: Random, number: int) -> dict[str, Any]:
    site = None if number == 5 else SITES[number % len(SITES)]
    side = random.choice((Laterality.LEFT, Laterality.RIGHT)) if number % 4 else None
    placed = number % 3 == 0
    view = {"map_view": MapView.BACK, "map_x": 0.5 + random.gauss(0, 0.07), "map_y": random.uniform(0.2, 0.48)} if placed else {}
    return {"reference": f"L-{number + 1}", "body_site": "back" if placed else site, "laterality": side, **_no_place(), **view}


def _no_place() -> dict[str, Any]:
    return {"map_view": None, "map_x": None, "map_y": None}


@dataclass(frozen=True, slots=True)
class _History:
    """One lesion's visits."""

    wanted: Wanted
    patient_id: UUID
    lesion_id: UUID
    number: int
    finding: Mapping[str, Any]

    @property
    def growth(self) -> float:
        """Per month, as a share."""
        return 0.09 if self.number == 0 else 0.02 if self.number % 17 == 3 else 0.0

    def write(self, rows: Rows, random: Random) -> None:
        """Adds every row of this lesion."""
        last = datetime.now(UTC) - timedelta(days=random.uniform(0, 7))
        moments = [last - 3 * MONTH * (self.wanted.visits - 1 - step) for step in range(self.wanted.visits)]
        across = random.lognormvariate(math.log(210 if self.number == 1 else 140), 0.12 if self.number > 1 else 0.0)
        looks = _vector(random, self.wanted.features, odd=self.number == 1)
        before: tuple[UUID, UUID] | None = None
        for step, moment in enumerate(moments):
            months = 3.0 * step
            size = across * math.sqrt((1 + self.growth) ** months) * random.gauss(1, 0.01)
            pair = self._visit(rows, random, moment, size, looks, is_last=step == self.wanted.visits - 1)
            if before:
                self._comparison(rows, before, pair, random)
            before = pair

    def _visit(self, rows: Rows, random: Random, moment: datetime, size: float, looks: bytes, *, is_last: bool) -> tuple[UUID, UUID]:
        case_id, image_id, job_id = uuid4(), uuid4(), uuid4()
        owned = {"tenant_id": self.wanted.tenant_id}
        key = f"{self.wanted.tenant_id}/{case_id}/{image_id}"
        waits = is_last and self.number % 9 == 0
        _add(rows, Case, owned, id=case_id, **self._case(moment, image_id, key, waits=waits, is_last=is_last))
        _add(rows, Image, owned, id=image_id, case_id=case_id, **_image(key))
        done = {"state": JobState.DONE, "urgency_rank": 2, "due_at": moment, "finished_at": moment}
        _add(rows, Job, owned, id=job_id, image_id=image_id, **done)
        _add(rows, Analysis, owned, image_id=image_id, job_id=job_id, embedding=looks, **_analysis(key, self.finding))
        measures = _measures(random, size, dark=self.number == 1)
        _add(rows, VisitMeasure, owned, image_id=image_id, outline_id=None, version="m1", measures=measures)
        if not waits:
            _add(rows, Review, owned, **self._review(case_id, moment, is_last=is_last))
        if is_last:
            answer = {"image_ids": [image_id], "digest": "5f0c2a71", "visits": 1, "malignant_probability": 0.1}
            _add(rows, SequenceAnswer, owned, case_id=case_id, progressing_probability=None, **answer)
        return case_id, image_id

    def _case(self, moment: datetime, image_id: UUID, key: str, *, waits: bool, is_last: bool) -> dict[str, Any]:
        state = CaseState.AWAITING_REVIEW if waits else CaseState.REVIEWED
        return {
            "patient_id": self.patient_id,
            "lesion_id": self.lesion_id,
            "urgency": Urgency.ROUTINE,
            "state": state,
            "received_at": moment,
            "visited_at": moment,
            "due_at": moment + timedelta(days=14),
            "reviewed_at": None if waits else moment + timedelta(hours=5),
            "risk": 0.12,
            "risk_level": 2,
            "lead_image_id": image_id,
            "lead_outcome": Outcome.PREDICTION,
            "lead_classes": ["NV"],
            "lead_class": "NV",
            "lead_probability": 0.81,
            "lead_thumbnail_key": f"{key}/thumbnail.jpg",
            "alert": "grew 30 % ± 4 in 3 months" if is_last and self.number == 0 else None,
        }

    def _review(self, case_id: UUID, moment: datetime, *, is_last: bool) -> dict[str, Any]:
        decided = {"case_id": case_id, "user_id": self.wanted.reader_id, "decision": Decision.CONFIRM, "diagnosis": "NV", "shown": {}}
        months = 3 if not is_last or self.number % 2 else None
        plan = Management.FOLLOW_UP if months else Management.DISCHARGE
        day = (moment + 3 * MONTH).date() if months else None
        return {**decided, "created_at": moment + timedelta(hours=5), "management": plan, "follow_up_months": months, "follow_up_on": day}

    def _comparison(self, rows: Rows, earlier: tuple[UUID, UUID], later: tuple[UUID, UUID], random: Random) -> None:
        pair = {"earlier_case_id": earlier[0], "later_case_id": later[0], "earlier_image_id": earlier[1], "later_image_id": later[1]}
        valid = self.number != 2
        said = {"registration": REGISTRATION, "changes": _changes(random, (1 + self.growth) ** 3 - 1)}
        why: dict[str, Any] = said if valid else {"why": "magnification"}
        owned = {"tenant_id": self.wanted.tenant_id}
        comparison_id = uuid4()
        _add(rows, Comparison, owned, id=comparison_id, **pair, basis="b", version="c1", valid=valid, **why)
        if self.number == 0:
            words = {"headline": "grew 30 % ± 4 in 3 months", "rules": {"fired": [], "months": 3.0}, "rule_version": "r1"}
            _add(rows, Alert, owned, case_id=later[0], comparison_id=comparison_id, **words)


def _image(key: str) -> dict[str, Any]:
    return {
        "position": 0,
        "filename": "lesion.jpg",
        "media_type": "image/jpeg",
        "byte_size": 204_800,
        "sha256": "a" * 64,
        "width": WIDTH,
        "height": HEIGHT,
        "modality": Modality.DERMOSCOPIC,
        "original_key": f"{key}/original",
        "view_key": f"{key}/view",
    }


def _analysis(key: str, finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pipeline_version": PIPELINE,
        "outcome": Outcome.PREDICTION,
        "classes": ["NV"],
        "top_class": "NV",
        "top_probability": 0.81,
        "malignant_probability": 0.12,
        "flags": [],
        "finding": dict(finding),
        "mask_key": f"{key}/mask.png",
        "thumbnail_key": f"{key}/thumbnail.jpg",
    }


def _vector(random: Random, length: int, *, odd: bool) -> bytes:
    values = [1 + random.gauss(0, 1.6 if odd else 0.3) for _ in range(length)]
    whole = math.hypot(*values)
    return struct.pack(f"<{length}e", *(value / whole for value in values))


def _measures(random: Random, across: float, *, dark: bool) -> dict[str, Any]:
    area = math.pi * across * across * 0.9 / 4
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "mm_per_px": MM_PER_PX,
        "scale_source": "dicom_pixel_spacing",
        "area_px": [area, area * 0.02],
        "major_px": [across, across * 0.01],
        "minor_px": [across * 0.9, across * 0.01],
        "asymmetry": [abs(random.gauss(0.12, 0.03)), 0.02],
        "colour_asymmetry": [random.gauss(8, 1), 1.0],
        "border_irregularity": [abs(random.gauss(0.05, 0.02)), 0.01],
        "colour_variegation": [random.gauss(9, 1), 0.8],
        "malignant_probability": [0.1, 0.03],
        "lesion_lab": [[30.0 if dark else random.gauss(48, 2), 1.0], [14.0, 0.5], [17.0, 0.5]],
        "skin_lab": [[68.0, 1.0], [12.0, 0.5], [16.0, 0.5]],
        "classes": ["NV"],
        "touches_border": False,
        "drawn": False,
        "outline": [[list(corner) for corner in _corners(across)]],
    }


def _corners(across: float) -> Iterator[tuple[float, float]]:
    for step in range(CORNERS):
        angle = 2 * math.pi * step / CORNERS
        yield 0.5 + across / 2 / WIDTH * math.cos(angle), 0.5 + across / 2 / HEIGHT * math.sin(angle)


def _changes(random: Random, growth: float) -> dict[str, Any]:
    value = growth + random.gauss(0, 0.015)
    names = (
        "area",
        "major",
        "minor",
        "asymmetry",
        "colour_asymmetry",
        "border_irregularity",
        "colour_variegation",
        "malignant_probability",
    )
    change = {"absolute": 5.0, "relative": value, "error": 0.04, "per_month": value / 3, "unit": "mm²", "significant": value > 0.12}
    changes = {name: {**change, "earlier": 20.0, "later": 25.0} for name in names}
    return {"changes": changes, "basis": "mm", "months": 3.0, "notes": [], "new_classes": [], "lower_bound": False}
