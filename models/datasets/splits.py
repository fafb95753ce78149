"""Splits and folds that keep a lesion and a patient on one side, and, only when asked for, the image-level one that does not."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from models.datasets.groups import By, group_keys
from models.datasets.types import DatasetError, Record, Split

SHARES = (0.8, 0.1, 0.1)
Parts = dict[Split, list[Record]]
_REST = 2**32 // 10 + 1


def split_of(key: str) -> Split:
    """80 % train, 10 % validation, 10 % test, decided by a hash of the key alone: stable when data is added."""
    tenth = _hash(key) % 10
    return {8: Split.VALIDATION, 9: Split.TEST}.get(tenth, Split.TRAIN)


def partition(
    records: Sequence[Record], *, by: By = "patient", shares: tuple[float, float, float] = SHARES, seed: int = 0
) -> dict[Split, list[Record]]:
    """Train, validation and test, in the order of ``records``; all three keys are there, a part may be empty.

    "patient" and "lesion" decide by a hash of the group (see ``group_keys``): with the usual shares and seed 0 exactly as
    ``split_of``, and with others so that a larger test share contains the smaller one. "image" ignores lesions, draws each diagnosis
    by itself and gives every class the same shares; the same lesion then stands on both sides and figures come out too good.

    Raises DatasetError when the shares are not three numbers from 0 to 1 that add up to 1.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise DatasetError(f"The shares {shares} are no split: give train, validation and test, each at least 0, adding up to 1.")
    keys = group_keys(records, by=by)
    if by == "image":
        chosen = _stratified(records, keys, shares=shares, seed=seed)
    else:
        chosen = [_split_at(_position(key, seed=seed), shares) for key in keys]
    parts: Parts = {split: [] for split in Split}
    for record, split in zip(records, chosen, strict=True):
        parts[split].append(record)
    return parts


def folds(records: Sequence[Record], *, k: int, by: By = "patient", seed: int = 0) -> list[tuple[list[Record], list[Record]]]:
    """``k`` pairs of (the rest, the fold held out). Groups stay whole; sizes and shares of the diagnoses are about the same.

    Raises DatasetError when ``k`` is under 2 or there are fewer groups than folds.
    """
    keys = group_keys(records, by=by)
    members: dict[str, list[Record]] = defaultdict(list)
    for record, key in zip(records, keys, strict=True):
        members[key].append(record)
    if not 2 <= k <= len(members):
        raise DatasetError(f"{k} folds of {len(members)} groups (by {by}) are impossible: choose 2 to {len(members)}.")
    fold_of = _deal(members, k=k, seed=seed)
    homes = [fold_of[key] for key in keys]
    return [
        (
            [record for record, home in zip(records, homes, strict=True) if home != fold],
            [record for record, home in zip(records, homes, strict=True) if home == fold],
        )
        for fold in range(k)
    ]


def straddling(parts: Mapping[Split, Sequence[Record]], *, by: By = "lesion") -> int:
    """How many lesions (or patients) stand in more than one part: 0 unless the split was by image."""
    records = [record for part in parts.values() for record in part]
    homes = [split for split, part in parts.items() for _ in part]
    seen: dict[str, set[Split]] = defaultdict(set)
    for key, split in zip(group_keys(records, by=by), homes, strict=True):
        seen[key].add(split)
    return sum(len(splits) > 1 for splits in seen.values())


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")


def _position(key: str, *, seed: int) -> float:
    """0 ≤ position < 1, whose first decimal is the tenth that ``split_of`` goes by."""
    number = _hash(f"{seed}/{key}" if seed else key)
    return (number % 10 + number // 10 / _REST) / 10


def _split_at(position: float, shares: tuple[float, float, float]) -> Split:
    # Rounded, or 0.7 + 0.1 would lie a hair under 0.8 and move whoever stands exactly there.
    if position < round(shares[0], 9):
        return Split.TRAIN
    return Split.VALIDATION if position < round(shares[0] + shares[1], 9) else Split.TEST


def _stratified(records: Sequence[Record], keys: Sequence[str], *, shares: tuple[float, float, float], seed: int) -> list[Split]:
    """Each diagnosis in an order drawn by hash, the first of it to test, the next to validation, the rest to train."""
    by_diagnosis: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        by_diagnosis[record.diagnosis or ""].append(index)
    chosen = [Split.TRAIN] * len(records)
    for indices in by_diagnosis.values():
        indices.sort(key=lambda index: (_hash(f"{seed}/{keys[index]}"), keys[index]))
        test = round(shares[2] * len(indices))
        validation = round(shares[1] * len(indices))
        for index in indices[:test]:
            chosen[index] = Split.TEST
        for index in indices[test : test + validation]:
            chosen[index] = Split.VALIDATION
    return chosen


def _deal(members: Mapping[str, Sequence[Record]], *, k: int, seed: int) -> dict[str, int]:
    """Largest groups first, each to the fold that has the fewest pictures of its diagnosis, then the fewest pictures."""
    order = sorted(members, key=lambda key: (-len(members[key]), _hash(f"{seed}/{key}"), key))
    counts: list[Counter[str | None]] = [Counter() for _ in range(k)]
    fold_of: dict[str, int] = {}
    for key in order:
        diagnosis = Counter(record.diagnosis for record in members[key]).most_common(1)[0][0]
        fold = min(range(k), key=lambda fold: (counts[fold][diagnosis], counts[fold].total(), fold))
        counts[fold].update(record.diagnosis for record in members[key])
        fold_of[key] = fold
    return fold_of
