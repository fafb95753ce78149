"""What a dermatologist sees: the ordered lists, the next case, and one case."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, case, column, func, not_, select, true, values
from sqlalchemy.orm import Session

from services.records import priority
from services.records.answers import CHANGED, NOT_ANALYSED
from services.records.audit import Actor, Subject, record_event
from services.records.claims import CLAIMABLE, ClaimView, claims_of, second_read_of_own
from services.records.ranking import TO_READ, Page, Place, Status, Wanted, rank
from services.records.reads import waits_for
from services.records.states import AuditAction, CaseState, Laterality, Outcome, Role, Urgency
from services.records.tables import Case, CaseClaim, Image, Lesion, Patient, Tenant
from services.records.views import CaseView, load_case

# Nobody counts further: a queue is long or it is not, and counting 200,000 rows would take longer than showing them.
MOST_COUNTED = 10_000
MOST_FOUND = 60
NEXT_CANDIDATES = 50
MOST_SITES = 60
BLIND = "In the order of service class, risk and waiting time; the risk is not shown before your first opinion."


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRow:
    """One line. The answer is that of the leading image: the one with the highest malignant probability.

    ``outcome`` None: no image is analysed. ``not_analysed``: why an image of the case has no answer. ``claim``: who has it now.
    ``alert``: in a few words how the lesion has changed, where an alert stands.
    ``blind``: the portal asks for a blind first read, so nothing of the answer is in the line before the decision.
    """

    case_id: UUID
    tenant_id: UUID
    portal: str
    patient_reference: str
    body_site: str | None
    laterality: Laterality | None
    reference: str | None
    urgency: Urgency
    state: CaseState
    received_at: datetime
    due_at: datetime
    overdue: bool
    image_count: int
    image_id: UUID | None
    thumbnail_key: str | None
    outcome: Outcome | None
    classes: tuple[str, ...]
    top_class: str | None
    top_probability: float | None
    risk: float | None
    flags: tuple[str, ...]
    not_analysed: str | None
    why: str
    claim: ClaimView | None
    alert: str | None = None
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list. ``next``: where the following page begins; None on the last."""

    rows: tuple[WorklistRow, ...]
    moment: datetime
    next: Place | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cases wait, are held by this reader, are overdue; never counted beyond ``MOST_COUNTED``."""

    queue: int
    mine: int
    overdue: int


NO_COUNTS = Counts(0, 0, 0)


def worklist(
    *, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, wanted: Wanted | None = None, page: Page | None = None
) -> Listing:
    """Return one page of the tenants' cases in the order of :mod:`services.records.priority`; the reading is audited."""
    wanted, page = wanted or Wanted(), page or Page(datetime.now(UTC), 100)
    places = rank(session=session, tenant_ids=tenant_ids, user_id=user_id, wanted=wanted, page=page)
    rows = _rows(session, [place.case_id for place in places], tenant_ids, user_id)
    _listed(session, rows, user_id)
    return Listing(rows, page.moment, places[-1] if len(places) == page.limit else None)


def search_cases(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, beginning: str) -> Listing:
    """Return the cases whose patient's or own reference begins so, in any case of letters: open ones first, at most ``MOST_FOUND``."""
    moment = datetime.now(UTC)
    found = session.scalars(_found(tenant_ids, beginning.strip().lower())).all() if beginning.strip() else []
    rows = _rows(session, found, tenant_ids, user_id)
    _listed(session, rows, user_id)
    return Listing(rows, moment, None)


def next_case(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID, role: Role = Role.DERMATOLOGIST) -> UUID | None:
    """Return the case that this reader should read now: nobody else has it, and its next step is one that they may take.

    A lead is offered disagreements first: two people have read these, and a patient still waits.
    """
    for status in (Status.ADJUDICATION, Status.WAITING) if role is Role.LEAD else (Status.WAITING,):
        found = _next_of(session, tenant_ids, user_id, role, Wanted(status=status))
        if found:
            return found
    return None


def _next_of(session: Session, tenant_ids: Sequence[UUID], user_id: UUID, role: Role, wanted: Wanted) -> UUID | None:
    page = Page(datetime.now(UTC), NEXT_CANDIDATES)
    while True:
        places = rank(session=session, tenant_ids=tenant_ids, user_id=user_id, wanted=wanted, page=page)
        ids = [place.case_id for place in places]
        others = {claim.case_id for claim in claims_of(session=session, case_ids=ids).values() if claim.user_id != user_id}
        theirs = set(session.scalars(select(Case.id).where(Case.id.in_(ids), waits_for(user_id=user_id, role=role))))
        free = next((case_id for case_id in ids if case_id in theirs - others), None)
        if free or len(places) < page.limit:
            return free
        page = Page(page.moment, page.limit, places[-1])


def counts(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID) -> Counts:
    """Return what the bar shows, in one statement."""
    of_tenants = (Case.tenant_id.in_(tenant_ids), Case.state.in_(TO_READ))
    waiting = select(Case.id).where(*of_tenants, not_(second_read_of_own(user_id)))
    held = select(CaseClaim.id).join(Case, Case.id == CaseClaim.case_id)
    held = held.where(
        CaseClaim.user_id == user_id, CaseClaim.expires_at > func.now(), Case.state.in_(CLAIMABLE), Case.tenant_id.in_(tenant_ids)
    )
    late = select(Case.id).where(*of_tenants, Case.due_at < func.now(), not_(second_read_of_own(user_id)))
    queue, mine, overdue = (
        select(func.count()).select_from(query.limit(MOST_COUNTED).subquery()).scalar_subquery() for query in (waiting, held, late)
    )
    return Counts(*session.execute(select(queue, mine, overdue)).one())


def body_sites(*, session: Session, tenant_ids: Sequence[UUID]) -> list[str]:
    """Return the sites that the tenants' cases are at, stepping through an index from one to the next."""
    tenants = values(column("tenant_id", Uuid), name="tenants_read").data([(tenant_id,) for tenant_id in tenant_ids])
    first = _first_site(tenants.c.tenant_id).lateral("first")
    sites = select(tenants.c.tenant_id, first.c.body_site).select_from(tenants).join(first, true()).cte("sites", recursive=True)
    step = _first_site(sites.c.tenant_id).where(Lesion.body_site > sites.c.body_site).lateral("step")
    sites = sites.union_all(select(sites.c.tenant_id, step.c.body_site).select_from(sites).join(step, true()))
    return list(session.scalars(select(sites.c.body_site).distinct().order_by(sites.c.body_site).limit(MOST_SITES)))


def case_page(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID) -> CaseView:
    """Return one case with everything a decision needs; the reading is audited.

    Raises:
        CaseNotFound: none of the tenants has such a case.
    """
    view = load_case(session=session, tenant_ids=tenant_ids, case_id=case_id)
    _read(session, view.tenant_id, user_id, AuditAction.CASE_READ, Subject("case", case_id))
    return view


def _first_site(tenant_id: ColumnElement[UUID]) -> Select[str | None]:
    known = (Lesion.tenant_id == tenant_id, Lesion.body_site.is_not(None))
    return select(Lesion.body_site).where(*known).order_by(Lesion.body_site).limit(1)


def _listed(session: Session, rows: Collection[WorklistRow], user_id: UUID) -> None:
    for tenant_id in sorted({row.tenant_id for row in rows}):
        _read(session, tenant_id, user_id, AuditAction.CASES_LISTED, Subject("case"))


def _read(session: Session, tenant_id: UUID, user_id: UUID, action: AuditAction, subject: Subject) -> None:
    record_event(session=session, tenant_id=tenant_id, actor=Actor.user(user_id), action=action, subject=subject)


def _found(tenant_ids: Sequence[UUID], beginning: str) -> Select[UUID]:
    # `^@` (begins with) does not leak what it compares: under row-level security, the index may be used for it alone.
    patients = select(Patient.id).where(Patient.tenant_id.in_(tenant_ids), Patient.search.op("^@")(beginning))
    patients = patients.limit(MOST_FOUND)
    cases = select(Case.id).where(Case.tenant_id.in_(tenant_ids), Case.search.op("^@")(beginning)).limit(MOST_FOUND)
    decided_last = case((Case.state == CaseState.REVIEWED, 1), else_=0)
    either = select(Case.id).where(Case.patient_id.in_(patients)).union(cases).subquery()
    return (
        select(Case.id).where(Case.id.in_(select(either.c.id))).order_by(decided_last, Case.received_at.desc(), Case.id).limit(MOST_FOUND)
    )


def _rows(session: Session, case_ids: Sequence[UUID], tenant_ids: Sequence[UUID], user_id: UUID) -> tuple[WorklistRow, ...]:
    """The lines of these cases in this order, in two statements."""
    if not case_ids:
        return ()
    now = datetime.now(UTC)
    claims = claims_of(session=session, case_ids=case_ids)
    found = {row.Case.id: row for row in session.execute(_details(case_ids, tenant_ids, user_id))}
    return tuple(_row(found[case_id], claims.get(case_id), now) for case_id in case_ids if case_id in found)


def _details(case_ids: Sequence[UUID], tenant_ids: Sequence[UUID], user_id: UUID) -> Select[*tuple[Any, ...]]:
    images = select(func.count()).where(Image.case_id == Case.id).correlate(Case).scalar_subquery().label("image_count")
    place = (Patient.reference.label("patient_reference"), Lesion.body_site, Lesion.laterality, Tenant.name.label("portal"))
    return (
        select(Case, *place, images, Tenant.blind_first_read)
        .join(Patient, Patient.id == Case.patient_id)
        .join(Tenant, Tenant.id == Case.tenant_id)
        .outerjoin(Lesion, Lesion.id == Case.lesion_id)
        .where(Case.id.in_(case_ids), Case.tenant_id.in_(tenant_ids), not_(second_read_of_own(user_id)))
    )


def _row(row: Row[*tuple[Any, ...]], claim: ClaimView | None, now: datetime) -> WorklistRow:
    case: Case = row.Case
    line = WorklistRow(
        case_id=case.id,
        tenant_id=case.tenant_id,
        portal=row.portal,
        patient_reference=row.patient_reference,
        body_site=row.body_site,
        laterality=row.laterality,
        reference=case.reference,
        urgency=case.urgency,
        state=case.state,
        received_at=case.received_at,
        due_at=case.due_at,
        overdue=case.due_at < now and not case.state.terminal,
        image_count=row.image_count,
        image_id=case.lead_image_id,
        thumbnail_key=case.lead_thumbnail_key,
        outcome=case.lead_outcome,
        classes=tuple(case.lead_classes),
        top_class=case.lead_class,
        top_probability=case.lead_probability,
        risk=case.risk,
        flags=tuple(flag for flag in case.flags if flag not in (NOT_ANALYSED, CHANGED)),
        not_analysed=case.not_analysed,
        why=priority.why(_standing(case), now),
        claim=claim,
        alert=case.alert,
    )
    return _blind(line) if row.blind_first_read and not case.state.terminal else line


def _blind(line: WorklistRow) -> WorklistRow:
    """The line without the answer: the reader says what they think first. The place in the list still follows from the risk."""
    answer: dict[str, Any] = {"outcome": None, "classes": (), "top_class": None, "top_probability": None}
    return replace(line, **answer, risk=None, flags=(), alert=None, blind=True, why=BLIND)


def _standing(case: Case) -> priority.Standing:
    return priority.Standing(
        urgency=case.urgency,
        risk_level=case.risk_level,
        answered=case.not_analysed is None and case.lead_outcome in {Outcome.PREDICTION, Outcome.SET},
        sla_hours=case.sla_hours,
        received_at=case.received_at,
        due_at=case.due_at,
        changed=case.alert is not None,
    )
