"""What the sequence model said about a lesion's visits. Append-only; a repeat changes nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records.tables import SequenceAnswer
from services.records.visits import TrailVisit


def has_answer(*, session: Session, digest: str, visits: Sequence[TrailVisit]) -> bool:
    """Whether the model with this digest has read exactly these visits."""
    row = SequenceAnswer
    asked = (row.case_id == visits[-1].case_id, row.digest == digest, row.image_ids == [visit.image_id for visit in visits])
    return bool(session.scalar(select(exists().where(*asked))))


def keep_answer(*, session: Session, visits: Sequence[TrailVisit], answer: dict[str, Any]) -> None:
    """Keep the word on these visits, the earliest first. ``answer``: ``models.change.sequence.SequenceAnswer.to_json()``."""
    row = {
        "id": uuid4(),
        "tenant_id": visits[-1].tenant_id,
        "case_id": visits[-1].case_id,
        "image_ids": [visit.image_id for visit in visits],
        "visits": len(visits),
        "digest": answer["digest"],
        "malignant_probability": answer["malignant_probability"],
        "progressing_probability": answer["progressing_probability"],
        "details": answer,
    }
    session.execute(insert(SequenceAnswer).values(row).on_conflict_do_nothing())
