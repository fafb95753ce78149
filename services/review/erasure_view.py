"""What the page of receipts shows: what was erased for which portal, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.records.erasure import ExportShare, Receipt
from services.records.states import ErasureReason, ErasureState
from services.review.admin_view import When, when

REASONS = {ErasureReason.REQUEST: "asked for by the portal", ErasureReason.RETENTION: "kept as long as agreed"}


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt. `exports`: data sets that held pictures of it; `waits`: why the objects are not deleted yet."""

    id: UUID
    short: str
    portal: str
    what: str
    why: str
    erased: When
    mark: str
    state: str
    objects: str
    exports: tuple[str, ...]
    waits: str


def receipt_row(receipt: Receipt, portals: Mapping[UUID, str], *, now: datetime) -> ReceiptRow:
    """A receipt as a row."""
    mark, state = _state(receipt)
    return ReceiptRow(
        id=receipt.id,
        short=str(receipt.id)[:8],
        portal=portals.get(receipt.tenant_id, ""),
        what=f"{'a patient' if receipt.whole else 'a trail'}, {_count(receipt.cases, 'case')}, {_count(_records(receipt), 'record')}",
        why=REASONS[receipt.reason],
        erased=when(receipt.created_at, now),
        mark=mark,
        state=state,
        objects=_count(receipt.objects, "object"),
        exports=tuple(_share(share) for share in receipt.exports),
        waits=receipt.problem or "",
    )


def _state(receipt: Receipt) -> tuple[str, str]:
    if receipt.state is ErasureState.DONE:
        return "done", "nothing is left"
    if receipt.problem:
        return "attention", "objects wait"
    return "information", "looked at once more" if receipt.objects_gone_at else "objects are being deleted"


def _share(share: ExportShare) -> str:
    left = share.images - share.pruned
    return f"{share.name}: {_count(left, 'picture')} to prune" if left else f"{share.name}: pruned"


def _records(receipt: Receipt) -> int:
    return sum(receipt.counts.values())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
