"""Decided cases in a real database with their files in a store, and the worker that makes their results."""

import io
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Connection, select, text

from models.pictures.inspect import inspect
from models.pictures.masks import encode_png
from services.objects import Objects
from services.records import cases
from services.records.instances import InstanceView, instances_of_case
from services.records.states import InstanceKind, Laterality, Modality
from services.records.tables import Case
from tests.exchange.dicom_samples import MEASURES, coloured, lesion, saved
from tests.records.worlds import LEASE, Logins, Portal, Worker
from workers.results_worker import ResultsWorker


@dataclass
class World:
    """One portal, and a results worker on its cases."""

    portal: Portal
    store: Objects
    behind: Connection
    captures: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def logins(self) -> Logins:
        return self.portal.logins

    def submit(self, *files: bytes, **said: Any) -> UUID:
        """A case with these files, as the intake would store them."""
        pictures = files or (saved(coloured(), quality=90),)
        images = [self._stored(data) for data in pictures]
        case_id = uuid4()
        told = {"body_site": "back", "laterality": Laterality.LEFT, **said}
        with self.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            cases.accept_case(
                session=session,
                tenant_id=self.portal.tenant_id,
                case_id=case_id,
                case=cases.NewCase(patient_reference="P-1042", **told),
                images=images,
                actor=self.portal.actor,
                idempotency=None,
            )
        return case_id

    def _stored(self, data: bytes) -> cases.NewImage:
        info, key = inspect(data), f"{uuid4()}/original"
        self.store.put(key, data, info.media_type)
        return cases.NewImage(
            id=uuid4(),
            filename="mole",
            media_type=info.media_type,
            byte_size=len(data),
            sha256="ab" * 32,
            width=info.width,
            height=info.height,
            modality=Modality.DERMOSCOPIC,
            pixel_spacing_mm=info.pixel_spacing_mm,
            original_key=key,
            view_key=key,
        )

    def analyse(self, *, mask: np.ndarray | None = None) -> None:
        """Every waiting picture gets this outline (that of ``lesion`` at half the picture's size)."""
        analyst = Worker(self.logins)
        small = lesion(160, 120) if mask is None else mask
        while claimed := analyst.claim():
            key = f"{uuid4()}/mask"
            self.store.put(key, encode_png(small), "image/png")
            finding = {"probabilities": {"MEL": 0.6, "NV": 0.4}, "measures": MEASURES}
            analyst.complete(claimed, mask_key=key, finding=finding)

    def decided(self, *files: bytes, **said: Any) -> UUID:
        """A case that was decided long enough ago."""
        case_id = self.submit(*files, **said)
        self.analyse()
        self.portal.review(case_id)
        self.pass_time(case_id)
        return case_id

    def pass_time(self, case_id: UUID) -> None:
        """Its results are due."""
        self.behind.execute(text("UPDATE cases SET results_due_at = now() WHERE id = :id AND results_due_at IS NOT NULL"), {"id": case_id})

    def worker(self, store: Objects | None = None, **changes: Any) -> ResultsWorker:
        values: dict[str, Any] = {
            "claims": self.logins.worker.transaction,
            "records": self.logins.intake.transaction,
            "store": store or self.store,
            "lease": LEASE,
            "max_attempts": 3,
            "max_pixels": 10_000_000,
            "captures": self.captures,
            "stopping": self.stopping,
        }
        return ResultsWorker(**{**values, **changes})

    def instances(self, case_id: UUID, *kinds: InstanceKind) -> list[InstanceView]:
        with self.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            return instances_of_case(session=session, tenant_id=self.portal.tenant_id, case_id=case_id, kinds=kinds)

    def state(self, case_id: UUID) -> Any:
        """When the results are due, how often they were tried, and why they failed."""
        columns = (Case.results_due_at, Case.results_attempts, Case.results_failed)
        with self.logins.owner.transaction() as session:
            return session.execute(select(*columns).where(Case.id == case_id)).one()

    def expire(self, case_id: UUID) -> None:
        """The lease of a worker that died has run out."""
        past = {"past": timedelta(seconds=1), "id": case_id}
        self.behind.execute(text("UPDATE cases SET results_due_at = now() - CAST(:past AS interval) WHERE id = :id"), past)

    def file(self, instance: InstanceView) -> io.BytesIO:
        return io.BytesIO(self.store.get(instance.object_key))
