"""Alerts: rules that fired for a visit. One stands for a case at most; what was said and taken back stays on file.

The headline of the standing alert lies beside the case (``cases.alert``), where it lifts the risk and marks the line in worklists.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from services.records.answers import store_answers
from services.records.audit import Actor, Subject, record_event
from services.records.changes import WORKER
from services.records.portal_events import PortalEventKind, add_event
from services.records.states import AuditAction
from services.records.tables import Alert, Case

SUPERSEDED = "The visits were compared anew, and the figures are others."
NO_LONGER = "The visits were compared anew, or put together otherwise: no rule fires any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """``rules``: ``{"fired": [FiredRule.to_json() …], "months": float | None, "earlier_case_id": str}``."""

    comparison_id: UUID
    headline: str
    rules: dict[str, Any]
    rule_version: str


def settle_alert(*, session: Session, tenant_id: UUID, lesion_id: UUID, case_id: UUID, alert: NewAlert | None) -> bool:
    """Let exactly this alert stand for a case, or none. Returns whether anything changed; the portal and the audit trail are told.

    The case must be locked by this transaction: of two workers the later one then sees what the earlier one did.
    """
    standing = session.scalars(select(Alert).where(Alert.case_id == case_id, Alert.withdrawn_at.is_(None))).one_or_none()
    if (standing is None and alert is None) or (standing and alert and _same(standing, alert)):
        return False
    if standing:
        _withdraw(session, standing, SUPERSEDED if alert else NO_LONGER)
    if alert:
        row = {"id": uuid4(), "tenant_id": tenant_id, "case_id": case_id, "comparison_id": alert.comparison_id}
        session.execute(insert(Alert).values(**row, headline=alert.headline, rules=alert.rules, rule_version=alert.rule_version))
    headline = alert.headline if alert else None
    session.execute(update(Case).where(Case.id == case_id).values(alert=headline).execution_options(synchronize_session=False))
    store_answers(session=session, case_ids=[case_id], flag_trails=False)
    _tell(session, tenant_id, lesion_id, case_id, raised=alert is not None)
    return True


def _same(standing: Alert, alert: NewAlert) -> bool:
    return (standing.headline, standing.rules, standing.rule_version) == (alert.headline, alert.rules, alert.rule_version)


def _withdraw(session: Session, standing: Alert, reason: str) -> None:
    withdrawn = update(Alert).where(Alert.id == standing.id).values(withdrawn_at=func.now(), withdrawn_reason=reason)
    session.execute(withdrawn.execution_options(synchronize_session=False))


def _tell(session: Session, tenant_id: UUID, lesion_id: UUID, case_id: UUID, *, raised: bool) -> None:
    action = AuditAction.ALERT_RAISED if raised else AuditAction.ALERT_WITHDRAWN
    subject = Subject("case", case_id)
    record_event(session=session, tenant_id=tenant_id, actor=Actor.system(WORKER), action=action, subject=subject)
    kind = PortalEventKind.LESION_ALERT if raised else PortalEventKind.LESION_ALERT_WITHDRAWN
    payload = {"case_id": str(case_id)}
    add_event(session=session, tenant_id=tenant_id, kind=kind, subject_kind="lesion", subject_id=lesion_id, payload=payload)
