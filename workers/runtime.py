"""What a worker process builds once and keeps: connections, and the networks and pipeline that the registry asks for."""

import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache, partial
from uuid import UUID

from prometheus_client import start_http_server

from models.analyzer import Analyzer
from models.backends import choose_device, model_threads
from models.explain import HeatMaps
from models.pictures.tiles import is_large
from services.broker import CHANGE_BELL
from services.doorbell import Doorbell
from services.logs import configure_logging
from services.objects import ObjectStore
from services.records import jobs
from services.records.database import Database
from services.records.shadows import record_shadow_analysis
from services.settings import Settings, load_settings
from workers.pipeline import Pipeline
from workers.process import stopping
from workers.registry import Bundles, NotServable, Pair
from workers.serving import Serving, Watched
from workers.shadow import ShadowScorer
from workers.tiles import TileMaker
from workers.trials import Trials
from workers.turnstile import Turnstile


class RecordsLedger:
    """The pipeline's ledger on Postgres; the worker's login sees every tenant."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.max_attempts = settings.max_attempts
        self.trails = Doorbell.connect(settings, CHANGE_BELL)

    def claim(self, *, owner: str, limit: int) -> Sequence[jobs.ClaimedJob]:
        """Up to ``limit`` due jobs, leased to ``owner``."""
        with self.database.transaction() as session:
            return jobs.claim_jobs(session=session, owner=owner, limit=limit, lease=self.lease)

    def renew(self, *, owner: str, job_ids: Sequence[UUID]) -> None:
        """Extends the leases that ``owner`` still has."""
        with self.database.transaction() as session:
            jobs.renew_leases(session=session, owner=owner, job_ids=job_ids, lease=self.lease)

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[jobs.AnalysisResult],
        failures: Sequence[jobs.JobFailure],
        released: Sequence[UUID],
        delay: timedelta,
    ) -> None:
        """Completes, fails and gives back jobs of ``owner`` in one transaction."""
        with self.database.transaction() as session:
            settled = jobs.settle_jobs(
                session=session,
                owner=owner,
                results=results,
                failures=failures,
                released=released,
                delay=delay,
                max_attempts=self.max_attempts,
            )
        if settled.trails:
            self.trails.ring()


@lru_cache(maxsize=1)
def database() -> Database:
    """This process's connection pool."""
    return Database.connect(load_settings())


@lru_cache(maxsize=1)
def serving() -> Serving:
    """This process's networks and pipeline, as the registry wants them."""
    settings = load_settings()
    # Before the networks are loaded: a runtime takes as many cores for a batch as torch's threads leave it.
    threads = model_threads(device=choose_device(settings.device), backend=settings.backend)
    name, store = f"{socket.gethostname()}:{os.getpid()}", ObjectStore.connect(settings)
    unseen = partial(analyzer, settings, heatmaps=HeatMaps.OFF)
    shadows = ShadowScorer(load=unseen, store=store, record=record_shadow, stopping=stopping)

    def build(pair: Pair, changed: Callable[[], bool]) -> Pipeline:
        return Pipeline(
            analyzer=analyzer(settings, pair, heatmaps=HeatMaps(settings.heatmap)),
            store=store,
            ledger=Watched(RecordsLedger(database(), settings), changed),
            batch_size=settings.batch_size,
            renew_seconds=settings.lease_seconds / 4,
            model_threads=threads,
            name=name,
            stopping=stopping,
            answered=partial(answered, shadows),
        )

    bundles = Bundles(database=database(), settings=settings, worker=name)
    return Serving(bundles=bundles, shadows=shadows, build=build, stopping=stopping)


def analyzer(settings: Settings, pair: Pair, *, heatmaps: HeatMaps) -> Analyzer:
    """A pair of bundles, where the settings say that networks run. Raises NotServable when a folder has changed since it was read."""
    made = Analyzer.load(
        bundles=settings.bundles_dir,
        segmenter=pair.segmenter.folder,
        classifier=pair.classifier.folder,
        device=settings.device,
        backend=settings.backend,
        heatmaps=heatmaps,
    )
    if not made.pipeline_version.endswith("-".join(["", *pair.digests])):
        raise NotServable(f"{pair.segmenter.label} or {pair.classifier.label} was changed in its folder: put back what was registered")
    return made


def record_shadow(*, version_id: UUID, job: jobs.ClaimedJob, result: jobs.AnalysisResult, outline_jaccard: float | None) -> None:
    """Keeps what a version in shadow said about a job's image, in one transaction."""
    with database().transaction() as session:
        record_shadow_analysis(
            session=session,
            version_id=version_id,
            tenant_id=job.tenant_id,
            image_id=job.image_id,
            result=result,
            outline_jaccard=outline_jaccard,
        )


def visitors() -> Trials:
    """Answers the pictures that visitors try, with the networks that serve the patients."""

    def served() -> Analyzer | None:
        pipeline = serving().pipeline
        return pipeline.analyzer if isinstance(pipeline, Pipeline) else None

    return Trials(database=database(), store=ObjectStore.connect(load_settings()), analyzer=served)


def answered(shadows: ShadowScorer, answers: Sequence[tuple[jobs.ClaimedJob, jobs.AnalysisResult]]) -> None:
    """Passes on what was just settled: to the versions in shadow, and a ring where a picture is large enough for tiles."""
    # What a script says is no yardstick for a model.
    shadows.offer([answer for answer in answers if answer[0].script is None])
    if any(is_large(result.finding.get("width") or 0, result.finding.get("height") or 0) for _, result in answers):
        tile_maker().ring()


@lru_cache(maxsize=1)
def tile_maker() -> TileMaker:
    """This process's one thread for tiles."""
    return TileMaker(database=database(), store=ObjectStore.connect(load_settings()), stopping=stopping)


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """Lets one round of work at a time through: the networks belong to one thread."""
    return Turnstile(partial(work, drain=serving().drain, answer_visitor=visitors().answer_next))


def work(*, drain: Callable[[], int], answer_visitor: Callable[[], bool]) -> None:
    """Patients' cases until none is due, then one visitor's picture, and so on: a case waits for one such picture at most."""
    drain()
    while not stopping.is_set() and answer_visitor():
        drain()


def prepare_process() -> None:
    """Loads the champions' networks and opens ``/metrics``: a worker that says it is ready is."""
    configure_logging()  # celery does so later, and what a worker waits for must be told
    settings = load_settings()
    serving().start()
    serving().shadows.start()
    tile_maker().start()
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
