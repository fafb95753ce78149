"""The networks that the comparing of visits needs: the champions, loaded when first asked for and again after a promotion."""

import logging

import torch

from models.analyzer import Analyzer
from models.explain import HeatMaps
from services.records.database import Database
from services.settings import Settings
from workers.lesion_work import Tools
from workers.registry import Bundles, Pair
from workers.runtime import analyzer
from workers.sequence import SequenceModel

log = logging.getLogger(__name__)


class Networks:
    """``Networks(…)()`` gives the networks that serve now."""

    def __init__(self, *, database: Database, settings: Settings, name: str) -> None:
        self.bundles = Bundles(database=database, settings=settings, worker=name)
        self.settings = settings
        self.pair: Pair | None = None
        self.analyzer: Analyzer | None = None
        self.series = SequenceModel(database=database, settings=settings, worker=name)

    def __call__(self) -> Tools:
        """Raises NotServable, BundleError, RecordError."""
        plan = self.bundles.plan()
        if self.analyzer is None or self.pair is None or plan.pair.digests != self.pair.digests:
            # One thread: whoever waits for a comparison waits for days, whoever waits for an analysis for seconds.
            torch.set_num_threads(1)
            self.analyzer = None
            self.analyzer = analyzer(self.settings, plan.pair, heatmaps=HeatMaps.OFF)
            self.pair = plan.pair
            log.info("comparing with segmenter %s and classifier %s", plan.pair.segmenter.label, plan.pair.classifier.label)
        return Tools(self.analyzer, self.series.reader())
