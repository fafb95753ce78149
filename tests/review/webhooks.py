"""A webhook with a log, as the process that tells portals writes it."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.exchange.signatures import new_secret
from services.records import webhooks
from services.records.audit import Actor
from services.records.deliveries import Attempted, Lane, claim_deliveries, fan_out, settle_delivery
from services.records.portal_events import PortalEventKind, add_event
from services.records.seal import Seal
from tests.review.seeds import Clinic

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def webhook(clinic: Clinic, tenant_id: UUID, url: str = "https://portal.example/hooks") -> UUID:
    """Make one."""
    with clinic.intake.transaction(tenants=[tenant_id]) as session:
        return webhooks.create_endpoint(
            session=session, tenant_id=tenant_id, url=url, secret=new_secret(), seal=Seal.of(KEY), actor=Actor.system("test")
        )


def told(clinic: Clinic, tenant_id: UUID, *answers: int, at: datetime | None = None) -> None:
    """One event for each answer, and one attempt to tell it."""
    now = at or datetime.now(UTC)
    for status in answers:
        with clinic.worker.transaction() as session:
            kind, case_id = PortalEventKind.CASE_REVIEWED, uuid4()
            payload = {"case_reference": "SECRET-REFERENCE"}
            add_event(session=session, tenant_id=tenant_id, kind=kind, subject_kind="case", subject_id=case_id, payload=payload)
        with clinic.worker.transaction() as session:
            fan_out(session=session, now=now)
        with clinic.worker.transaction() as session:
            for lane in Lane:
                for each in claim_deliveries(session=session, owner="test", lane=lane, limit=1, lease=timedelta(minutes=1), now=now):
                    reason = None if status == 200 else f"It answered {status}."
                    came = Attempted(at=now, seconds=0.12, status=status, reason=reason, address="203.0.113.7")
                    settle_delivery(session=session, owner="test", claimed=each, attempted=came, now=now, chance=random.Random(1))
