"""Receipts kept outside of the database, so that what was erased is erased again after a restore."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.records.errors import InvalidRecord
from services.records.tables import Case, Erasure, Patient, Tenant


@dataclass(frozen=True, slots=True)
class Saved:
    """What a receipt says that is needed to erase again: random numbers, which lead to somebody in a backup alone."""

    receipt_id: UUID
    tenant_id: UUID
    patient_id: UUID
    whole: bool
    case_ids: tuple[UUID, ...]

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where the objects of its cases lay."""
        return tuple(f"{self.tenant_id}/{case_id}/" for case_id in self.case_ids)


def saved_receipts(*, session: Session) -> Iterator[Saved]:
    """Return all receipts, the oldest first (the owner's login)."""
    columns = select(Erasure.id, Erasure.tenant_id, Erasure.patient_id, Erasure.whole, Erasure.case_ids)
    for row in session.execute(columns.order_by(Erasure.created_at, Erasure.id)):
        yield Saved(row[0], row[1], row[2], row[3], tuple(row[4]))


def to_line(saved: Saved) -> str:
    """A receipt as one line of JSON."""
    ids = {"receipt": saved.receipt_id, "tenant": saved.tenant_id, "patient": saved.patient_id}
    said = {name: str(value) for name, value in ids.items()}
    return json.dumps({**said, "whole": saved.whole, "cases": [str(case_id) for case_id in saved.case_ids]})


def from_lines(lines: Iterable[str]) -> Iterator[Saved]:
    """Read what `to_line` wrote. Raises InvalidRecord, which names the line."""
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            ids = (UUID(said["receipt"]), UUID(said["tenant"]), UUID(said["patient"]))
            yield Saved(*ids, bool(said["whole"]), tuple(UUID(case_id) for case_id in said["cases"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRecord(f"line {number}: not a receipt that dermatrail erasures save has written.") from error


def is_back(*, session: Session, saved: Saved) -> bool:
    """Whether the patient of a receipt about a whole patient is on file, after a restore (the owner's login)."""
    found = select(Patient.id).where(Patient.id == saved.patient_id, Patient.tenant_id == saved.tenant_id)
    return saved.whole and session.scalar(found) is not None


def gone_prefixes(*, session: Session, saved: Saved) -> tuple[str, ...]:
    """Return where objects of its cases may lie though no case is there (the owner's login)."""
    there = set(session.scalars(select(Case.id).where(Case.id.in_(saved.case_ids), Case.tenant_id == saved.tenant_id)))
    return tuple(prefix for case_id, prefix in zip(saved.case_ids, saved.prefixes, strict=True) if case_id not in there)


def portal_names(*, session: Session) -> dict[UUID, str]:
    """Return the short names of all portals."""
    return {row.id: row.slug for row in session.execute(select(Tenant.id, Tenant.slug))}
