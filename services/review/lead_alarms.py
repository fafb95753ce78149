"""How many features drift past the alarm limit, for the bar of every page: counted now and then, kept in this process."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Lock
from uuid import UUID

from prometheus_client import Gauge

from services.records.database import Database
from services.records.statistics.drift import Level, Shift, shifts
from services.records.statistics.windows import Period
from services.review.lead_choices import Choices

log = logging.getLogger(__name__)
GAUGE = Gauge(
    "dermatrail_drift_alarms", "Features and portals whose population stability index is over the alarm limit, when last counted."
)
KEPT_SECONDS = 900.0
USUAL = Choices(None, 84, Period.WEEK, recent=14, reference=0)


class DriftAlarms:
    """Counts of each portal, at most KEPT_SECONDS old. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` counts seconds."""
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[UUID, tuple[float, int]] = {}

    def count(self, *, database: Database, tenant_ids: Sequence[UUID]) -> int:
        """Return the alarms of these portals; what is not known or too old is counted now."""
        now = self._clock()
        with self._lock:
            stale = [tenant_id for tenant_id in tenant_ids if self._kept.get(tenant_id, (0.0, 0))[0] <= now]
        if stale:
            self._keep(stale, _count(database, stale), now + KEPT_SECONDS)
        with self._lock:
            return sum(self._kept[tenant_id][1] for tenant_id in tenant_ids)

    def _keep(self, tenant_ids: Sequence[UUID], found: Sequence[Shift], until: float) -> None:
        with self._lock:
            for tenant_id in tenant_ids:
                self._kept[tenant_id] = (until, sum(shift.tenant_id == tenant_id for shift in found))
            GAUGE.set(sum(count for _, count in self._kept.values()))


def _count(database: Database, tenant_ids: Sequence[UUID]) -> list[Shift]:
    reference, recent = USUAL.windows(datetime.now(UTC))
    with database.transaction(tenants=tenant_ids) as records:
        found = shifts(session=records, tenant_ids=tenant_ids, reference=reference, recent=recent)
    alarms = [shift for shift in found if shift.level is Level.ALARM]
    for shift in alarms:
        log.warning(
            "drift alarm", extra={"tenant": str(shift.tenant_id), "feature": shift.feature.value, "index": round(shift.index or 0, 3)}
        )
    return alarms
