"""A patient with many lesions and visits, for the pages that show them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from infra.bench.patient_seed import Seeded, Wanted, seed_patient
from tests.review.seeds import finding

FINDING = finding({"NV": 0.81, "MEL": 0.12, "BKL": 0.07})


def many_lesions(superuser: Engine, *, tenant: UUID, reader: UUID, lesions: int = 200, visits: int = 10, **changes: Any) -> Seeded:
    """`lesions` with `visits` each; the first ones have a story (see the seed)."""
    wanted = Wanted(tenant, reader, lesions, visits, **{"features": 64, **changes})
    with superuser.begin() as connection:
        return seed_patient(connection=connection, wanted=wanted, finding=FINDING)
