"""Sandbox portals: the whole interface with answers that never change, for those who connect a portal.

A case of a sandbox goes the way of every other one, through the same queue, networks and rows. Only what is said about it comes from
a script, which the case's ``reference`` names by its first word: ``melanoma``, ``melanoma:42``. No person reads it, and nothing of it
teaches a model.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.records.access import SETUP, create_tenant, create_user
from services.records.audit import Actor
from services.records.states import CaseState, Decision, Management, Role, UserState
from services.records.tables import Case, Tenant, User

READER_EMAIL = "sandbox-reader@dermatrail.invalid"
READER_NAME = "Sandbox reader (a script, not a person)"
NOTE = "Written by the sandbox's script. Nobody has looked at this picture."
AT_A_TIME = 50


class Scenario(StrEnum):
    """What a case of a sandbox can be asked to become."""

    NAEVUS = "naevus"
    MELANOMA = "melanoma"
    CORRECTED = "corrected"
    SET = "set"
    FOLLOW_UP = "follow-up"
    OUT_OF_DISTRIBUTION = "out-of-distribution"
    RETAKE = "retake"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the model and then the reader say.

    ``probabilities``: of class codes, sum 1; empty where the models abstain. ``classes``: what the answer stands for, most likely first.
    ``abstains``: why it stands for none; ``next_step`` beside it. ``fails``: there is no answer at all. ``decision``: None: it is left
    undecided.
    """

    about: str
    probabilities: Mapping[str, float]
    malignant_probability: float = 0.0
    classes: tuple[str, ...] = ()
    abstains: str | None = None
    next_step: str | None = None
    fails: bool = False
    decision: Decision | None = None
    diagnosis: str | None = None
    reason: str | None = None
    management: Management | None = None
    follow_up_months: int | None = None


def _mostly(code: str, probability: float) -> dict[str, float]:
    codes = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    rest = (1 - probability) / (len(codes) - 1)
    return {one: probability if one == code else rest for one in codes}


NAEVUS, MELANOMA = _mostly("NV", 0.93), _mostly("MEL", 0.86)
EITHER = {**dict.fromkeys(NAEVUS, 0.02), "MEL": 0.40, "NV": 0.48}
BENIGN = Script(about="a naevus by the model; no reader ever decides", probabilities=NAEVUS, malignant_probability=0.04, classes=("NV",))
MALIGNANT = Script(about="", probabilities=MELANOMA, malignant_probability=0.92, classes=("MEL",))
UNSURE = Script(about="", probabilities=EITHER, malignant_probability=0.46, classes=("NV", "MEL"))
CONFIRMED, CORRECTED, REFUSED = Decision.CONFIRM, Decision.CORRECT, Decision.NOT_ASSESSABLE

SCRIPTS: Mapping[Scenario, Script] = {
    Scenario.NAEVUS: replace(
        BENIGN, about="a naevus, confirmed; nothing further", decision=CONFIRMED, diagnosis="NV", management=Management.DISCHARGE
    ),
    Scenario.MELANOMA: replace(
        MALIGNANT,
        about="a melanoma, confirmed; urgent referral",
        decision=CONFIRMED,
        diagnosis="MEL",
        management=Management.URGENT_REFERRAL,
    ),
    Scenario.CORRECTED: replace(
        BENIGN,
        about="the model says naevus, the reader corrects it to melanoma",
        decision=CORRECTED,
        diagnosis="MEL",
        management=Management.URGENT_REFERRAL,
    ),
    Scenario.SET: replace(
        UNSURE,
        about="the model cannot tell naevus from melanoma; the reader sees the patient in person",
        decision=CORRECTED,
        diagnosis="NV",
        management=Management.FACE_TO_FACE,
    ),
    Scenario.FOLLOW_UP: replace(
        BENIGN,
        about="a naevus, to be seen again after three months",
        decision=CONFIRMED,
        diagnosis="NV",
        management=Management.FOLLOW_UP,
        follow_up_months=3,
    ),
    Scenario.OUT_OF_DISTRIBUTION: Script(
        about="the model abstains (not like what it has learnt); the reader names a keratosis",
        probabilities=_mostly("BKL", 0.2),
        malignant_probability=0.3,
        abstains="out_of_distribution",
        next_step="dermatologist",
        decision=CORRECTED,
        diagnosis="BKL",
        management=Management.DISCHARGE,
    ),
    Scenario.RETAKE: Script(
        about="too poor a picture; the reader asks for a new one",
        probabilities=_mostly("NV", 0.3),
        malignant_probability=0.3,
        abstains="poor_quality",
        next_step="retake",
        decision=REFUSED,
        reason="blurred",
        management=Management.RETAKE,
    ),
    Scenario.FAILED: Script(
        about="the analysis fails; the reader decides without it",
        probabilities={},
        fails=True,
        decision=CORRECTED,
        diagnosis="NV",
        management=Management.DISCHARGE,
    ),
    Scenario.UNDECIDED: BENIGN,
}


def scenario_of(reference: str) -> Scenario:
    """Return what a case's reference asks for: its first word, up to a colon or a space; a naevus where it is no scenario's."""
    word = reference.replace(":", " ").split(" ", 1)[0].lower()
    return Scenario(word) if word in set(Scenario) else Scenario.NAEVUS


def create_sandbox(*, session: Session, name: str, slug: str, actor: Actor = SETUP) -> Tenant:
    """Create a sandbox portal. It stays one: scripted cases must never be taken for read ones. Raises as ``create_tenant``."""
    tenant = create_tenant(session=session, name=name, slug=slug, actor=actor, sandbox=True)
    if reader(session=session) is None:
        password = secrets.token_urlsafe(32)  # nobody knows it, and the account is closed
        person = {"email": READER_EMAIL, "name": READER_NAME, "role": Role.DERMATOLOGIST}
        made = create_user(session=session, **person, password=password, tenants=[], actor=actor)  # type: ignore[arg-type]
        session.execute(update(User).where(User.id == made).values(state=UserState.DISABLED))
    return tenant


def sandboxes(*, session: Session) -> list[UUID]:
    """Return every sandbox portal; for a session that sees all portals."""
    return list(session.scalars(select(Tenant.id).where(Tenant.sandbox).order_by(Tenant.id)))


def reader(*, session: Session) -> UUID | None:
    """Return the script's own account, which can never sign in; None while there is no sandbox."""
    return session.scalar(select(User.id).where(User.email == READER_EMAIL))


def undecided(*, session: Session, tenant_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, Script]]:
    """Return up to 50 sandbox cases that wait for their script's decision, oldest first: (tenant, case, script)."""
    waiting = (Case.tenant_id.in_(tenant_ids), Case.state == CaseState.AWAITING_REVIEW)
    # One that is never decided must not stand in the way of those behind it.
    told = Case.reference.is_(None) | ~Case.reference.istartswith(Scenario.UNDECIDED.value)
    query = select(Case.tenant_id, Case.id, Case.reference).where(*waiting, told).order_by(Case.received_at, Case.id).limit(AT_A_TIME)
    found = [(row.tenant_id, row.id, SCRIPTS[scenario_of(row.reference or "")]) for row in session.execute(query)]
    return [one for one in found if one[2].decision is not None]
