"""The intake application on the real servers, and requests as a portal sends them."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from models.pictures.masks import encode_png
from services.intake.app import create_app
from services.intake.context import EXTENSION, Backends
from services.objects import ObjectStore
from services.records.access import create_api_key, create_tenant, create_user
from services.records.database import Database
from services.records.jobs import AnalysisResult, ClaimedJob, claim_jobs, complete_jobs
from services.records.reviews import record_review
from services.records.states import Decision, Outcome, Role
from services.settings import Settings
from tests.conftest import SettingsFor
from tests.pictures.samples import jpeg

if TYPE_CHECKING:
    from tests.intake.fhir_world import Fhir

CASE = {"patient": {"reference": "P-1042"}}


@dataclass(frozen=True)
class Portal:
    """A portal's credentials."""

    tenant_id: uuid.UUID
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class Sender:
    """Sends cases through the application, without a network between."""

    client: FlaskClient
    portal: Portal

    def post(
        self, *files: tuple[str, bytes], case: Any = None, headers: dict[str, str] | None = None, path: str = "/v1/cases"
    ) -> TestResponse:
        """Submit files (name, bytes) with a case."""
        images = [(io.BytesIO(data), name) for name, data in files]
        body = {"case": json.dumps(CASE if case is None else case), "images": images}
        return self.client.post(path, data=body, headers=self.portal.headers | (headers or {}), content_type="multipart/form-data")

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(path, query_string=query, headers=self.portal.headers)


@pytest.fixture(scope="session")
def intake_settings(settings_for: SettingsFor) -> Settings:
    return settings_for("intake")


@pytest.fixture(scope="session")
def app(intake_settings: Settings) -> Iterator[APIFlask]:
    application = create_app(intake_settings)
    yield application
    close(application)


def close(application: APIFlask) -> None:
    """Let go of connections and threads."""
    backends: Backends = application.extensions[EXTENSION]
    backends.database.close()
    backends.files.shutdown()
    backends.doorbell.close()


@pytest.fixture(scope="session")
def store(intake_settings: Settings) -> ObjectStore:
    return ObjectStore.connect(intake_settings)


@pytest.fixture(scope="session")
def owner(owner_settings: Settings) -> Iterator[Database]:
    database = Database.connect(owner_settings)
    yield database
    database.close()


@pytest.fixture
def new_portal(clean_database: None, owner: Database) -> Callable[[], Portal]:
    def create() -> Portal:
        with owner.transaction() as session:
            tenant_id = create_tenant(session=session, name="Portal", slug=f"portal-{uuid.uuid4().hex[:8]}").id
        with owner.transaction(tenants=[tenant_id]) as session:
            _, plain = create_api_key(session=session, tenant_id=tenant_id, name="test")
        return Portal(tenant_id, plain)

    return create


@pytest.fixture
def portal(new_portal: Callable[[], Portal]) -> Portal:
    return new_portal()


@pytest.fixture
def sender(app: APIFlask, portal: Portal) -> Sender:
    return Sender(app.test_client(), portal)


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A clean upright JPEG of 96×64 px."""
    return jpeg()


@dataclass(frozen=True)
class Contents:
    """What lies behind the API."""

    engine: Engine
    store: ObjectStore

    def rows(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    def keys(self, portal: Portal) -> list[str]:
        found = self.store._client.list_objects(self.store._bucket, prefix=f"{portal.tenant_id}/", recursive=True)
        return sorted(item.object_name or "" for item in found)

    def assert_nothing_stored(self, portal: Portal) -> None:
        assert {table: self.rows(table) for table in ("cases", "images", "jobs", "patients", "idempotency_keys")} == dict.fromkeys(
            ("cases", "images", "jobs", "patients", "idempotency_keys"), 0
        )
        assert self.keys(portal) == []


@pytest.fixture
def contents(superuser_engine: Engine, store: ObjectStore) -> Contents:
    return Contents(superuser_engine, store)


@dataclass(frozen=True)
class Backstage:
    """What happens behind the API: analysis by a worker, decision by a dermatologist."""

    worker: Database
    reviewer: Database
    owner: Database
    store: ObjectStore

    def analyse(self) -> None:
        """Answer every queued job with the same finding; the mask has half the size of the picture."""
        with self.worker.transaction() as session:
            claimed = claim_jobs(session=session, owner="test", limit=100, lease=timedelta(minutes=1))
            complete_jobs(session=session, owner="test", results=[self._result(job) for job in claimed])

    def _result(self, job: ClaimedJob) -> AnalysisResult:
        folder = f"{job.tenant_id}/{job.case_id}/{job.image_id}/p1"
        mask = np.zeros((32, 48), np.uint8)
        mask[8:24, 12:36] = 255
        self.store.put(f"{folder}/mask.png", encode_png(mask), "image/png")
        self.store.put(f"{folder}/thumbnail.jpg", jpeg(), "image/jpeg")
        self.store.put(f"{folder}/heatmap.jpg", jpeg(), "image/jpeg")
        probabilities = {"MEL": 0.75, "NV": 0.25}
        return AnalysisResult(
            job_id=job.job_id,
            pipeline_version="p1",
            outcome=Outcome.PREDICTION,
            malignant_probability=0.75,
            finding={"prediction": "MEL", "probabilities": probabilities, "ood": {"in_distribution": True}, "suspicious": True},
            classes=("MEL",),
            top_class="MEL",
            top_probability=0.75,
            mask_key=f"{folder}/mask.png",
            thumbnail_key=f"{folder}/thumbnail.jpg",
            heatmap_key=f"{folder}/heatmap.jpg",
        )

    def confirm(self, portal: Portal, case_id: uuid.UUID, **plan: Any) -> uuid.UUID:
        """A dermatologist confirms melanoma; who it was."""
        name = f"{uuid.uuid4().hex}@example.org"
        with self.owner.transaction(tenants=[portal.tenant_id]) as session:
            details: dict[str, Any] = {"email": name, "name": "Dr L", "role": Role.DERMATOLOGIST, "password": "correct horse battery"}
            user = create_user(session=session, tenants=[portal.tenant_id], **details)
        with self.reviewer.transaction(tenants=[portal.tenant_id]) as session:
            record_review(
                session=session,
                tenant_ids=[portal.tenant_id],
                case_id=case_id,
                user_id=user,
                decision=Decision.CONFIRM,
                diagnosis="MEL",
                reason=None,
                note="",
                shown={},
                **plan,
            )
        return user


@pytest.fixture(scope="session")
def backstage(settings_for: SettingsFor, owner: Database, store: ObjectStore) -> Iterator[Backstage]:
    worker, reviewer = Database.connect(settings_for("worker")), Database.connect(settings_for("review"))
    yield Backstage(worker, reviewer, owner, store)
    worker.close()
    reviewer.close()


@pytest.fixture
def fhir(app: APIFlask, portal: Portal, backstage: Backstage, superuser_engine: Engine) -> "Fhir":
    """A portal that speaks FHIR."""
    from tests.intake.fhir_world import Fhir

    return Fhir(app.test_client(), portal, backstage, superuser_engine)
