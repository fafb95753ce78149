"""The sequence model's word on the visits of a lesion: beside the comparisons, not instead of them."""

from collections.abc import Sequence
from datetime import timedelta

from models.change.sequence import SequenceAnswer, SequenceReader, chosen_visits
from models.pictures.errors import PictureRefused
from models.pictures.types import Gray, Rgb
from services.objects import ObjectMissing
from services.records.series import has_answer, keep_answer
from services.records.visits import TrailVisit
from workers.trail_pictures import Sights, Transaction, visit_scale

DAY = timedelta(days=1)


def read_series(
    visits: Sequence[TrailVisit],
    *,
    reader: SequenceReader | None,
    transaction: Transaction,
    sights: Sights,
) -> None:
    """Let the sequence model read the visits up to the newest, where it has not; pictures without a lesion are left out.

    Raises StoreUnavailable, DatabaseUnavailable.
    """
    if reader is None:
        return
    chosen = [visits[place] for place in chosen_visits(_days(visits), most=reader.most)]
    if _is_read(transaction, reader, chosen):
        return
    seen = [(visit, *shown) for visit in chosen if (shown := _shown(sights, visit)) is not None]
    read = [visit for visit, _, _ in seen]
    if len(read) < 2 or read[-1] != visits[-1] or (read != chosen and _is_read(transaction, reader, read)):
        return
    answer = _answer(reader, read, [(picture, mask) for _, picture, mask in seen])
    with transaction() as session:
        keep_answer(session=session, visits=read, answer=answer.to_json())


def _is_read(transaction: Transaction, reader: SequenceReader, visits: Sequence[TrailVisit]) -> bool:
    with transaction() as session:
        return has_answer(session=session, digest=reader.digest, visits=visits)


def _answer(reader: SequenceReader, visits: Sequence[TrailVisit], shown: Sequence[tuple[Rgb, Gray]]) -> SequenceAnswer:
    scales = [_mm_per_px(visit, picture) for visit, (picture, _) in zip(visits, shown, strict=True)]
    pictures, masks = [picture for picture, _ in shown], [mask for _, mask in shown]
    return reader.read(pictures, days=_days(visits), masks=masks, mm_per_px=scales)


def _shown(sights: Sights, visit: TrailVisit) -> tuple[Rgb, Gray] | None:
    try:
        sight = sights.of(visit)
    except (ObjectMissing, PictureRefused):
        return None
    return None if sight.mask is None else (sight.picture, sight.mask)


def _mm_per_px(visit: TrailVisit, picture: Rgb) -> float | None:
    """Of the reduced picture."""
    scale = visit_scale(visit)
    return scale.mm_per_px * visit.width / picture.shape[1] if scale else None


def _days(visits: Sequence[TrailVisit]) -> list[float]:
    return [(visit.visited_at - visits[0].visited_at) / DAY for visit in visits]
