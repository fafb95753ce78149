"""Which pictures belong together: the same lesion or patient, also when two data sets hold it."""

from collections.abc import Sequence
from typing import Literal

from models.datasets.files import archive_name
from models.datasets.types import Record

By = Literal["patient", "lesion", "image"]

_Node = tuple[str, str]


def group_keys(records: Sequence[Record], *, by: By) -> list[str]:
    """One key per record; records with the same key must stay together.

    "lesion" joins pictures of one lesion, and the same picture of the ISIC archive in two data sets of which only one knows the
    lesion. "patient" joins the lesions of a patient as well. "image" leaves every picture alone. The key is a patient's name, else a
    lesion's, else a picture's: the first in order of the alphabet where a group has several.
    """
    if by == "image":
        return [_picture_key(record) for record in records]
    forest = _Forest()
    for record in records:
        first, *others = _nodes(record, by=by)
        for other in others:
            forest.join(first, other)
    names: dict[_Node, list[_Node]] = {}
    for node in dict.fromkeys(node for record in records for node in _nodes(record, by=by)):
        names.setdefault(forest.root(node), []).append(node)
    keys = {root: min(nodes)[1] for root, nodes in names.items()}
    return [keys[forest.root(_nodes(record, by=by)[0])] for record in records]


def _picture_key(record: Record) -> str:
    return archive_name(record.image) or f"{record.source}/{record.lesion}/{record.image.stem}"


def _nodes(record: Record, *, by: By) -> list[_Node]:
    """What the record is tied to. The first letter orders them: a patient, b lesion, c picture."""
    picture = archive_name(record.image)
    # A reader that knows no lesion names it after the picture; a real lesion's name goes before it.
    nodes = [("c" if record.lesion == picture else "b", record.lesion)]
    if picture is not None and picture != record.lesion:
        nodes.append(("c", picture))
    if by == "patient" and record.patient:
        nodes.append(("a", record.patient))
    return nodes


class _Forest:
    """Union-find with path halving."""

    def __init__(self) -> None:
        self._parent: dict[_Node, _Node] = {}

    def root(self, node: _Node) -> _Node:
        parent = self._parent
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent.setdefault(above, above)
            node = parent[node]
        return node

    def join(self, one: _Node, other: _Node) -> None:
        self._parent[self.root(other)] = self.root(one)
