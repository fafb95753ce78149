"""Lesions with visits, and the worker that compares them, on real records and a store in memory."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from infra.demo.cases import encode
from models.change import Basis, Change, Comparison, Estimate, FiredRule, Visit, VisitMeasures
from models.pictures.masks import encode_png
from models.synthetic import Kind, draw
from services.objects import MemoryStore
from services.records.cases import NewCase, accept_case
from tests.records.worlds import Portal, Worker, new_image
from workers.comparing import TrailWorker
from workers.lesion_work import Tools
from workers.trail_pictures import Store

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
LEASE = timedelta(seconds=60)
WIDTH, HEIGHT = 320, 240


@dataclass(frozen=True, slots=True)
class NoNetworks:
    """Stands in for an analyzer where nothing asks the networks."""

    pipeline_version: str = "p1-none"


def drawn_picture(seed: int = 1, kind: Kind = Kind.NAEVUS) -> bytes:
    """A drawn lesion as a JPEG of 320×240 px."""
    return encode(draw(seed=seed, kind=kind, width=WIDTH, height=HEIGHT).rgb, ".jpg")


def measures(area: float = 1000.0) -> VisitMeasures:
    """A lesion of an area, with plain figures."""
    one = Estimate(0.1, 0.01)
    lab = (Estimate(50.0, 1.0), Estimate(10.0, 1.0), Estimate(10.0, 1.0))
    figures = dict.fromkeys(("asymmetry", "colour_asymmetry", "border_irregularity", "colour_variegation", "malignant_probability"), one)
    return VisitMeasures(
        width=WIDTH,
        height=HEIGHT,
        mm_per_px=None,
        scale_source=None,
        area_px=Estimate(area, 20.0),
        major_px=Estimate(40.0, 1.0),
        minor_px=Estimate(30.0, 1.0),
        lesion_lab=lab,
        skin_lab=lab,
        classes=("NV",),
        embedding="",
        embedding_spread=0.0,
        pipeline_version="p1-none",
        touches_border=False,
        drawn=False,
        outline=(),
        **figures,
    )


@dataclass
class Figures:
    """Stands in for the measuring and comparing code: quick, and says what it was asked for. ``grew``: what every pair shows."""

    grew: float | None = None
    why: str | None = None
    measured: int = 0
    compared: list[tuple[datetime | None, datetime | None]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def measure(self, *_: object, **__: object) -> VisitMeasures:
        self.measured += 1
        return measures()

    def compare(self, earlier: Visit, later: Visit, **_: object) -> "Told":
        self.compared.append((earlier.at, later.at))
        self.meanwhile()
        change = Change(absolute=None, relative=self.grew or 0.0, error=0.06, per_month=None, unit="%", significant=bool(self.grew))
        return Told(
            registration=None,
            why=self.why,
            changes={} if self.why else {"area": change},
            basis=Basis.REGISTRATION,
            months=4.0,
            notes=(),
            new_classes=(),
            lower_bound=False,
            registered=b"" if self.why else b"registered",
            difference=b"" if self.why else b"difference",
        )


class Told(Comparison):
    """A comparison whose words need no registration."""

    def to_json(self) -> dict[str, Any]:
        changes = {name: {key: getattr(change, key) for key in Change.__slots__} for name, change in self.changes.items()}
        rest: dict[str, Any] = {"basis": "registration", "months": self.months, "notes": [], "new_classes": [], "lower_bound": False}
        return {"registration": {"scale": 1.0}, "why": self.why, "changes": changes, **rest}


def fired(comparison: Comparison) -> tuple[FiredRule, ...]:
    """One rule: anything that grew."""
    area = comparison.changes["area"]
    return (FiredRule("growth", "grew", area.value, area.error, 0.15),) if area.significant else ()


def headline(rules: tuple[FiredRule, ...], *, months: float | None) -> str:
    """As the product says it."""
    return f"grew {100 * rules[0].value:.0f} % ± {100 * rules[0].error:.0f} in {months:.0f} months"


class Clinic:
    """A portal's lesions, and the worker that compares their visits."""

    def __init__(self, portal: Portal, behind: Connection) -> None:
        self.portal, self.behind = portal, behind
        self.store = MemoryStore()
        self.stopping = threading.Event()
        self.analysis = Worker(portal.logins)
        self.tools = lambda: Tools(NoNetworks(), None)  # type: ignore[arg-type]

    def visit(
        self,
        *,
        day: float = 0,
        lesion: str | None = "L-1",
        picture: bytes | None = None,
        outlined: bool = True,
        patient: str = "P-1",
        **image: Any,
    ) -> UUID:
        """An analysed case with one picture, ``day`` days after the first; ``outlined``: the model has left an outline."""
        said = new_image(**{"width": WIDTH, "height": HEIGHT, "pixel_spacing_mm": None, **image})
        self.store.put(said.original_key, picture if picture is not None else drawn_picture(), "image/jpeg")
        case = NewCase(patient_reference=patient, lesion_reference=lesion, visited_at=FIRST + day * DAY)
        tenant = self.portal.tenant_id
        with self.portal.logins.intake.transaction(tenants=[tenant]) as session:
            accept_case(session=session, tenant_id=tenant, case_id=(made := uuid4()), case=case, images=[said], actor=self.portal.actor)
        mask = f"{made}/mask.png" if outlined else None
        if mask:
            self.store.put(mask, encode_png(draw(seed=1, kind=Kind.NAEVUS, width=WIDTH, height=HEIGHT).mask), "image/png")
        self.analysis.complete(self.analysis.claim(), mask_key=mask)
        return made

    def drain(self, *, store: Store | None = None, max_attempts: int = 3) -> int:
        """What the worker does when it is rung for."""
        worker = TrailWorker(
            transaction=partial(self.portal.logins.worker.transaction),
            store=store or self.store,
            tools=self.tools,
            lease=LEASE,
            max_attempts=max_attempts,
            stopping=self.stopping,
        )
        return worker.drain()

    def case(self, case_id: UUID) -> Row[*tuple[Any, ...]]:
        """What lies beside a case."""
        query = "SELECT alert, risk, flags, trail_due_at, trail_attempts, trail_failed, lesion_id FROM cases WHERE id = :id"
        return self.behind.execute(text(query), {"id": case_id}).one()

    def comparisons(self) -> list[Row[*tuple[Any, ...]]]:
        """Every comparison on file, the oldest first."""
        return list(self.behind.execute(text("SELECT * FROM comparisons ORDER BY created_at, id")))

    def wait_is_over(self) -> None:
        """Let what waits for another try be due now."""
        self.behind.execute(text("UPDATE cases SET trail_due_at = now() - interval '1 second' WHERE trail_due_at IS NOT NULL"))
