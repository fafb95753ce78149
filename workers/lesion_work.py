"""One lesion's trail brought up to date: missing measures and comparisons, alerts, the sequence model's word, proposals.

Every comparison is kept in a transaction of its own, after its pictures are in the object store: a worker that dies loses the one in
hand, and the next one goes on from there.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from models.analyzer import Analyzer
from models.change import COMPARE_VERSION, MEASURE_VERSION, Comparison, Visit, VisitMeasures, compare, measure_visit
from models.change.sequence import SequenceReader
from models.pictures.errors import PictureRefused
from services.objects import ObjectMissing, Pack, StoreUnavailable
from services.records.changes import Claim, finish_claim, lock_visits, release_claim, renew_claim
from services.records.comparisons import NewComparison, keep_comparison, keep_measures
from services.records.errors import DatabaseUnavailable
from services.records.proposals import candidates, store_proposals
from services.records.visits import KnownComparison, MeasureKey, TrailVisit, known_comparisons, known_measures, load_visits
from workers.metrics import COMPARISON_SECONDS, COMPARISONS
from workers.proposing import proposals_for
from workers.series import read_series
from workers.trail_alerts import settle_alerts
from workers.trail_pictures import Sight, Sights, Store, Transaction, visit_scale
from workers.trail_plan import Pair, Versions, basis_of, find_known, measure_key, pairs_of

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The process is asked to stop: the trail goes back as it was claimed."""


class Overtaken(Exception):
    """The trail was flagged anew, or taken by another worker: what is to be done is to be found out again."""


class Unreadable(Exception):
    """A visit's picture cannot be used. ``why``: a sentence for a dermatologist."""

    def __init__(self, visit: TrailVisit, why: str) -> None:
        super().__init__(why)
        self.visit, self.why = visit, why


@dataclass(frozen=True, slots=True)
class Tools:
    """The networks that serve now. ``reader``: of whole series; None where no such model is served."""

    analyzer: Analyzer
    reader: SequenceReader | None


class LesionWork:
    """The work on one claimed lesion. ``claim`` changes as its lease is renewed."""

    def __init__(
        self, claim: Claim, *, transaction: Transaction, store: Store, tools: Tools, lease: timedelta, stopping: threading.Event
    ) -> None:
        self.claim = claim
        self.transaction, self.store, self.tools, self.lease, self.stopping = transaction, store, tools, lease, stopping
        self.sights = Sights(store)
        self.versions = Versions(MEASURE_VERSION, COMPARE_VERSION, tools.analyzer.pipeline_version)
        self.visits: tuple[TrailVisit, ...] = ()
        self.measured: dict[MeasureKey, dict[str, Any]] = {}
        self.problems: dict[TrailVisit, str] = {}
        self.ready: NewComparison | None = None

    def run(self) -> None:
        """Raises Interrupted, Overtaken, StoreUnavailable, DatabaseUnavailable; anything else is this lesion's own fault."""
        known = self._load()
        for pair in pairs_of(self.visits):
            if find_known(pair, known, self.versions, newest=self.visits[-1]) is None:
                self._keep_ready()
                self.ready = self._compared(pair)
        self._read_series()
        self._propose()
        # With the last comparison comes the alert that follows from it: nobody sees the one without the other.
        self._finish()

    def _load(self) -> list[KnownComparison]:
        with self.transaction() as session:
            self.visits = load_visits(session=session, lesion_id=self.claim.lesion_id)
            if len(self.visits) < 2:
                return []
            images = [visit.image_id for visit in self.visits]
            self.measured = known_measures(session=session, image_ids=images)
            return known_comparisons(session=session, image_ids=images)

    def _compared(self, pair: Pair) -> NewComparison | None:
        """The comparison, its pictures stored: what a row names is there. None where a picture cannot be used."""
        if self.stopping.is_set():
            raise Interrupted("the worker stops")
        try:
            with COMPARISON_SECONDS.time():
                made = compare(self._visit(pair.earlier), self._visit(pair.later))
        except Unreadable as fault:
            self.problems[fault.visit] = fault.why
            return None
        COMPARISONS.labels(made.why or "valid").inc()
        basis = basis_of(pair, self.versions)
        folder = f"{pair.later.tenant_id}/{pair.later.case_id}/{pair.later.image_id}/change"
        pictures = Pack.of(f"{folder}/{pair.earlier.image_id}-{_short(basis)}", comparison_pictures(made))
        if pictures.keys:
            self.store.put(pictures.key, pictures.data, "application/octet-stream")
        return comparison_row(pair, made, basis=basis, version=self.versions.comparing, keys=pictures.keys)

    def _keep_ready(self) -> None:
        if self.ready is None:
            return
        with self.transaction() as session:
            keep_comparison(session=session, new=self.ready)
            renewed = renew_claim(session=session, claim=self.claim, lease=self.lease)
        self.ready = None
        if renewed is None:
            raise Overtaken
        self.claim = renewed

    def _visit(self, visit: TrailVisit) -> Visit:
        try:
            sight = self.sights.of(visit)
        except PictureRefused as refusal:
            raise Unreadable(visit, str(refusal)) from refusal
        except ObjectMissing as missing:
            raise Unreadable(visit, "The stored picture or outline is missing.") from missing
        # The portal is the device: its files of one size come from one kind of camera.
        return Visit(
            picture=sight.picture,
            look=sight.look,
            measures=self._measures(visit, sight),
            at=visit.visited_at,
            magnification=visit.magnification,
            device=str(visit.tenant_id),
        )

    def _measures(self, visit: TrailVisit, sight: Sight) -> VisitMeasures | None:
        key = measure_key(visit, self.versions)
        if key in self.measured:
            return VisitMeasures.from_json(self.measured[key])
        mask, size = sight.mask if sight.drawn else None, (visit.width, visit.height)
        found = measure_visit(sight.picture, analyzer=self.tools.analyzer, mask=mask, scale=visit_scale(visit), full_size=size)
        if found:
            self.measured[key] = found.to_json()
            with self.transaction() as session:
                keep_measures(session=session, tenant_id=visit.tenant_id, key=key, measures=self.measured[key])
        return found

    def _read_series(self) -> None:
        if len(self.visits) < 2:
            return
        try:
            read_series(self.visits, reader=self.tools.reader, transaction=self.transaction, sights=self.sights)
        except (StoreUnavailable, DatabaseUnavailable):
            raise
        except Exception:
            # It answers beside the comparisons: they stand without it.
            log.exception("the visits were not read as a series")

    def _propose(self) -> None:
        for case_id in self.claim.case_ids:
            with self.transaction() as session:
                asked = candidates(session=session, tenant_id=self.claim.tenant_id, case_id=case_id)
            if asked is not None:
                found = proposals_for(asked, self.sights.look)
                about = {"tenant_id": asked.tenant_id, "case_id": case_id, "lesion_id": self.claim.lesion_id}
                with self.transaction() as session:
                    store_proposals(session=session, **about, proposals=found)

    def _finish(self) -> None:
        with self.transaction() as session:
            lock_visits(session=session, lesion_id=self.claim.lesion_id)
            if self.ready:
                keep_comparison(session=session, new=self.ready)
            # A visit that was linked, drawn on or taken away meanwhile: alerts must follow from what is on file now.
            if load_visits(session=session, lesion_id=self.claim.lesion_id) != self.visits:
                release_claim(session=session, claim=self.claim)
                return
            settle_alerts(session=session, lesion_id=self.claim.lesion_id, visits=self.visits, versions=self.versions)
            finish_claim(session=session, claim=self.claim, problem=problem_words(self.problems))


def comparison_pictures(made: Comparison) -> dict[str, bytes]:
    """The pictures of a comparison by name; none where there is nothing to see."""
    return {"registered": made.registered, "difference": made.difference} if made.valid else {}


def comparison_row(pair: Pair, made: Comparison, *, basis: str, version: str, keys: Mapping[str, str]) -> NewComparison:
    """A comparison as it is kept; see :class:`NewComparison`."""
    said: dict[str, Any] = made.to_json()
    rest = {name: value for name, value in said.items() if name not in ("registration", "why")}
    return NewComparison(
        earlier=pair.earlier,
        later=pair.later,
        basis=basis,
        version=version,
        why=made.why,
        registration=said["registration"] if made.valid else None,
        changes=rest if made.valid else None,
        registered_key=keys.get("registered"),
        difference_key=keys.get("difference"),
    )


def problem_words(problems: Mapping[TrailVisit, str]) -> str | None:
    """What could not be compared, in words for a dermatologist; None where all could."""
    told = [f"The picture of {visit.visited_at:%-d %B %Y} was not compared: {why}" for visit, why in problems.items()]
    return " ".join(told) or None


def _short(basis: str) -> str:
    return hashlib.sha256(basis.encode()).hexdigest()[:12]
