"""A worker's own networks on real servers: champions serve, shadows score unseen, a promotion is followed without a restart."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import text

from services.objects import ObjectStore
from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.states import CaseState, ModelKind
from tests.conftest import SettingsFor
from tests.records.worlds import Logins, Portal, new_portal
from tests.workers.conftest import Folder
from workers import runtime

LEAD = Actor.system("dermatrail:lead")


class Service:
    """One worker process in this one, and a portal."""

    def __init__(self, portal: Portal, store: ObjectStore) -> None:
        self.portal, self.store = portal, store

    def analysed(self) -> str:
        """Send a picture and drain; the version of the pipeline that answered it."""
        case = self.portal.submit()
        picture = np.full((120, 160, 3), (150, 180, 225), np.uint8)
        cv2.circle(picture, (80, 60), 30, (40, 60, 100), cv2.FILLED)
        original = self.portal.status(case.id).images[0].original_key
        self.store.put(original, cv2.imencode(".jpg", picture)[1].tobytes(), "image/jpeg")
        runtime.turnstile().ring()
        found = self.portal.status(case.id)
        assert found.state is CaseState.AWAITING_REVIEW
        analysis = found.images[0].analysis
        assert analysis is not None, found.images[0].reason
        return analysis.pipeline_version

    def step(self, name: str, digest: str) -> None:
        with self.portal.logins.owner.transaction() as session:
            version = registry.find_model_version(session=session, digest=digest)
            getattr(registry, name)(session=session, version_id=version.id, actor=LEAD, reason="test")

    def score_what_waits(self) -> None:
        scorer = runtime.serving().shadows
        while scorer._answered.qsize():
            scorer.score(*scorer._answered.get())

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.portal.logins.owner.transaction() as session:
            return [tuple(row) for row in session.execute(text(query))]


@pytest.fixture
def service(
    owner: Database, folder: Folder, settings_for: SettingsFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    settings = settings_for("worker").model_copy(update={"bundles_dir": folder.path, "device": "cpu", "metrics_port": None})
    monkeypatch.setattr(runtime, "load_settings", lambda: settings)
    cached = (runtime.database, runtime.serving, runtime.turnstile)
    for each in cached:
        each.cache_clear()
    intake, review = Database.connect(settings_for("intake")), Database.connect(settings_for("review"))
    logins = Logins(owner=owner, intake=intake, review=review, worker=runtime.database())
    runtime.serving().start()
    yield Service(new_portal(logins, "north"), ObjectStore.connect(settings_for("intake")))
    for each in cached:
        each.cache_clear()
    logins.close()


def test_a_shadow_scores_what_the_champion_answered_and_only_the_owner_can_tell(service: Service, folder: Folder) -> None:
    shadow = folder.add("classifier_b", seed=1)
    runtime.serving().bundles.register()
    service.step("shadow", shadow)
    served = service.analysed()
    service.score_what_waits()
    assert shadow not in served
    assert service.rows("SELECT pipeline_version FROM analyses") == [(served,)]
    ((version, jaccard),) = service.rows("SELECT pipeline_version, outline_jaccard FROM shadow_analyses")
    assert (str(version).endswith(shadow), jaccard) == (True, None)


def test_a_shadow_segmenter_is_compared_by_its_outline(service: Service, folder: Folder) -> None:
    shadow = folder.add("segmenter_b", seed=1)
    runtime.serving().bundles.register()
    service.step("shadow", shadow)
    service.analysed()
    service.score_what_waits()
    ((agreement,),) = service.rows("SELECT outline_jaccard FROM shadow_analyses")
    assert isinstance(agreement, float)


def test_promotion_and_rollback_are_followed_without_a_restart(service: Service, folder: Folder) -> None:
    other = folder.add("classifier_b", seed=1)
    runtime.serving().bundles.register()
    first = service.analysed()
    service.step("promote", other)
    assert service.analysed().endswith(other)
    with service.portal.logins.owner.transaction() as session:
        registry.rollback(session=session, kind=ModelKind.CLASSIFIER, actor=LEAD, reason="worse")
    assert service.analysed() == first


def test_a_folder_that_changed_since_it_was_registered_is_not_served(
    service: Service, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    other = folder.add("classifier_b", seed=1)
    runtime.serving().bundles.register()
    service.step("promote", other)
    folder.add("classifier_b", seed=2)
    service.portal.submit()
    runtime.turnstile().ring()
    assert "jobs wait" in caplog.text
    assert service.rows("SELECT state FROM jobs") == [("queued",)]
