"""Diagnoses of one taxonomy told in another's codes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models.datasets.types import DatasetError, Record
from models.taxonomy import mapping, taxonomy_of


def relabel(records: Sequence[Record], *, taxonomy: str, keep_others: bool = False) -> list[Record]:
    """The records with their diagnoses as codes of ``taxonomy``.

    Records without diagnosis, or whose class has no counterpart, are dropped (``unmapped`` counts them); with ``keep_others``, as for
    outlines, they stay without diagnosis. Raises DatasetError: a diagnosis that its own taxonomy does not have, or nothing left.
    """
    ways = _ways(records, taxonomy)
    relabelled = []
    for record in records:
        code = ways[record.taxonomy].get(record.diagnosis or "")
        if code is not None or keep_others:
            relabelled.append(replace(record, diagnosis=code, taxonomy=taxonomy))
    if records and not relabelled:
        found = ", ".join(unmapped(records, taxonomy=taxonomy)) or "none"
        codes = ", ".join(taxonomy_of(taxonomy).codes)
        raise DatasetError(
            f"None of the {len(records)} pictures has a diagnosis in {taxonomy} ({codes}); theirs are {found}. "
            "Choose a taxonomy that these classes can be told in."
        )
    return relabelled


def unmapped(records: Sequence[Record], *, taxonomy: str) -> dict[str, int]:
    """How many pictures of which class ``relabel`` drops, the most frequent first; "no diagnosis" for those without."""
    ways = _ways(records, taxonomy)
    dropped = Counter(
        f"{record.diagnosis} ({record.taxonomy})" if record.diagnosis else "no diagnosis"
        for record in records
        if (record.diagnosis or "") not in ways[record.taxonomy]
    )
    return dict(dropped.most_common())


def _ways(records: Sequence[Record], taxonomy: str) -> dict[str, dict[str, str]]:
    taxonomy_of(taxonomy)
    ways = {source: mapping(source=source, target=taxonomy) for source in {record.taxonomy for record in records}}
    for record in records:
        if record.diagnosis is not None and record.diagnosis not in taxonomy_of(record.taxonomy):
            raise DatasetError(
                f"{record.image}: {record.diagnosis!r} is no class of {record.taxonomy}, whose classes are "
                f"{', '.join(taxonomy_of(record.taxonomy).codes)}. Correct it in the table of {record.source or 'the data set'}."
            )
    return ways
